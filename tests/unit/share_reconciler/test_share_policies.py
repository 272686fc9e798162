"""The bin of deleted files and the snapshot policy of a share, against a server that answers over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from informers.result import RequeueAfter
from reconcilers.server.snapshot_calls import Snapshot
from reconcilers.share.convergence import DEEP_POLL_INTERVAL_S
from tests.support.share_world import POLL_S, ShareWorld

TRASH = {
    "enabled": True,
    "retentionDays": 7,
    "maxSize": "10Gi",
    "restrictToAdmin": True,
    "excludePatterns": ["*.tmp", "~$*"],
}
ON_THE_SERVER = {
    "trash_enabled": True,
    "trash_retention_days": 7,
    "trash_max_bytes": 10 << 30,
    "trash_restrict_to_admin": True,
    "trash_exclude_patterns": ["*.tmp", "~$*"],
}
MEMORY: dict[str, Any] = {"metadata": {"type": "memory"}, "payload": {"type": "memory"}}
DAILY: dict[str, Any] = {"interval": "24h", "keep_last": 7, "name_prefix": "scheduled"}


def bin_of(world: ShareWorld, path: str = "/export") -> dict[str, Any]:
    share = world.hand.share(path)
    assert share is not None
    return dict(share.trash)


def policy_of(world: ShareWorld, path: str = "/export") -> dict[str, Any]:
    row = world.hand.snapshot_policy(path)
    assert row is not None
    return {"every": row.interval, "keep": row.keep_last, "for": row.ttl, "named": row.name_prefix, "on": row.enabled}


def pass_a_deep_poll(world: ShareWorld, *keys: Any) -> None:
    for _ in range(int(DEEP_POLL_INTERVAL_S / (POLL_S / 2))):
        world.clock.advance(POLL_S / 2)
        for key in keys:
            world.reconciler.reconcile(key)


class TestTrash:
    def test_every_field_is_on_the_server_from_the_start(self, world: ShareWorld) -> None:
        world.settle(world.put_share(trash=TRASH))

        assert bin_of(world) == ON_THE_SERVER

    def test_every_change_reaches_the_server(self, world: ShareWorld) -> None:
        key = world.put_share()
        world.settle(key)

        world.put_share(trash=TRASH)
        world.settle(key)
        assert bin_of(world) == ON_THE_SERVER
        assert "trash.enabled (false)" in world.recorder.events[-1].note

        world.put_share(trash={})
        world.settle(key)
        assert bin_of(world) == {
            "trash_enabled": True,
            "trash_retention_days": 0,
            "trash_max_bytes": 0,
            "trash_restrict_to_admin": False,
            "trash_exclude_patterns": [],
        }
        assert "trash.excludePatterns (*.tmp ~$*)" in world.recorder.events[-1].note

    def test_drift_is_repaired_within_one_poll_interval_and_told(self, world: ShareWorld) -> None:
        key = world.put_share(trash=TRASH)
        world.settle(key)
        world.hand.update_share("/export", fields={"trash_retention_days": 1, "trash_exclude_patterns": []})

        for _ in range(2):
            world.clock.advance(POLL_S / 2)
            world.reconciler.reconcile(key)

        assert bin_of(world) == ON_THE_SERVER
        assert world.recorder.events[-1].reason == "DriftRepaired"
        assert "trash.retentionDays (1), trash.excludePatterns (none)" in world.recorder.events[-1].note

    @pytest.mark.parametrize("how", ["taken over", "declared before"])
    def test_a_bin_that_is_not_declared_is_not_emptied(self, world: ShareWorld, how: str) -> None:
        """To turn it off empties it, and nobody said so."""
        key = world.put_share(trash=TRASH)
        world.settle(key)
        if how == "taken over":
            view = world.objects.shares.get(key)
            assert view is not None
            world.objects.shares.remove(view)
        world.calls.clear()

        world.settle(world.put_share())

        assert bin_of(world) == ON_THE_SERVER
        assert not [call for call in world.calls if "trash" in str(call.body)]

    def test_a_bin_that_is_declared_off_is_off(self, world: ShareWorld) -> None:
        key = world.put_share(trash=TRASH)
        world.settle(key)

        world.put_share(trash={"enabled": False})
        world.settle(key)

        assert bin_of(world)["trash_enabled"] is False


class TestSnapshotPolicy:
    def test_it_is_on_the_server_from_the_start_with_its_defaults(self, world: ShareWorld) -> None:
        key = world.put_share(path="/a/b", snapshotPolicy={})
        world.settle(key)

        assert policy_of(world, "/a/b") == {
            "every": "24h0m0s",
            "keep": 7,
            "for": "",
            "named": "scheduled",
            "on": True,
        }
        assert world.condition(key, "SnapshotPolicyReady") == ("True", "Scheduled")
        message = next(c["message"] for c in world.status(key)["conditions"] if c["type"] == "SnapshotPolicyReady")
        assert message == "the server takes a snapshot every 24h and keeps the newest 7"

    def test_every_change_reaches_the_server_and_then_nothing_is_sent(self, world: ShareWorld) -> None:
        key = world.put_share(snapshotPolicy={})
        world.settle(key)

        world.put_share(snapshotPolicy={"interval": "@hourly", "keepLast": 0, "ttl": "1.5h", "namePrefix": "x"})
        world.settle(key)

        assert policy_of(world) == {"every": "1h0m0s", "keep": 0, "for": "1h30m0s", "named": "x", "on": True}
        told = world.recorder.events[-1].note
        assert "snapshotPolicy.interval (24h0m0s), snapshotPolicy.keepLast (7), snapshotPolicy.ttl (none)" in told
        world.calls.clear()
        pass_a_deep_poll(world, key)
        assert {call.method for call in world.calls} == {"GET"}

    def test_drift_is_repaired_within_a_deep_poll_and_told(self, world: ShareWorld) -> None:
        key = world.put_share(snapshotPolicy={})
        world.settle(key)
        world.hand.put_snapshot_policy("/export", {**DAILY, "interval": "48h", "enabled": False})

        pass_a_deep_poll(world, key)

        assert policy_of(world)["every"] == "24h0m0s"
        assert policy_of(world)["on"] is True
        assert world.recorder.events[-1].reason == "DriftRepaired"
        assert "snapshotPolicy.enabled (false), snapshotPolicy.interval (48h0m0s)" in world.recorder.events[-1].note

    def test_one_that_somebody_removed_comes_back(self, world: ShareWorld) -> None:
        key = world.put_share(snapshotPolicy={})
        world.settle(key)
        world.hand.delete_snapshot_policy("/export")

        pass_a_deep_poll(world, key)

        assert policy_of(world)["keep"] == 7
        assert "snapshotPolicy (missing)" in world.recorder.events[-1].note

    def test_one_that_is_not_declared_goes(self, world: ShareWorld) -> None:
        key = world.put_share(snapshotPolicy={})
        world.settle(key)

        world.put_share()
        world.settle(key)

        assert world.hand.snapshot_policy("/export") is None
        assert world.condition(key, "SnapshotPolicyReady") == ("True", "NotSpecified")
        world.hand.put_snapshot_policy("/export", DAILY)
        pass_a_deep_poll(world, key)
        assert world.hand.snapshot_policy("/export") is None
        assert "snapshotPolicy (every 24h0m0s, not wanted)" in world.recorder.events[-1].note

    def test_one_made_in_other_words_is_the_same(self, world: ShareWorld) -> None:
        world.settle(world.put_share())
        world.hand.put_snapshot_policy("/export", {"interval": "1440m", "keep_last": 7})
        world.calls.clear()

        world.settle(world.put_share(snapshotPolicy={"interval": "@daily"}))

        assert not [call for call in world.calls if call.method == "PUT"]

    def test_of_contents_in_memory_no_snapshot_is_taken_and_the_condition_says_so(self, world: ShareWorld) -> None:
        world.put_instance(spec=MEMORY)
        key = world.put_share(snapshotPolicy={})

        assert isinstance(world.settle(key), RequeueAfter)

        assert world.hand.snapshot_policy("/export") is None
        assert world.condition(key, "SnapshotPolicyReady") == ("False", "NothingDurable")
        assert world.condition(key, "Ready") == ("True", "Serving")
        writes = len(world.objects.writes)
        pass_a_deep_poll(world, key)
        assert len(world.objects.writes) == writes

    def test_a_snapshot_that_failed_is_told_until_one_does_not(
        self, world: ShareWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = world.put_share(snapshotPolicy={})
        world.settle(key)
        ready = Snapshot("1", "scheduled-1", "ready", False, 0, "", "2030-01-01T00:00:00Z", scheduled=True)
        failed = replace(ready, name="scheduled-2", state="failed", error="disk full")
        by_hand, begun = replace(ready, scheduled=False), replace(ready, state="creating")
        taken = [by_hand, begun, failed, ready]
        monkeypatch.setattr(type(world.hand), "snapshots", lambda self, share: tuple(taken))

        pass_a_deep_poll(world, key)

        assert world.condition(key, "SnapshotPolicyReady") == ("False", "SnapshotFailed")
        assert 'the last snapshot of the policy, "scheduled-2" failed: disk full' in str(world.status(key))
        assert world.condition(key, "Ready") == ("True", "Serving")
        assert world.recorder.reasons() == ["Created", "SnapshotFailed"]
        writes = len(world.objects.writes)
        pass_a_deep_poll(world, key)
        assert len(world.objects.writes) == writes

        taken.insert(0, ready)
        pass_a_deep_poll(world, key)
        assert world.condition(key, "SnapshotPolicyReady") == ("True", "Scheduled")

    def test_an_adopted_share_has_the_store_that_counts(self, world: ShareWorld) -> None:
        world.hand.create_metadata_store("mine", store_type="memory", config={})
        world.hand.create_local_store("my-blocks", store_type="memory", config={})
        world.hand.create_share("/export", metadata_store="mine", local_store="my-blocks", fields={})
        key = world.put_share(snapshotPolicy={})

        world.settle(key)

        assert world.condition(key, "SnapshotPolicyReady") == ("False", "NothingDurable")

    @pytest.mark.parametrize("enabled", [True, False])
    def test_it_ends_with_its_object_so_that_no_snapshot_is_removed_any_more(
        self, world: ShareWorld, enabled: bool
    ) -> None:
        key = world.put_share(snapshotPolicy={}, enabled=enabled)
        world.settle(key)

        world.delete_share(key)
        world.reconciler.reconcile(key)

        assert not world.exists(key)
        assert world.hand.share("/export") is not None
        assert world.hand.snapshot_policy("/export") is None

    def test_while_the_server_is_away_nobody_knows(self, world: ShareWorld) -> None:
        key = world.put_share(snapshotPolicy={})
        world.settle(key)

        world.put_instance(apiReachable=False)
        world.settle(key)

        assert world.condition(key, "SnapshotPolicyReady") == ("Unknown", "ApiNotReachable")


def test_a_share_that_lost_its_row_gets_both_back(world: ShareWorld) -> None:
    key = world.put_share(trash=TRASH, snapshotPolicy={"interval": "6h"})
    world.settle(key)
    world.hand._caller.call("DELETE", "/api/v1/shares/export")

    world.clock.advance(POLL_S)
    world.settle(key)

    assert bin_of(world) == ON_THE_SERVER
    assert policy_of(world)["every"] == "6h0m0s"
