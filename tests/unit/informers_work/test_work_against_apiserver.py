"""The working half against the local API server over HTTP: leases, events, and the README's operator as a process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import orjson
import pytest
import structlog
from prometheus_client import CollectorRegistry

from hack.localcluster.apiserver.server import ApiServer
from informers.client import Client
from informers.configuration import load
from informers.election import LeaseElector, Step
from informers.errors import Conflict, NotFound
from informers.events import EventRecorder
from informers.lease import LEASES, ClientLeaseLock
from informers.metrics import Metrics
from informers.occurrence import EVENTS
from informers.resource import Manifest, ObjectKey, Resource
from informers.watch import WatchEvent
from tests.support.clock import FakeClock

ROOT = Path(__file__).parents[3]
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
LOCK = ObjectKey("default", "demo")
LIMIT_S = 20


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer(token="t0k", bookmark_interval_s=0.2) as running:
        yield running


@pytest.fixture
def kubeconfig(api: ApiServer, tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_bytes(orjson.dumps(api.kubeconfig))
    return path


@pytest.fixture
def client(kubeconfig: Path) -> Iterator[Client]:
    client = Client(load(str(kubeconfig), environment={}).configuration, user_agent="test")
    yield client
    client.close()


def elector(client: Client, clock: FakeClock, identity: str) -> LeaseElector:
    return LeaseElector(
        lock=ClientLeaseLock(client, LOCK, field_manager="test", labels={"app": "demo"}),
        identity=identity,
        clock=clock,
        random=Random(0),
        logger=structlog.wrap_logger(structlog.ReturnLogger()),
    )


def test_t116_t118_a_lease_is_created_renewed_released_and_taken_over(client: Client) -> None:
    clock = FakeClock()
    first, second = elector(client, clock, "first"), elector(client, clock, "second")
    assert (first.step(), second.step()) == (Step.ACQUIRE, Step.FOLLOW)
    created = client.get(LEASES, LOCK)
    clock.advance(2)

    assert (first.step(), second.step()) == (Step.RENEW, Step.FOLLOW)
    renewed = client.get(LEASES, LOCK)
    assert renewed["metadata"]["labels"] == {"app": "demo"}
    assert renewed["metadata"]["uid"] == created["metadata"]["uid"]
    assert renewed["metadata"]["resourceVersion"] != created["metadata"]["resourceVersion"]
    assert renewed["spec"] == {
        "holderIdentity": "first",
        "leaseDurationSeconds": 15,
        "leaseTransitions": 0,
        "acquireTime": "2030-01-02T03:04:05.000000Z",
        "renewTime": "2030-01-02T03:04:07.000000Z",
    }

    assert first.release()
    assert client.get(LEASES, LOCK)["spec"].get("holderIdentity", "") == ""
    assert second.step() is Step.ACQUIRE
    assert client.get(LEASES, LOCK)["spec"]["leaseTransitions"] == 1
    assert first.step() is Step.FOLLOW


def test_a_renewal_counts_as_a_change_even_when_the_wall_clock_stands_still(client: Client) -> None:
    """The API server ignores a write that changes nothing, and followers would take the lease for abandoned."""
    clock = FakeClock()
    leader = elector(client, clock, "leader")
    leader.step()
    before = client.get(LEASES, LOCK)["metadata"]["resourceVersion"]

    assert leader.step() is Step.RENEW

    assert client.get(LEASES, LOCK)["metadata"]["resourceVersion"] != before


def test_t116_somebody_elses_write_to_the_lease_costs_a_read_and_not_the_lease(client: Client) -> None:
    clock = FakeClock()
    leader = elector(client, clock, "leader")
    leader.step()
    client.merge_patch(LEASES, LOCK, {"metadata": {"labels": {"by": "hand"}}}, field_manager="hand")
    clock.advance(2)

    assert leader.step() is Step.RENEW

    assert client.get(LEASES, LOCK)["metadata"]["labels"] == {"app": "demo", "by": "hand"}


def test_a_lease_that_was_deleted_is_made_anew_and_an_old_copy_writes_nothing(client: Client) -> None:
    lock = ClientLeaseLock(client, LOCK, field_manager="test")
    clock = FakeClock()
    leader = elector(client, clock, "leader")
    leader.step()
    old = lock.get()
    client.delete(LEASES, LOCK)
    clock.advance(2)

    assert leader.step() is Step.RENEW

    with pytest.raises(Conflict):
        lock.update(old, old.record)


def test_an_event_is_created_and_its_series_counted(client: Client) -> None:
    clock = FakeClock()
    recorder = EventRecorder(
        client,
        component="demo",
        instance="demo-0",
        clock=clock,
        logger=structlog.wrap_logger(structlog.ReturnLogger()),
        metrics=Metrics(CollectorRegistry()),
    )
    regarding = client.create(CONFIG_MAPS, config_map("a"), field_manager="test")
    recorder.warning(regarding, "Broken", "it broke")
    recorder.warning(regarding, "Broken", "it broke")
    recorder.start()

    assert recorder.stop(LIMIT_S)

    (event,) = client.list(EVENTS, namespace="default").items
    assert event["regarding"]["uid"] == regarding["metadata"]["uid"]
    assert (event["type"], event["reason"], event["note"]) == ("Warning", "Broken", "it broke")
    assert event["series"] == {"count": 2, "lastObservedTime": "2030-01-02T03:04:05.000000Z"}


def config_map(name: str, **data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data}


def wait_until(client: Client, resource: Resource, condition: Callable[[], bool]) -> None:
    """Watch `resource` until `condition` holds: it is looked at after every change."""
    stream = client.watch(resource, resource_version="0", timeout_s=LIMIT_S, namespace="default")
    limit = threading.Timer(LIMIT_S, stream.close)
    limit.start()
    try:
        with stream:
            events: Iterator[WatchEvent] = iter(stream)
            while not condition():
                next(events, None) or pytest.fail(f"{resource} did not become as expected within {LIMIT_S} s")
    finally:
        limit.cancel()


def greeting(client: Client, name: str = "a") -> str | None:
    try:
        return str(client.get(CONFIG_MAPS, ObjectKey("default", f"{name}-greeting"))["data"]["text"])
    except NotFound:
        return None


def test_the_operator_of_the_readme_works_repairs_and_hands_over(
    client: Client, kubeconfig: Path, tmp_path: Path
) -> None:
    readme = (ROOT / "informers" / "README.md").read_text()
    (text,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    program = tmp_path / "greeter.py"
    program.write_text(text)
    client.create(CONFIG_MAPS, config_map("a", greet="world"), field_manager="test")
    client.create(CONFIG_MAPS, config_map("silent"), field_manager="test")
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, str(program), str(kubeconfig)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(client, CONFIG_MAPS, lambda: greeting(client) == "Hello, world!")
        key = ObjectKey("default", "a-greeting")
        client.merge_patch(CONFIG_MAPS, key, {"data": {"text": "Go away!"}}, field_manager="vandal")
        wait_until(client, CONFIG_MAPS, lambda: greeting(client) == "Hello, world!")
        client.create(CONFIG_MAPS, config_map("b", greet="you"), field_manager="test")
        wait_until(client, CONFIG_MAPS, lambda: greeting(client, "b") == "Hello, you!")
        assert greeting(client, "silent") is None
        client.delete(CONFIG_MAPS, key)
        wait_until(client, CONFIG_MAPS, lambda: greeting(client) == "Hello, world!")
        held = client.get(LEASES, ObjectKey("default", "greeter"))["spec"]["holderIdentity"]
        assert held.rpartition("_")[0] == os.uname().nodename
    finally:
        process.terminate()
        code = process.wait(LIMIT_S)

    assert code == 0, log.read_text()
    assert client.get(LEASES, ObjectKey("default", "greeter"))["spec"].get("holderIdentity", "") == ""
    assert "Traceback" not in log.read_text()
