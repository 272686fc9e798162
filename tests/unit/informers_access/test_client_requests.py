"""What each call of the client puts on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kubernetes.client import Configuration

from informers.client import Client
from informers.errors import BadRequest, WriteRefused
from informers.resource import ObjectKey, Resource
from informers.view import freeze
from tests.support.scripted_server import Answer, ScriptedServer, config_map

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
CLUSTER_ROLES = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False)
KEY = ObjectKey("ns", "a")
MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ns"}, "data": {"k": "é"}}
OBJECT = "/api/v1/namespaces/ns/configmaps/a"


def sent(server: ScriptedServer) -> tuple[str, str, dict[str, str], str | None, Any]:
    request = server.requests[-1]
    return request.method, request.path, request.query, request.headers.get("content-type"), request.body


def test_get_reads_one_object(server: ScriptedServer, client: Client) -> None:
    server.script("list", Answer(config_map("a", 1)))

    assert client.get(CONFIG_MAPS, KEY) == config_map("a", 1)
    assert sent(server) == ("GET", OBJECT, {}, None, None)
    assert server.requests[-1].headers["user-agent"] == "test/1"
    assert server.requests[-1].headers["accept"] == "application/json"


def test_apply_sends_json_under_the_apply_type(server: ScriptedServer, client: Client) -> None:
    server.script("PATCH", Answer(config_map("a", 2)), Answer(config_map("a", 2)))

    assert client.apply(CONFIG_MAPS, MANIFEST, field_manager="m", force=True) == config_map("a", 2)
    apply_type = "application/apply-patch+yaml"
    assert sent(server) == ("PATCH", OBJECT, {"fieldManager": "m", "force": "true"}, apply_type, MANIFEST)
    client.apply(CONFIG_MAPS, MANIFEST, field_manager="m", force=False, subresource="status")
    assert sent(server) == ("PATCH", f"{OBJECT}/status", {"fieldManager": "m", "force": "false"}, apply_type, MANIFEST)


def test_create_posts_to_the_collection(server: ScriptedServer, client: Client) -> None:
    server.script("POST", Answer(config_map("a", 2), status=201))

    client.create(CONFIG_MAPS, MANIFEST, field_manager="m")

    collection = "/api/v1/namespaces/ns/configmaps"
    assert sent(server) == ("POST", collection, {"fieldManager": "m"}, "application/json", MANIFEST)


def test_replace_puts_the_object(server: ScriptedServer, client: Client) -> None:
    server.script("PUT", Answer(config_map("a", 2)))

    client.replace(CONFIG_MAPS, MANIFEST)

    assert sent(server) == ("PUT", OBJECT, {}, "application/json", MANIFEST)


def test_json_patch_sends_its_operations_as_they_are(server: ScriptedServer, client: Client) -> None:
    server.script("PATCH", Answer(config_map("a", 2)), Answer(config_map("a", 2)))
    operations: list[dict[str, Any]] = [{"op": "test", "path": "/a", "value": None}, {"op": "remove", "path": "/a"}]

    client.json_patch(CONFIG_MAPS, KEY, operations, field_manager="m")
    assert sent(server) == ("PATCH", OBJECT, {"fieldManager": "m"}, "application/json-patch+json", operations)
    client.json_patch(CONFIG_MAPS, KEY, [], field_manager="m", subresource="status")
    assert sent(server) == ("PATCH", f"{OBJECT}/status", {"fieldManager": "m"}, "application/json-patch+json", [])


def test_merge_patch_keeps_its_nulls(server: ScriptedServer, client: Client) -> None:
    server.script("PATCH", Answer(config_map("a", 2)))
    patch = {"metadata": {"annotations": {"gone": None, "set": "x"}}}

    client.merge_patch(CONFIG_MAPS, KEY, patch, field_manager="m")

    assert sent(server) == ("PATCH", OBJECT, {"fieldManager": "m"}, "application/merge-patch+json", patch)


def test_delete_names_propagation_and_uid(server: ScriptedServer, client: Client) -> None:
    server.script("DELETE", Answer({}), Answer({}))
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}

    client.delete(CONFIG_MAPS, KEY)
    assert sent(server) == ("DELETE", OBJECT, {}, "application/json", options)
    client.delete(CONFIG_MAPS, KEY, uid="u1", propagation="Foreground")
    assert sent(server)[-1] == {**options, "propagationPolicy": "Foreground", "preconditions": {"uid": "u1"}}


def test_what_was_read_from_a_cache_may_be_sent(server: ScriptedServer, client: Client) -> None:
    server.script("PATCH", Answer({}))
    patch = {"spec": freeze({"list": [1, {"a": None}]})}

    client.merge_patch(CONFIG_MAPS, KEY, patch, field_manager="m")

    assert sent(server)[-1] == {"spec": {"list": [1, {"a": None}]}}


def test_a_list_gives_its_version_and_the_next_page(server: ScriptedServer, client: Client) -> None:
    metadata = {"resourceVersion": "7", "continue": "next"}
    server.script("list", Answer({"metadata": metadata, "items": [config_map("a", 1)]}), Answer({"items": None}))

    page = client.list(CONFIG_MAPS, namespace="ns", label_selector="a in (b,c)", limit=2)
    assert (page.items, page.resource_version, page.continue_token) == ([config_map("a", 1)], "7", "next")
    assert sent(server)[2] == {"labelSelector": "a in (b,c)", "limit": "2"}
    last = client.list(CONFIG_MAPS, continue_token="next", resource_version="7", limit=0)
    assert (last.items, last.resource_version, last.continue_token) == ([], "", "")
    assert sent(server)[1:3] == ("/api/v1/configmaps", {"continue": "next"})


def test_cluster_scoped_objects_have_no_namespace_in_their_path(server: ScriptedServer, client: Client) -> None:
    server.script("list", Answer({}))

    client.get(CLUSTER_ROLES, ObjectKey("", "system:node"))

    assert sent(server)[1] == "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node"


@pytest.mark.parametrize("key", [("ns", ""), ("ns", ".."), ("ns", "a/b"), ("ns", "%2e"), ("", "a"), ("../x", "a")])
def test_a_name_that_would_be_another_address_is_refused_unsent(
    server: ScriptedServer, client: Client, key: tuple[str, str]
) -> None:
    with pytest.raises(BadRequest):
        client.delete(CONFIG_MAPS, ObjectKey(*key))
    assert server.requests == []


def test_odd_characters_of_a_name_stay_part_of_the_name(server: ScriptedServer, client: Client) -> None:
    server.script("list", Answer({}))

    client.get(CONFIG_MAPS, ObjectKey("ns", "a?b#c"))

    assert sent(server)[1] == "/api/v1/namespaces/ns/configmaps/a%3Fb%23c"


class Gate:
    def __init__(self) -> None:
        self.open = False
        self.asked = 0

    def check(self) -> float:
        self.asked += 1
        if not self.open:
            raise WriteRefused("not the leader")
        return 10.0


def test_every_write_and_no_read_asks_the_gate_before_it_is_sent(server: ScriptedServer) -> None:
    gate = Gate()
    client = Client(Configuration(host=server.url), user_agent="t", gate=gate)
    writes: list[Callable[[], object]] = [
        lambda: client.create(CONFIG_MAPS, MANIFEST, field_manager="m"),
        lambda: client.replace(CONFIG_MAPS, MANIFEST),
        lambda: client.apply(CONFIG_MAPS, MANIFEST, field_manager="m", force=True),
        lambda: client.json_patch(CONFIG_MAPS, KEY, [], field_manager="m"),
        lambda: client.merge_patch(CONFIG_MAPS, KEY, {}, field_manager="m"),
        lambda: client.delete(CONFIG_MAPS, KEY),
    ]
    for write in writes:
        with pytest.raises(WriteRefused):
            write()
    assert server.requests == []

    gate.open = True
    server.script("list", Answer({}))
    client.get(CONFIG_MAPS, KEY)
    assert gate.asked == len(writes)


def test_a_password_in_the_servers_url_is_counted_nowhere(server: ScriptedServer) -> None:
    class Hosts:
        def __init__(self) -> None:
            self.seen: list[str] = []

        def request(self, *, code: str, method: str, host: str) -> None:
            self.seen.append(host)

    hosts = Hosts()
    configuration = Configuration(host=server.url.replace("://", "://admin:hunter2@"))
    client = Client(configuration, user_agent="test/1", metrics=hosts)
    server.script("list", Answer(config_map("a", 1)))

    client.get(CONFIG_MAPS, KEY)
    client.close()

    assert hosts.seen == [server.url.removeprefix("http://")]
