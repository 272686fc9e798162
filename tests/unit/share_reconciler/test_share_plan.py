"""What is wanted against what is there, as a table of steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconcilers.server.rows import HealthReport, Share, Store
from reconcilers.server.share_rows import ShareNfsConfig
from reconcilers.share.desired import DesiredShare, StoreDefinition
from reconcilers.share.detail_plan import PatchNfsConfig
from reconcilers.share.details import DesiredDetails, ObservedDetails
from reconcilers.share.execute import changed_fields
from reconcilers.share.plan import (
    ConfirmSizes,
    CreateShare,
    DisableShare,
    EnableShare,
    EnsureLocalStore,
    EnsureMetadataStore,
    Observed,
    RefreshAccess,
    Step,
    UpdateShare,
    plan,
    store_mismatch,
)

METADATA = StoreDefinition("op-x", "badger", {"path": "/data/metadata/x"})
LOCAL = StoreDefinition("op-payload", "fs", {"path": "/data/payload", "max_size": 1 << 60})
WANTED = DesiredShare(
    path="/x",
    enabled=True,
    read_only=False,
    default_permission="none",
    quota_bytes=0,
    details=DesiredDetails("op-x", {"squash": "root_to_guest"}),
    metadata_store=METADATA,
    local_store=LOCAL,
)
THERE = Share(
    id="1",
    name="/x",
    enabled=True,
    read_only=False,
    default_permission="none",
    quota="",
    metadata_store_id="m",
    local_block_store_id="l",
    health=HealthReport("healthy"),
)
NOT_LOADED = replace(THERE, health=HealthReport("unknown"))
METADATA_THERE = Store("m", "op-x", "badger", {"path": "/data/metadata/x"})
LOCAL_THERE = Store("l", "op-payload", "fs", {"path": "/data/payload", "max_size": 1152921504606847000})

SQUASH_NONE = DesiredDetails("op-x", {"squash": "none"})
PATCH_NONE = PatchNfsConfig({"squash": "none"}, {"squash": "root_to_guest"})


def squashing(squash: str) -> ObservedDetails:
    return ObservedDetails(ShareNfsConfig({"squash": squash, "netgroup": ""}))


CREATE = CreateShare("op-x", "op-payload", {"read_only": False, "default_permission": "none"})


@pytest.mark.parametrize(
    ("wanted", "observed", "steps"),
    [
        pytest.param({}, Observed(THERE), [], id="as wanted"),
        pytest.param(
            {}, Observed(None), [EnsureMetadataStore(METADATA), EnsureLocalStore(LOCAL), CREATE], id="nothing"
        ),
        pytest.param({}, Observed(None, METADATA_THERE, LOCAL_THERE), [CREATE], id="stores are there"),
        pytest.param({}, Observed(None, None, LOCAL_THERE), [EnsureMetadataStore(METADATA), CREATE], id="second share"),
        pytest.param(
            {"quota_bytes": 10 << 30, "enabled": False},
            Observed(None, METADATA_THERE, LOCAL_THERE),
            [
                CreateShare(
                    "op-x",
                    "op-payload",
                    {"read_only": False, "default_permission": "none", "quota_bytes": "10737418240"},
                ),
                DisableShare(),
            ],
            id="created with everything, and disabled only then: the server creates enabled shares only",
        ),
        pytest.param(
            {"read_only": True, "default_permission": "read"},
            Observed(THERE),
            [UpdateShare({"read_only": True, "default_permission": "read"}), RefreshAccess("root_to_guest")],
            id="two fields, and clients at work feel them",
        ),
        pytest.param(
            {"read_only": True},
            Observed(None, METADATA_THERE, LOCAL_THERE),
            [CREATE, UpdateShare({"read_only": True}), RefreshAccess("root_to_guest")],
            id="read-only, but made writable: the server could never make it writable otherwise",
        ),
        pytest.param(
            {"quota_bytes": 10 << 30}, Observed(THERE), [UpdateShare({"quota_bytes": "10737418240"})], id="new quota"
        ),
        pytest.param(
            {}, Observed(replace(THERE, quota="10.00GiB")), [UpdateShare({"quota_bytes": ""})], id="no quota more"
        ),
        pytest.param({"quota_bytes": 10 << 30}, Observed(replace(THERE, quota="10.00GiB")), [], id="same quota"),
        pytest.param({"enabled": False}, Observed(THERE), [DisableShare()], id="disable"),
        pytest.param({}, Observed(replace(THERE, enabled=False)), [EnableShare()], id="enable"),
        pytest.param(
            {"enabled": False, "read_only": True, "details": SQUASH_NONE},
            Observed(THERE, details=squashing("root_to_guest")),
            [DisableShare(), UpdateShare({"read_only": True}), PATCH_NONE],
            id="clients out first",
        ),
        pytest.param(
            {"read_only": True, "details": SQUASH_NONE},
            Observed(replace(THERE, enabled=False), details=squashing("root_to_guest")),
            [UpdateShare({"read_only": True}), PATCH_NONE, EnableShare()],
            id="clients in last",
        ),
        pytest.param({"details": SQUASH_NONE}, Observed(THERE), [], id="NFS options not looked at"),
        pytest.param(
            {"details": SQUASH_NONE}, Observed(THERE, details=squashing("none")), [], id="NFS options as wanted"
        ),
        pytest.param({"enabled": False}, Observed(NOT_LOADED), [], id="what is not loaded can't be disabled"),
        pytest.param({}, Observed(replace(NOT_LOADED, enabled=False)), [], id="what is not loaded can't be enabled"),
        pytest.param(
            {"read_only": True}, Observed(NOT_LOADED), [UpdateShare({"read_only": True})], id="its row can be changed"
        ),
    ],
)
def test_the_steps(wanted: dict[str, Any], observed: Observed, steps: list[Step]) -> None:
    assert list(plan(replace(WANTED, **wanted), observed, confirm=False)) == steps


def test_a_quota_is_confirmed_only_when_it_looks_the_same() -> None:
    wanted = replace(WANTED, quota_bytes=10 << 30)

    assert plan(wanted, Observed(replace(THERE, quota="10.00GiB")), confirm=True) == (
        ConfirmSizes({"quota_bytes": str(10 << 30)}),
    )
    assert plan(wanted, Observed(THERE), confirm=True) == (UpdateShare({"quota_bytes": "10737418240"}),)
    assert plan(WANTED, Observed(THERE), confirm=True) == ()


def test_that_a_share_is_read_only_is_confirmed_to_clients_when_an_earlier_pass_may_have_failed_to() -> None:
    wanted, there = replace(WANTED, read_only=True), Observed(replace(THERE, read_only=True))

    assert plan(wanted, there, confirm=True) == (RefreshAccess("root_to_guest"),)
    assert plan(wanted, there, confirm=False) == ()
    assert plan(wanted, Observed(replace(NOT_LOADED, read_only=True)), confirm=True) == ()


def test_the_fields_that_people_are_told_are_those_of_the_specification() -> None:
    steps: list[Step] = [
        DisableShare(),
        UpdateShare({"read_only": True, "quota_bytes": ""}),
        ConfirmSizes({"quota_bytes": "1"}),
        PATCH_NONE,
        RefreshAccess("none"),
    ]

    assert changed_fields(steps) == ("enabled", "readOnly", "quota.size", "nfs.squash (root_to_guest)")
    assert changed_fields([ConfirmSizes({"quota_bytes": "1"}), CREATE]) == ()


@pytest.mark.parametrize(
    ("present", "fits"),
    [
        (None, True),
        (LOCAL_THERE, True),
        (replace(LOCAL_THERE, config={"path": "/data/payload"}), True),
        (replace(LOCAL_THERE, config={"path": "/elsewhere"}), False),
        (replace(LOCAL_THERE, type="memory", config={}), False),
    ],
)
def test_a_store_fits_by_type_and_place(present: Store | None, fits: bool) -> None:
    """The server's rounding of max_size is no mismatch."""
    assert (store_mismatch(LOCAL, present) is None) is fits
