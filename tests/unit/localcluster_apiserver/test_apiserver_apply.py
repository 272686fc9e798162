"""Server-side apply and the other patches, through the whole server."""

from __future__ import annotations

from typing import Any

from tests.unit.localcluster_apiserver.world import (
    APPLY,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC,
    Api,
    config_map,
    stateful_set,
    widget,
)

MAPS = "/api/v1/namespaces/default/configmaps"
SETS = "/apis/apps/v1/namespaces/default/statefulsets"
WEB = f"{SETS}/web"


def _container(obj: dict[str, Any]) -> Any:
    return obj["spec"]["template"]["spec"]["containers"][0]


def test_applying_twice_creates_and_then_changes_nothing(api: Api) -> None:
    created = api.apply(WEB, stateful_set())
    again = api.apply(WEB, stateful_set())

    assert (created.code, again.code) == (201, 200)
    assert again.body == created.body
    assert created.body["metadata"]["generation"] == 1
    assert [entry["operation"] for entry in created.body["metadata"]["managedFields"]] == ["Apply"]


def test_a_field_left_out_of_the_next_apply_goes_and_a_default_comes_back(api: Api) -> None:
    first = stateful_set()
    first["spec"]["replicas"] = 3
    _container(first)["env"] = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    api.apply(WEB, first)
    second = stateful_set()
    _container(second)["env"] = [{"name": "B", "value": "2"}]

    applied = api.apply(WEB, second).body

    assert applied["spec"]["replicas"] == 1
    assert _container(applied)["env"] == [{"name": "B", "value": "2"}]
    assert applied["metadata"]["generation"] == 2


def test_a_field_of_another_manager_is_a_conflict_unless_forced(api: Api) -> None:
    api.ok("POST", f"{MAPS}?fieldManager=other", config_map("one", {"key": "theirs"}))

    refused = api.apply(f"{MAPS}/one", config_map("one", {"key": "ours"}))

    assert (refused.code, refused.reason) == (409, "Conflict")
    cause = refused.body["details"]["causes"][0]
    assert (cause["reason"], cause["field"]) == ("FieldManagerConflict", ".data.key")
    assert 'conflict with "other"' in cause["message"]
    forced = api.apply(f"{MAPS}/one", config_map("one", {"key": "ours"}), force=True).body
    assert forced["data"] == {"key": "ours"}


def test_an_item_of_a_keyed_list_belongs_to_who_applied_it(api: Api) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"ports": [{"name": "one", "port": 1}]},
    }
    path = "/api/v1/namespaces/default/services/s"
    api.apply(path, service)
    other = service | {"spec": {"ports": [{"name": "two", "port": 2}]}}

    both = api.apply(path, other, manager="second").body
    left = api.apply(path, service | {"spec": {}}).body

    assert [port["name"] for port in both["spec"]["ports"]] == ["one", "two"]
    assert [port["name"] for port in left["spec"]["ports"]] == ["two"]


def test_status_is_applied_through_its_subresource_only(api: Api, widgets: str) -> None:
    api.ok("POST", widgets, widget(spec={"size": 2}))
    applied = widget(spec={"size": 5}) | {"status": {"phase": "Done"}}

    answer = api.ok("PATCH", f"{widgets}/one/status?fieldManager=reporter", applied, kind=APPLY)

    assert (answer["status"], answer["spec"]["size"]) == ({"phase": "Done"}, 2)
    entry = next(entry for entry in answer["metadata"]["managedFields"] if entry["manager"] == "reporter")
    assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {"f:phase": {}}})


def test_a_custom_object_is_defaulted_pruned_and_judged_when_it_is_applied(api: Api, widgets: str) -> None:
    created = api.apply(f"{widgets}/one", widget(spec={"color": "red"})).body
    assert created["spec"] == {"color": "red", "size": 1, "replicas": 1}

    refused = api.apply(f"{widgets}/one", widget(spec={"color": "blue"}))

    assert refused.code == 422
    assert "color is fixed" in refused.body["message"]


def test_managers_are_tracked_by_the_user_agent_where_no_name_is_given(api: Api) -> None:
    created = api.ok("POST", MAPS, config_map("one"))

    entry = created["metadata"]["managedFields"][0]
    assert (entry["manager"], entry["operation"]) == ("tester", "Update")
    assert entry["fieldsV1"] == {"f:data": {".": {}, "f:key": {}}}


def test_a_merge_patch_removes_with_null_and_replaces_lists(api: Api) -> None:
    api.ok("POST", MAPS, config_map("one", {"a": "1", "b": "2"}, finalizers=["x.org/a", "x.org/b"]))
    patch = {"data": {"a": None}, "metadata": {"finalizers": ["x.org/c"]}}

    patched = api.ok("PATCH", f"{MAPS}/one", patch, kind=MERGE_PATCH)

    assert (patched["data"], patched["metadata"]["finalizers"]) == ({"b": "2"}, ["x.org/c"])


def test_a_json_patch_is_all_or_nothing(api: Api) -> None:
    api.ok("POST", MAPS, config_map("one", {"a": "1"}))
    operations = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "add", "path": "/data/b", "value": "2"},
        {"op": "remove", "path": "/data/none"},
    ]

    assert api.call("PATCH", f"{MAPS}/one", operations, kind=JSON_PATCH).code == 422
    assert api.ok("GET", f"{MAPS}/one")["data"] == {"a": "1"}
    assert api.ok("PATCH", f"{MAPS}/one", operations[:2], kind=JSON_PATCH)["data"] == {"a": "1", "b": "2"}


def test_a_strategic_patch_merges_lists_by_their_key_and_orders_them(api: Api) -> None:
    body = stateful_set()
    body["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "side:1"})
    api.ok("POST", SETS, body)
    containers = {
        "$setElementOrder/containers": [{"name": "new"}, {"name": "main"}],
        "containers": [
            {"name": "main", "image": "nginx:2"},
            {"name": "side", "$patch": "delete"},
            {"name": "new", "image": "new:1"},
        ],
    }

    patched = api.ok("PATCH", WEB, {"spec": {"template": {"spec": containers}}}, kind=STRATEGIC)

    images = [(one["name"], one["image"]) for one in patched["spec"]["template"]["spec"]["containers"]]
    assert images == [("new", "new:1"), ("main", "nginx:2")]
    assert patched["spec"]["template"]["spec"]["containers"][1]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


def test_a_strategic_patch_knows_primitive_lists_and_retained_keys(api: Api) -> None:
    api.ok("POST", MAPS, config_map("one", finalizers=["x.org/a", "x.org/b"]))
    change = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x.org/a"], "finalizers": ["x.org/c"]}}

    patched = api.ok("PATCH", f"{MAPS}/one", change, kind=STRATEGIC)

    assert patched["metadata"]["finalizers"] == ["x.org/c", "x.org/b"]
    deployment = stateful_set() | {"kind": "Deployment"}
    deployment["spec"].pop("serviceName")
    path = "/apis/apps/v1/namespaces/default/deployments"
    api.ok("POST", path, deployment)
    strategy = {"$retainKeys": ["type"], "type": "Recreate"}
    recreated = api.ok("PATCH", f"{path}/web", {"spec": {"strategy": strategy}}, kind=STRATEGIC)
    assert recreated["spec"]["strategy"] == {"type": "Recreate"}
