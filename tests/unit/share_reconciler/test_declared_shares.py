"""The list of declared shares and its hash."""

from __future__ import annotations

from typing import Any

import yaml

from informers.view import freeze
from reconcilers.api.share import DittoFSShare, DittoFSShareSpec
from reconcilers.share.declared import declared_shares, path_winners, shares_hash
from tests.support.admission_cases import GOOD_SHARES
from tests.support.crd_admission import admit, manifest


def share(
    name: str, *, created: str = "2030-01-01T00:00:00Z", uid: str = "", deleted: bool = False, **spec: Any
) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", "uid": uid or name, "creationTimestamp": created}
    if deleted:
        metadata["deletionTimestamp"] = created
    return {"metadata": metadata, "spec": {"instanceRef": {"name": "demo"}, **spec}}


def test_the_list_is_sorted_by_path_and_full_of_defaults() -> None:
    declared = declared_shares([share("b"), share("a", path="/z"), share("c", path="/a", quota={"size": "1Gi"})])

    assert [(entry.path, entry.name) for entry in declared] == [("/a", "c"), ("/b", "b"), ("/z", "a")]
    assert declared[1].as_document() == {
        "name": "b",
        "path": "/b",
        "enabled": True,
        "readOnly": False,
        "defaultPermission": "none",
    }


def test_shares_that_go_and_shares_that_lost_their_path_are_not_declared() -> None:
    declared = declared_shares(
        [
            share("gone", deleted=True),
            share("late", path="/x", created="2030-01-01T00:00:01Z"),
            share("early", path="/x", created="2030-01-01T00:00:00Z"),
        ]
    )

    assert [entry.name for entry in declared] == ["early"]


def test_of_two_of_one_second_the_smaller_uid_wins_and_a_deleted_one_has_no_say() -> None:
    winners = path_winners(
        [share("b", path="/x", uid="2"), share("a", path="/x", uid="3"), share("c", path="/x", uid="1", deleted=True)]
    )

    assert winners["/x"]["metadata"]["name"] == "b"


def test_the_hash_moves_with_the_specification_and_with_nothing_else() -> None:
    one = share("a", readOnly=False)
    base = shares_hash(declared_shares([one, share("b")]))

    assert shares_hash(declared_shares([share("b"), {**one, "status": {"phase": "Ready"}}])) == base
    assert shares_hash(declared_shares([share("a", suspend=True), share("b")])) == base
    assert shares_hash(declared_shares([share("a", readOnly=True), share("b")])) != base
    assert shares_hash(declared_shares([one])) != base
    for policy in ({"trash": {"enabled": True}}, {"snapshotPolicy": {"interval": "24h"}}, {"owner": "alice"}):
        assert shares_hash(declared_shares([share("a", **policy), share("b")])) != base
    assert shares_hash(()) == "4f53cda18c2baa0c"


def test_what_is_as_by_default_says_nothing_whoever_wrote_it_down() -> None:
    bare = {
        "instanceRef": {"name": "demo"},
        "smb": {"encryptData": True, "allowMfsymlink": True},
        "permissions": [{"user": "a", "level": "read"}],
    }
    complete = admit(DittoFSShare, manifest(DittoFSShare, bare))["spec"]
    complete["smb"] = dict(reversed(complete["smb"].items()))

    (one,), (other,) = (
        declared_shares([{**share("a"), "spec": spec}]) for spec in (bare, dict(reversed(complete.items())))
    )

    assert one == other
    assert one.as_document()["smb"] == {"encryptData": True, "allowMfsymlink": True}
    assert {"nfs", "cache", "retention"} & set(one.as_document()) == set()


def test_every_field_of_a_specification_is_told() -> None:
    """A field that is not in the file would be lost with the object."""
    told: dict[str, Any] = {}
    for spec in GOOD_SHARES:
        for entry in declared_shares([share("a", **spec)]):
            told |= entry.as_document()

    assert {field.alias for field in DittoFSShareSpec.model_fields.values()} - set(told) == {"instanceRef", "suspend"}


def test_the_document_speaks_the_words_of_the_custom_resource() -> None:
    policies = {"trash": {"enabled": True, "excludePatterns": ["*.tmp"]}, "snapshotPolicy": {"interval": "24h"}}
    one = share("a", quota={"size": "1Gi"}, nfs={"squash": "none"}, defaultPermission="read", **policies)
    declared = declared_shares([freeze(one)])[0]

    assert yaml.safe_load(yaml.safe_dump(declared.as_document())) == {
        "name": "a",
        "path": "/a",
        "enabled": True,
        "readOnly": False,
        "defaultPermission": "read",
        "quota": {"size": "1Gi"},
        "nfs": {"squash": "none"},
        **policies,
    }
