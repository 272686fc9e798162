"""Addresses of Services and pods."""

from __future__ import annotations

import ipaddress
import random

import pytest

from hack.localcluster.network import endpoints
from hack.localcluster.pod_network import AddressesExhausted, AddressPool, LocalRoute, PodNetwork, random_networks


def test_an_address_has_one_holder_and_can_be_given_back() -> None:
    pool = AddressPool(ipaddress.IPv4Network("127.1.1.0/30"))
    first, second = pool.take(), pool.take()
    assert first != second
    with pytest.raises(AddressesExhausted, match=r"127\.1\.1\.0/30"):
        pool.take()
    pool.release(first)
    pool.release(first)
    assert pool.take() == first


def test_the_networks_of_a_run_are_loopback_apart_and_never_the_common_one() -> None:
    for seed in range(50):
        services, pods = random_networks(random.Random(seed))
        assert services.is_loopback
        assert pods.is_loopback
        assert not services.overlaps(pods)
        assert not services.overlaps(ipaddress.IPv4Network("127.0.0.0/15"))


def test_a_pod_that_left_has_no_route() -> None:
    network = PodNetwork(AddressPool(ipaddress.IPv4Network("127.1.1.0/30")))
    address = network.join()
    network.publish(address, LocalRoute({80: 8080}))
    assert network.route(address) == LocalRoute({80: 8080})
    network.leave(address)
    assert network.route(address) is None


def service(**spec: object) -> dict[str, object]:
    ports = [{"port": 2049, "targetPort": "nfs"}, {"port": 53, "protocol": "UDP"}, {"port": 80}]
    return {
        "metadata": {"name": "s", "namespace": "n", "uid": "u"},
        "spec": {"clusterIP": "127.1.1.1", "ports": ports, **spec},
        "status": {"loadBalancer": {"ingress": [{"ip": "127.1.1.2"}]}},
    }


def test_a_service_listens_at_all_of_its_addresses_for_tcp() -> None:
    where = {(one.address, one.port, one.target) for one in endpoints(service())}
    assert where == {
        ("127.1.1.1", 2049, "nfs"),
        ("127.1.1.1", 80, 80),
        ("127.1.1.2", 2049, "nfs"),
        ("127.1.1.2", 80, 80),
    }


def test_headless_and_external_services_listen_nowhere() -> None:
    assert {one.address for one in endpoints(service(clusterIP="None"))} == {"127.1.1.2"}
    assert endpoints(service(type="ExternalName")) == []
