"""What becomes of an owner and its dependents in a deletion in the foreground, and in one that orphans them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.localcluster_apiserver.world import MERGE_PATCH, Api, config_map

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def owner(api: Api) -> dict[str, Any]:
    made: dict[str, Any] = api.ok("POST", MAPS, config_map("owner"))
    return made


def _child(api: Api, owner: dict[str, Any], name: str, **metadata: Any) -> None:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    reference |= {"blockOwnerDeletion": metadata.pop("blocking", True)}
    api.ok("POST", MAPS, config_map(name, ownerReferences=[reference], **metadata))


def test_the_owner_waits_in_the_foreground_for_a_dependent_that_blocks(api: Api, owner: dict[str, Any]) -> None:
    _child(api, owner, "held", finalizers=["x.org/hold"])
    _child(api, owner, "free")

    api.ok("DELETE", f"{MAPS}/owner?propagationPolicy=Foreground")

    assert api.call("GET", f"{MAPS}/free").code == 404
    assert "deletionTimestamp" in api.ok("GET", f"{MAPS}/held")["metadata"]
    assert api.ok("GET", f"{MAPS}/owner")["metadata"]["finalizers"] == ["foregroundDeletion"]

    api.ok("PATCH", f"{MAPS}/held", {"metadata": {"finalizers": None}}, kind=MERGE_PATCH)

    assert api.call("GET", f"{MAPS}/held").code == 404
    assert api.call("GET", f"{MAPS}/owner").code == 404


def test_the_owner_does_not_wait_for_a_dependent_that_does_not_block(api: Api, owner: dict[str, Any]) -> None:
    _child(api, owner, "held", finalizers=["x.org/hold"], blocking=False)

    api.ok("DELETE", f"{MAPS}/owner?propagationPolicy=Foreground")

    assert api.call("GET", f"{MAPS}/owner").code == 404
    assert "deletionTimestamp" in api.ok("GET", f"{MAPS}/held")["metadata"]


def test_orphans_stay_and_keep_their_other_owners(api: Api, owner: dict[str, Any]) -> None:
    other = api.ok("POST", MAPS, config_map("other"))["metadata"]["uid"]
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid}
        for name, uid in (("owner", owner["metadata"]["uid"]), ("other", other))
    ]
    api.ok("POST", MAPS, config_map("child", ownerReferences=references))

    api.ok("DELETE", f"{MAPS}/owner", {"propagationPolicy": "Orphan"})

    assert api.call("GET", f"{MAPS}/owner").code == 404
    left = api.ok("GET", f"{MAPS}/child")["metadata"]["ownerReferences"]
    assert [reference["uid"] for reference in left] == [other]


def test_another_finalizer_keeps_an_owner_whose_dependents_are_seen_to(api: Api) -> None:
    api.ok("POST", MAPS, config_map("owner", finalizers=["x.org/hold"]))

    api.ok("DELETE", f"{MAPS}/owner?propagationPolicy=Orphan")

    assert api.ok("GET", f"{MAPS}/owner")["metadata"]["finalizers"] == ["x.org/hold"]


def test_a_dry_run_shows_the_deletion_and_changes_nothing(api: Api, owner: dict[str, Any]) -> None:
    shown = api.ok("DELETE", f"{MAPS}/owner?propagationPolicy=Foreground&dryRun=All")

    assert shown["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert api.ok("GET", f"{MAPS}/owner") == owner
