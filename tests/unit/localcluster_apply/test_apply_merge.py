"""Server-side apply: what it writes, whom it asks, and what it leaves alone."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hack.localcluster.apiserver.apply.merge import (
    ApplyConflict,
    ApplyOutcome,
    ApplyRefused,
    apply,
    same_but_times,
    track_update,
)
from hack.localcluster.apiserver.apply.types import FieldType, TypeResolver

Json = dict[str, Any]

RESOLVER = TypeResolver()
SERVICE = RESOLVER.builtin("v1", "Service")
CONFIG_MAP = RESOLVER.builtin("v1", "ConfigMap")
DEPLOYMENT = RESOLVER.builtin("apps/v1", "Deployment")
CUSTOM = RESOLVER.custom(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "replicas": {"type": "integer"},
                    "image": {"type": "string", "nullable": True},
                    "nfs": {"type": "object", "properties": {"port": {"type": "integer"}, "on": {"type": "boolean"}}},
                    "args": {"type": "array", "items": {"type": "string"}},
                    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
            "status": {
                "type": "object",
                "properties": {
                    "conditions": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["type"],
                        "items": {
                            "type": "object",
                            "required": ["type"],
                            "properties": {"type": {"type": "string"}, "status": {"type": "string"}},
                        },
                    }
                },
            },
        },
    }
)


def obj(spec: Json | None = None, *, status: Json | None = None, **metadata: Any) -> Json:
    made: Json = {"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "demo", "namespace": "d", **metadata}}
    if spec is not None:
        made["spec"] = spec
    if status is not None:
        made["status"] = status
    return made


def applied(
    live: Json | None,
    config: Json,
    manager: str = "a",
    *,
    force: bool = False,
    types: FieldType = CUSTOM,
    now: str = "t1",
    subresource: str = "",
) -> ApplyOutcome:
    before = copy.deepcopy((live, config))
    try:
        return apply(live, config, manager=manager, subresource=subresource, force=force, types=types, now=now)
    finally:
        assert (live, config) == before, "an argument was changed"


def after(live: Json | None, config: Json, manager: str = "a", **options: Any) -> Json:
    return applied(live, config, manager, **options).object


def updated(old: Json | None, new: Json, manager: str = "u", *, types: FieldType = CUSTOM, now: str = "t5") -> Json:
    """`new` as stored after an update."""
    fields = track_update(old, new, manager=manager, subresource="", types=types, now=now)
    metadata = {**new["metadata"], "managedFields": fields}
    return {**new, "metadata": metadata}


def owners(stored: Mapping[str, Any]) -> dict[str, Json]:
    """The owned fields by manager."""
    return {entry["manager"]: entry["fieldsV1"] for entry in stored["metadata"].get("managedFields", [])}


def times(stored: Mapping[str, Any]) -> dict[str, str]:
    return {entry["manager"]: entry.get("time", "") for entry in stored["metadata"]["managedFields"]}


def spec(stored: Mapping[str, Any]) -> Any:
    return stored.get("spec")


class TestOneManager:
    def test_the_first_apply_creates_and_owns_what_it_says(self) -> None:
        stored = after(None, obj({"replicas": 1}, labels={"x": "1"}))

        assert spec(stored) == {"replicas": 1}
        assert stored["metadata"]["managedFields"] == [
            {
                "manager": "a",
                "operation": "Apply",
                "apiVersion": "x/v1",
                "time": "t1",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:metadata": {"f:labels": {"f:x": {}}}, "f:spec": {"f:replicas": {}}},
            }
        ]

    def test_the_same_again_changes_nothing_at_all(self) -> None:
        stored = after(None, obj({"replicas": 1, "args": ["x"], "tags": ["a", "b"]}))

        again = applied(stored, obj({"replicas": 1, "args": ["x"], "tags": ["a", "b"]}), now="t2")

        assert not again.changed
        assert again.object == stored

    def test_a_changed_value_moves_the_time(self) -> None:
        stored = after(None, obj({"replicas": 1}))

        stored = after(stored, obj({"replicas": 2}), now="t2")

        assert spec(stored) == {"replicas": 2}
        assert times(stored) == {"a": "t2"}

    def test_what_is_no_longer_said_goes(self) -> None:
        stored = after(None, obj({"replicas": 1, "nfs": {"port": 1, "on": True}}, labels={"x": "1", "y": "2"}))

        stored = after(stored, obj({"replicas": 1, "nfs": {"port": 1}}, labels={"y": "2"}))

        assert spec(stored) == {"replicas": 1, "nfs": {"port": 1}}
        assert stored["metadata"]["labels"] == {"y": "2"}

    def test_a_map_goes_with_its_last_field(self) -> None:
        stored = after(None, obj({"replicas": 1, "nfs": {"port": 1}}, labels={"x": "1"}))

        stored = after(stored, obj({"replicas": 1}))

        assert spec(stored) == {"replicas": 1}
        assert "labels" not in stored["metadata"]

    def test_a_map_that_pruning_emptied_goes_though_another_manager_made_it(self) -> None:
        def labelled(value: str) -> Json:
            return {**_containers(), "spec": {"template": {"metadata": {"labels": {"x": value}}}}}

        stored = updated(None, labelled("1"), types=DEPLOYMENT)
        stored = after(stored, labelled("2"), types=DEPLOYMENT, force=True)

        stored = after(stored, {**_containers(), "spec": {}}, types=DEPLOYMENT)

        assert spec(stored) == {"template": {"metadata": {}}}

    def test_an_empty_configuration_leaves_an_object_that_nobody_owns(self) -> None:
        stored = after(after(None, obj({"replicas": 1})), obj())

        assert "managedFields" not in stored["metadata"]
        assert spec(stored) is None

    def test_an_atomic_list_is_replaced_as_a_whole(self) -> None:
        stored = after(None, obj({"args": ["a", "b"]}))

        assert spec(after(stored, obj({"args": ["c"]}))) == {"args": ["c"]}

    def test_system_metadata_is_never_owned_and_never_overwritten(self) -> None:
        stored = after(None, obj({"replicas": 1}))
        stored["metadata"] |= {"uid": "u1", "creationTimestamp": "c", "generation": 3, "resourceVersion": "7"}

        outcome = applied(stored, obj({"replicas": 1}, creationTimestamp=None, resourceVersion="7"))

        assert not outcome.changed

    def test_managed_fields_in_a_configuration_are_refused(self) -> None:
        with pytest.raises(ApplyRefused, match=r"metadata\.managedFields must be nil"):
            applied(None, obj({}, managedFields=[]))


class TestConflicts:
    def test_another_manager_may_say_the_same_and_owns_it_too(self) -> None:
        stored = after(after(None, obj({"replicas": 1})), obj({"replicas": 1}), "b", now="t2")

        assert owners(stored) == {"a": {"f:spec": {"f:replicas": {}}}, "b": {"f:spec": {"f:replicas": {}}}}
        assert times(stored)["a"] == "t1"

    def test_another_value_is_a_conflict_which_names_the_owner_and_the_field(self) -> None:
        stored = after(None, obj({"replicas": 1}))

        with pytest.raises(ApplyConflict) as caught:
            applied(stored, obj({"replicas": 2}), "b")

        (conflict,) = caught.value.conflicts
        assert (conflict.manager, conflict.operation, conflict.field) == ("a", "Apply", ".spec.replicas")
        assert str(caught.value) == 'Apply failed with 1 conflict: conflict with "a": .spec.replicas'

    def test_conflicts_with_several_managers_are_listed_by_manager(self) -> None:
        stored = after(after(None, obj({"replicas": 1})), obj({"image": "x"}), "b")

        with pytest.raises(ApplyConflict) as caught:
            applied(stored, obj({"replicas": 2, "image": "y"}), "c")

        assert str(caught.value) == (
            'Apply failed with 2 conflicts: conflicts with "a":\n- .spec.replicas\nconflicts with "b":\n- .spec.image'
        )

    def test_a_conflict_with_an_update_names_its_version(self) -> None:
        stored = updated(None, obj({"replicas": 1}), "kubectl-edit")

        with pytest.raises(ApplyConflict) as caught:
            applied(stored, obj({"replicas": 2}))

        assert caught.value.conflicts[0].description == '"kubectl-edit" using x/v1'

    def test_force_takes_the_field_from_its_owner(self) -> None:
        stored = after(None, obj({"replicas": 1, "image": "x"}))

        stored = after(stored, obj({"replicas": 2}), "b", force=True)

        assert spec(stored) == {"replicas": 2, "image": "x"}
        assert owners(stored) == {"a": {"f:spec": {"f:image": {}}}, "b": {"f:spec": {"f:replicas": {}}}}

    def test_an_owner_of_nothing_is_dropped(self) -> None:
        stored = after(after(None, obj({"replicas": 1})), obj({"replicas": 2}), "b", force=True)

        assert list(owners(stored)) == ["b"]

    def test_what_two_own_stays_when_one_gives_it_up(self) -> None:
        stored = after(after(None, obj({"replicas": 1})), obj({"replicas": 1, "image": "x"}), "b")

        stored = after(stored, obj({"image": "x"}), "b")

        assert spec(stored) == {"replicas": 1, "image": "x"}
        assert owners(stored) == {"a": {"f:spec": {"f:replicas": {}}}, "b": {"f:spec": {"f:image": {}}}}

    def test_fields_of_one_map_may_belong_to_different_managers(self) -> None:
        stored = after(after(None, obj({"nfs": {"port": 1}})), obj({"nfs": {"on": True}}), "b")

        stored = after(stored, obj({}), "a")

        assert spec(stored) == {"nfs": {"on": True}}


class TestLists:
    def test_ports_are_told_apart_by_port_and_protocol(self) -> None:
        dns = [{"port": 53, "name": "tcp"}, {"port": 53, "protocol": "UDP", "name": "udp"}]
        stored = after(None, obj({"ports": dns}), types=SERVICE)

        stored = after(stored, obj({"ports": dns[1:]}), types=SERVICE)

        assert spec(stored) == {"ports": dns[1:]}

    def test_a_defaulted_key_is_the_same_as_a_given_one(self) -> None:
        stored = after(None, obj({"ports": [{"port": 53, "protocol": "TCP"}]}), types=SERVICE)

        stored = after(stored, obj({"ports": [{"port": 53, "name": "dns"}]}), "b", types=SERVICE)

        assert spec(stored) == {"ports": [{"port": 53, "protocol": "TCP", "name": "dns"}]}

    def test_items_are_merged_field_by_field(self) -> None:
        stored = after(None, _containers({"name": "x", "image": "1"}), types=DEPLOYMENT)
        stored = after(stored, _containers({"name": "x", "args": ["v"]}), "b", types=DEPLOYMENT)

        with pytest.raises(ApplyConflict) as caught:
            applied(stored, _containers({"name": "x", "image": "2"}), "b", types=DEPLOYMENT)

        assert spec(stored)["template"]["spec"]["containers"] == [{"name": "x", "image": "1", "args": ["v"]}]
        assert caught.value.conflicts[0].field == '.spec.template.spec.containers[name="x"].image'

    def test_an_item_of_another_manager_stays_when_ours_goes(self) -> None:
        stored = after(None, _containers({"name": "x"}, {"name": "y"}), types=DEPLOYMENT)
        stored = after(stored, _containers({"name": "side"}), "b", types=DEPLOYMENT)

        stored = after(stored, _containers({"name": "y"}), types=DEPLOYMENT)

        assert [item["name"] for item in spec(stored)["template"]["spec"]["containers"]] == ["y", "side"]

    def test_environment_variables_are_merged_by_name(self) -> None:
        def env(*variables: Json) -> Json:
            return _containers({"name": "x", "env": list(variables)})

        stored = after(None, env({"name": "A", "value": "1"}, {"name": "B", "value": "2"}), types=DEPLOYMENT)
        stored = after(stored, env({"name": "B", "value": "3"}, {"name": "A", "value": "1"}), types=DEPLOYMENT)

        assert spec(stored)["template"]["spec"]["containers"][0]["env"] == [
            {"name": "B", "value": "3"},
            {"name": "A", "value": "1"},
        ]

    def test_a_key_that_stands_there_twice_is_refused(self) -> None:
        twice = _containers({"name": "x", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]})

        with pytest.raises(ApplyRefused) as caught:
            applied(None, twice, types=DEPLOYMENT)

        assert str(caught.value).endswith(
            '.spec.template.spec.containers[name="x"].env: duplicate entries for key [name="A"]'
        )

    def test_finalizers_are_a_set_to_which_everybody_adds(self) -> None:
        stored = after(None, obj(finalizers=["x/a"]))
        stored = after(stored, obj(finalizers=["x/b"]), "b")
        assert stored["metadata"]["finalizers"] == ["x/a", "x/b"]

        stored = after(stored, obj(), "a")
        assert stored["metadata"]["finalizers"] == ["x/b"]

    def test_owner_references_are_told_apart_by_uid(self) -> None:
        first, second = ({"apiVersion": "v1", "kind": "K", "name": "n", "uid": uid} for uid in ("1", "2"))
        stored = after(after(None, obj(ownerReferences=[first])), obj(ownerReferences=[second]), "b")

        assert [reference["uid"] for reference in stored["metadata"]["ownerReferences"]] == ["1", "2"]

    @pytest.mark.parametrize(
        ("live", "config", "result"),
        [
            ("abc", "cba", "cba"),
            ("abc", "b", "abc"),
            ("axc", "ca", "xca"),
            ("ab", "xay", "xaby"),
            ("", "ab", "ab"),
            ("ab", "", "ab"),
        ],
    )
    def test_applied_items_keep_their_order_and_the_rest_its_place(self, live: str, config: str, result: str) -> None:
        stored = after(None, obj({"tags": list(live)}))

        stored = after(stored, obj({"tags": list(config)}), "b")

        assert spec(stored)["tags"] == list(result)

    def test_conditions_of_two_managers_stand_side_by_side(self) -> None:
        stored = after(None, obj(status={"conditions": [{"type": "Ready", "status": "True"}]}), subresource="status")
        synced = obj(status={"conditions": [{"type": "Synced", "status": "True"}]})
        stored = after(stored, synced, "b", subresource="status")

        assert [condition["type"] for condition in stored["status"]["conditions"]] == ["Ready", "Synced"]


def _containers(*containers: Json) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "demo", "namespace": "d"},
        "spec": {"template": {"spec": {"containers": list(containers)}}},
    }


class TestNulls:
    def test_a_null_claims_a_field_without_storing_it(self) -> None:
        stored = after(None, obj({"replicas": None}))

        assert spec(stored) == {}
        assert owners(stored) == {"a": {"f:spec": {"f:replicas": {}}}}
        assert not applied(stored, obj({"replicas": None}), now="t2").changed

    def test_a_null_removes_a_value(self) -> None:
        stored = after(None, obj({"replicas": 1, "args": ["a"]}))

        assert spec(after(stored, obj({"replicas": None, "args": ["a"]}))) == {"args": ["a"]}

    def test_a_null_takes_no_value_from_another_manager_but_by_force(self) -> None:
        stored = after(None, obj({"replicas": 1, "image": "x"}))

        with pytest.raises(ApplyConflict):
            applied(stored, obj({"replicas": None}), "b")

        stored = after(stored, obj({"replicas": None}), "b", force=True)
        assert spec(stored) == {"image": "x"}
        assert owners(stored)["a"] == {"f:spec": {"f:image": {}}}

    def test_a_null_is_stored_where_the_schema_allows_it(self) -> None:
        stored = after(None, obj({"image": None}))

        assert spec(stored) == {"image": None}
        assert not applied(stored, obj({"image": None}), now="t2").changed


class TestFit:
    @pytest.mark.parametrize(
        ("config", "problem"),
        [
            ({"typo": 1}, ".spec.typo: field not declared in schema"),
            ({"replicas": "1"}, ".spec.replicas: expected numeric (int or float), got string"),
            ({"image": 1}, ".spec.image: expected string, got &value.valueUnstructured{Value:1}"),
            ({"nfs": 1}, ".spec.nfs: expected map, got &{1}"),
            ({"tags": {}}, ".spec.tags: expected list, got &{map[]}"),
            ({"tags": ["a", "a"]}, '.spec.tags: duplicate entries for key [="a"]'),
        ],
    )
    def test_what_does_not_fit_the_schema_is_refused(self, config: Json, problem: str) -> None:
        with pytest.raises(ApplyRefused) as caught:
            applied(None, obj(config))

        assert str(caught.value) == f"failed to create typed patch object (d/demo; x/v1, Kind=X): {problem}"

    def test_every_problem_is_told(self) -> None:
        with pytest.raises(ApplyRefused) as caught:
            applied(None, obj({"typo": 1, "other": 2}))

        assert str(caught.value).count("field not declared in schema") == 2


class TestSubresources:
    def test_status_belongs_to_an_entry_of_its_own(self) -> None:
        stored = after(None, obj({"replicas": 1}))
        stored = after(stored, obj(status={"conditions": [{"type": "Ready"}]}), subresource="status")

        entries = [(entry["manager"], entry.get("subresource")) for entry in stored["metadata"]["managedFields"]]
        assert entries == [("a", None), ("a", "status")]
        assert spec(stored) == {"replicas": 1}

    def test_what_an_endpoint_throws_away_is_neither_merged_nor_owned(self) -> None:
        config = obj({"replicas": 1}, status={"conditions": [{"type": "Ready"}]})

        stored = apply(
            None, config, manager="a", subresource="", force=False, types=CUSTOM, now="t1", reset=("status",)
        ).object

        assert "status" not in stored
        assert owners(stored) == {"a": {"f:spec": {"f:replicas": {}}}}


class TestOtherWrites:
    def test_a_creation_owns_everything_that_it_brings(self) -> None:
        stored = updated(None, obj({"nfs": {"port": 1}}, labels={"x": "1"}))

        assert stored["metadata"]["managedFields"] == [
            {
                "manager": "u",
                "operation": "Update",
                "apiVersion": "x/v1",
                "time": "t5",
                "fieldsType": "FieldsV1",
                "fieldsV1": {
                    "f:metadata": {"f:labels": {".": {}, "f:x": {}}},
                    "f:spec": {".": {}, "f:nfs": {".": {}, "f:port": {}}},
                },
            }
        ]

    def test_an_update_takes_what_it_changes_from_everybody(self) -> None:
        stored = after(None, obj({"replicas": 1, "image": "x"}))

        stored = updated(stored, {**stored, "spec": {"replicas": 2, "image": "x"}})

        assert owners(stored) == {"a": {"f:spec": {"f:image": {}}}, "u": {"f:spec": {"f:replicas": {}}}}

    def test_an_update_that_changes_nothing_owns_nothing(self) -> None:
        stored = after(None, obj({"replicas": 1}))

        assert updated(stored, stored) == stored

    def test_a_removed_field_leaves_all_entries(self) -> None:
        stored = after(None, obj({"replicas": 1, "image": "x"}))

        stored = updated(stored, {**stored, "spec": {"image": "x"}})

        assert owners(stored) == {"a": {"f:spec": {"f:image": {}}}}

    def test_the_same_manager_adds_to_its_entry(self) -> None:
        stored = updated(None, obj({"replicas": 1}))

        stored = updated(stored, {**stored, "spec": {"replicas": 1, "image": "x"}}, now="t6")

        assert owners(stored) == {"u": {"f:spec": {".": {}, "f:image": {}, "f:replicas": {}}}}
        assert times(stored) == {"u": "t6"}

    def test_a_client_that_knows_no_managed_fields_does_not_lose_them(self) -> None:
        stored = after(None, obj({"replicas": 1}))

        stored = updated(stored, obj({"replicas": 1, "image": "x"}))

        assert set(owners(stored)) == {"a", "u"}

    def test_one_empty_entry_makes_the_object_forget(self) -> None:
        stored = after(None, obj({"replicas": 1}))

        stored = updated(stored, obj({"replicas": 1}, managedFields=[{}]))
        assert owners(stored) == {}

        stored = updated(stored, {**stored, "spec": {"replicas": 2}})
        assert owners(stored) == {}

    def test_the_first_apply_to_an_untracked_object_respects_what_stands_there(self) -> None:
        live = obj({"replicas": 1, "image": "x"})

        with pytest.raises(ApplyConflict) as caught:
            applied(live, obj({"replicas": 2}))

        assert caught.value.conflicts[0].manager == "before-first-apply"
        assert spec(after(live, obj({"replicas": 2}), force=True)) == {"replicas": 2, "image": "x"}

    def test_an_applied_field_that_an_update_removed_comes_back(self) -> None:
        stored = after(None, obj({"replicas": 1, "image": "x"}))
        stored = updated(stored, {**stored, "spec": {"image": "x"}})

        outcome = applied(stored, obj({"replicas": 1, "image": "x"}))

        assert outcome.changed
        assert spec(outcome.object) == {"replicas": 1, "image": "x"}

    def test_a_default_that_nobody_owns_stays(self) -> None:
        stored = after(None, obj({"nfs": {"port": 1}}))
        stored["spec"]["nfs"]["on"] = True

        assert spec(after(stored, obj({"nfs": {"port": 2}}))) == {"nfs": {"port": 2, "on": True}}

    def test_a_default_that_nobody_owns_stays_when_its_neighbour_goes(self) -> None:
        stored = after(None, obj({"nfs": {"port": 1}, "replicas": 1}))
        stored["spec"]["nfs"]["on"] = True

        assert spec(after(stored, obj({"nfs": {}}))) == {"nfs": {"on": True}}

    def test_items_that_stand_there_twice_are_owned_as_one(self) -> None:
        twice = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]

        stored = updated(None, _containers({"name": "x", "env": twice}), types=DEPLOYMENT)

        container = owners(stored)["u"]["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"x"}']
        assert container["f:env"] == {".": {}, 'k:{"name":"A"}': {}}

    def test_a_manager_that_applies_has_one_entry_whatever_the_version(self) -> None:
        stored = after(None, obj({"replicas": 1}))

        stored = after(stored, {**obj({"replicas": 1}), "apiVersion": "x/v2"})

        assert [entry["apiVersion"] for entry in stored["metadata"]["managedFields"]] == ["x/v2"]

    def test_only_times_are_no_difference(self) -> None:
        stored = after(None, obj({"replicas": 1}))
        later = after(None, obj({"replicas": 1}), now="t9")

        assert same_but_times(stored, later)
        assert not same_but_times(stored, after(stored, obj({"replicas": 2})))
        assert not same_but_times(stored, after(stored, obj({"replicas": 1}), "b"))


SPECS = st.fixed_dictionaries(
    {},
    optional={
        "replicas": st.integers(0, 2),
        "nfs": st.fixed_dictionaries({}, optional={"port": st.integers(0, 2), "on": st.booleans()}),
        "args": st.lists(st.sampled_from("ab"), max_size=2),
        "tags": st.lists(st.sampled_from("abc"), max_size=3, unique=True),
        "labels": st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"), max_size=2),
    },
)


@given(first=SPECS, second=SPECS, third=SPECS)
def test_whatever_was_applied_before_the_last_configuration_holds_and_holds_still(
    first: Json, second: Json, third: Json
) -> None:
    # an object without any owner counts as untracked, and the next apply writes that down
    third["image"] = "x"
    stored = after(None, obj(first))
    stored = after(stored, obj(second), "b", force=True)
    outcome = applied(stored, obj(third), force=True)

    assert _contains(outcome.object["spec"], third)
    assert not applied(outcome.object, obj(third), force=True, now="t9").changed


@given(first=SPECS, second=SPECS)
def test_a_lone_manager_gets_exactly_what_it_says(first: Json, second: Json) -> None:
    stored = after(after(None, obj(first)), obj(second))

    assert _without_empty(stored["spec"]) == _without_empty(second)


def _contains(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(_contains(value.get(name), below) for name, below in wanted.items())
    if isinstance(wanted, list):
        return [item for item in value or [] if item in wanted] == wanted
    return bool(value == wanted)


def _without_empty(value: Any) -> Any:
    """`value` without empty maps and lists, which may stay where something was."""
    if isinstance(value, dict):
        return {name: part for name, below in value.items() if (part := _without_empty(below)) not in ({}, [])}
    return value


def test_config_maps_merge_key_by_key() -> None:
    one: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1", "b": "2"}}
    stored = after(None, one, types=CONFIG_MAP)
    stored = after(stored, {**one, "data": {"c": "3"}}, "b", types=CONFIG_MAP)

    stored = after(stored, {**one, "data": {"b": "2"}}, types=CONFIG_MAP)

    assert stored["data"] == {"b": "2", "c": "3"}
