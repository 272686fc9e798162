"""The official Python client, concurrent writers, and the table of built-in kinds against what the client knows."""

from __future__ import annotations

import importlib
import inspect
import re
import threading
from collections.abc import Iterator
from typing import Any

import kubernetes
import pytest

from hack.localcluster.apiserver.builtin import BUILTIN_TYPES, ResourceType
from hack.localcluster.apiserver.definitions import definitions
from hack.localcluster.apiserver.server import ApiServer
from tests.unit.localcluster_apiserver.world import TOKEN, Api, config_map

#: The client is typed, but its callers here send plain JSON.
official: Any = kubernetes

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def client(server: ApiServer) -> Iterator[Any]:
    configuration = official.client.Configuration()
    configuration.host = server.url
    configuration.api_key = {"authorization": f"Bearer {TOKEN}"}
    with official.client.ApiClient(configuration) as api_client:
        yield api_client


def test_the_official_client_writes_lists_and_watches(client: Any) -> None:
    core = official.client.CoreV1Api(client)
    created = core.create_namespaced_config_map("default", config_map("one"))
    core.patch_namespaced_config_map("one", "default", {"data": {"more": "1"}})
    version = created.metadata.resource_version

    watch = official.watch.Watch()
    stream = watch.stream(
        core.list_namespaced_config_map, "default", resource_version=version, timeout_seconds=5, _request_timeout=10
    )
    event = next(iter(stream))
    watch.stop()
    stream.close()

    assert (event["type"], event["object"].data) == ("MODIFIED", {"key": "value", "more": "1"})
    with pytest.raises(official.client.ApiException) as refused:
        core.read_namespaced_config_map("none", "default")
    assert refused.value.status == 404


def test_the_official_client_renews_a_lease_and_loses_with_an_old_version(client: Any) -> None:
    leases = official.client.CoordinationV1Api(client)
    lease = leases.create_namespaced_lease("default", {"metadata": {"name": "l"}, "spec": {"holderIdentity": "a"}})
    lease.spec.holder_identity = "b"
    leases.replace_namespaced_lease("l", "default", lease)

    with pytest.raises(official.client.ApiException) as refused:
        leases.replace_namespaced_lease("l", "default", lease)

    assert refused.value.status == 409
    assert leases.read_namespaced_lease("l", "default").spec.holder_identity == "b"


def test_concurrent_writers_lose_no_update(api: Api) -> None:
    api.ok("POST", MAPS, config_map("counter", {"count": "0"}))

    def count_up(times: int) -> None:
        while times:
            read = api.ok("GET", f"{MAPS}/counter")
            read["data"]["count"] = str(int(read["data"]["count"]) + 1)
            times -= api.call("PUT", f"{MAPS}/counter", read).code == 200

    writers = [threading.Thread(target=count_up, args=(10,)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert api.ok("GET", f"{MAPS}/counter")["data"]["count"] == "40"


def test_a_list_and_the_watch_from_its_version_show_every_object_once_whatever_is_written_meanwhile() -> None:
    names = [f"n{number:02}" for number in range(30)]
    with ApiServer(token=TOKEN, watch_window=100) as server:
        api = Api(server)
        writer = threading.Thread(target=lambda: [api.ok("POST", MAPS, config_map(name)) for name in names])
        writer.start()

        listed = api.ok("GET", MAPS)
        seen = [item["metadata"]["name"] for item in listed["items"]]
        version = listed["metadata"]["resourceVersion"]
        missing = len(names) - len(seen)
        events = api.watch(f"{MAPS}?resourceVersion={version}", count=missing, timeout_s=10) if missing else []

        writer.join()
        api.close()
    assert seen + [event["object"]["metadata"]["name"] for event in events] == names


def _known_paths(resource: ResourceType) -> set[str]:
    group = resource.group.removesuffix(".k8s.io").replace(".", "_").removesuffix("_authorization")
    module = {"": "core", "rbac": "rbac_authorization"}.get(group, group)
    source = inspect.getsource(importlib.import_module(f"kubernetes.client.api.{module}_{resource.version}_api"))
    return set(re.findall(r"resource_path='([^']+)'", source))


@pytest.mark.parametrize("resource", BUILTIN_TYPES, ids=str)
def test_each_builtin_type_is_what_the_official_client_and_the_definitions_say(resource: ResourceType) -> None:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    path = f"{root}{scope}/{resource.plural}"

    paths = _known_paths(resource)

    assert path in paths
    # the client calls the parameter of a namespace `name` as well
    assert {f"{path}/{{name}}/{name}" for name in resource.subresources} <= paths
    assert (f"{path}/{{name}}/status" in paths) is resource.status
    kinds = definitions()[resource.definition]["x-kubernetes-group-version-kind"]
    assert kinds == [{"group": resource.group, "version": resource.version, "kind": resource.kind}]
