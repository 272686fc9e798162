"""A DittoFSShare from its creation to its end, against a server that answers over HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest

from informers.result import Done, RequeueAfter, Terminal
from reconcilers import names
from reconcilers.api.resources import DITTOFS_SHARE
from reconcilers.server.session import Credentials
from reconcilers.share.reconciler import AWAY_LOOK_S
from tests.support.share_world import POLL_S, ShareWorld, failed


def test_a_new_share_is_created_and_reported(world: ShareWorld) -> None:
    key = world.put_share(path="/a/b", quota={"size": "10Gi"}, defaultPermission="read-write", nfs={"squash": "none"})

    result = world.settle(key)

    assert result == RequeueAfter(POLL_S)
    share = world.hand.share("/a/b")
    assert share is not None
    assert (share.enabled, share.quota, share.default_permission) == (True, "10.00GiB", "read-write")
    assert world.hand.share_nfs_config("/a/b").squash == "none"
    metadata, local = world.hand.metadata_store("op-a%2Fb"), world.hand.local_store("op-payload")
    assert metadata is not None
    assert local is not None
    assert (metadata.type, metadata.path) == ("badger", "/data/metadata/a%2Fb")
    assert (local.type, local.path) == ("fs", "/data/payload")
    assert float(local.config["max_size"]) == pytest.approx(2**60)
    status = world.status(key)
    assert (status["phase"], status["ready"], status["observedGeneration"]) == ("Ready", True, 1)
    assert (status["shareID"], status["adopted"]) == (share.id, False)
    assert status["stores"] == {"metadata": "op-a%2Fb", "local": "op-payload", "remote": ""}
    assert status["mount"] == "mount -t nfs -o vers=4.1,port=2049,proto=tcp 192.0.2.9:/a/b /mnt"
    assert {condition["type"]: condition["status"] for condition in status["conditions"]} == {
        **dict.fromkeys(("Ready", "InstanceReady", "Synced", "SnapshotPolicyReady"), "True"),
        "RestartRequired": "False",
    }
    assert world.recorder.reasons() == ["Created"]


def test_the_finalizer_is_on_before_anything_is_made_on_the_server(world: ShareWorld) -> None:
    key = world.put_share()

    world.reconciler.reconcile(key)

    view = world.objects.shares.get(key)
    assert view is not None
    assert names.FINALIZER in view["metadata"]["finalizers"]
    assert world.hand.shares() == ()
    assert world.hand.metadata_store("op-export") is None


def test_a_share_costs_two_writes_and_none_at_rest(world: ShareWorld) -> None:
    key = world.put_share()
    world.settle(key)
    assert world.objects.writes == ["json patch", "apply status"]

    for _ in range(50):
        world.clock.advance(POLL_S)
        assert world.reconciler.reconcile(key) == RequeueAfter(POLL_S)

    assert world.objects.writes == ["json patch", "apply status"]
    assert world.recorder.reasons() == ["Created"]


def test_sqlite_and_memory_instances_get_their_stores(world: ShareWorld) -> None:
    world.put_instance(spec={"metadata": {"type": "sqlite"}})
    world.settle(world.put_share("one"))
    sqlite = world.hand.metadata_store("op-one")
    assert sqlite is not None
    assert (sqlite.type, sqlite.path) == ("sqlite", "/data/metadata/one.db")


def test_a_memory_instance_gets_stores_without_files(world: ShareWorld) -> None:
    world.put_instance(spec={"metadata": {"type": "memory"}, "payload": {"type": "memory"}})
    world.settle(world.put_share("one"))

    metadata, local = world.hand.metadata_store("op-one"), world.hand.local_store("op-payload")

    assert metadata is not None
    assert local is not None
    assert (metadata.type, metadata.path, local.type, local.path) == ("memory", "", "memory", "")


def test_two_shares_have_a_metadata_store_each_and_share_the_local_one(world: ShareWorld) -> None:
    world.settle(world.put_share("one"))
    world.settle(world.put_share("two"))

    shares = {share.name: share for share in world.hand.shares()}

    assert shares["/one"].metadata_store_id != shares["/two"].metadata_store_id
    assert shares["/one"].local_block_store_id == shares["/two"].local_block_store_id


def test_a_changed_specification_reaches_the_server(world: ShareWorld) -> None:
    key = world.put_share(quota={"size": "10Gi"})
    world.settle(key)

    world.put_share(readOnly=True, nfs={"squash": "all_to_guest"})
    world.settle(key)

    share = world.hand.share("/export")
    assert share is not None
    assert (share.read_only, share.quota) == (True, "")
    assert world.hand.share_nfs_config("/export").squash == "all_to_guest"
    assert world.status(key)["observedGeneration"] == 2
    assert world.recorder.events[-1].reason == "Updated"
    told = "changed on the server: readOnly (false), quota.size (10.00GiB), nfs.squash (root_to_guest)"
    assert world.recorder.events[-1].note == told


def test_a_quota_that_the_servers_rounding_hides_is_sent_all_the_same(world: ShareWorld) -> None:
    """The server reports both as 100.00GiB; only a bigger step would show."""
    key = world.put_share(quota={"size": "100Gi"})
    world.settle(key)
    world.calls.clear()

    world.put_share(quota={"size": "104857601Ki"})
    world.settle(key)
    world.clock.advance(POLL_S)
    world.settle(key)

    sent = [call.body for call in world.calls if call.method == "PUT"]
    assert sent == [{"quota_bytes": str(104857601 * 1024)}]
    assert "DriftRepaired" not in world.recorder.reasons()


def test_drift_is_repaired_within_one_poll_interval(world: ShareWorld) -> None:
    key = world.put_share(quota={"size": "10Gi"})
    world.settle(key)
    world.clock.advance(1)
    world.reconciler.reconcile(key)

    world.hand.update_share("/export", fields={"read_only": True, "quota_bytes": ""})
    world.hand.disable_share("/export")
    for _ in range(2):
        world.clock.advance(POLL_S)
        world.reconciler.reconcile(key)

    share = world.hand.share("/export")
    assert share is not None
    assert (share.read_only, share.quota, share.enabled) == (False, "10.00GiB", True)
    assert world.recorder.events[-1].reason == "DriftRepaired"
    assert world.status(key)["phase"] == "Ready"


def test_drift_of_nfs_options_is_repaired_by_the_deep_look(world: ShareWorld) -> None:
    key = world.put_share(nfs={"squash": "none"})
    world.settle(key)
    world.hand.patch_share_nfs_config("/export", {"squash": "all_to_admin"})

    world.clock.advance(POLL_S)
    world.reconciler.reconcile(key)
    world.clock.advance(300)
    world.reconciler.reconcile(key)

    assert world.hand.share_nfs_config("/export").squash == "none"
    assert world.recorder.reasons()[-1] == "DriftRepaired"


def test_a_share_that_vanished_from_the_server_comes_back(world: ShareWorld) -> None:
    """As after the loss of the control-plane database: the same names, so the same files."""
    key = world.put_share()
    world.settle(key)
    before = world.status(key)["shareID"]
    world.hand._caller.call("DELETE", "/api/v1/shares/export")

    world.clock.advance(POLL_S)
    world.settle(key)

    assert world.hand.share("/export") is not None
    assert world.status(key)["shareID"] != before
    assert world.recorder.reasons() == ["Created", "Created"]


def test_a_disabled_share_is_disabled_and_not_ready(world: ShareWorld) -> None:
    key = world.put_share(enabled=False)
    world.settle(key)

    share = world.hand.share("/export")
    assert share is not None
    assert not share.enabled
    assert world.status(key)["phase"] == "Disabled"
    assert world.condition(key, "Ready") == ("False", "Disabled")
    assert world.condition(key, "Synced")[0] == "True"

    world.put_share(enabled=True)
    world.settle(key)
    assert world.status(key)["phase"] == "Ready"


def test_one_list_call_serves_all_shares_of_an_instance(world: ShareWorld) -> None:
    keys = [world.put_share(f"s{index}") for index in range(5)]
    for key in keys:
        world.settle(key)
    world.calls.clear()

    world.clock.advance(POLL_S)
    for key in keys:
        world.reconciler.reconcile(key)

    assert [f"{call.method} {call.path}" for call in world.calls] == ["GET /api/v1/shares"]


class TestWithoutInstance:
    def test_without_its_instance_a_share_is_pending(self, world: ShareWorld) -> None:
        world.drop_instance()
        key = world.put_share()

        assert world.settle(key) == Done()

        assert world.status(key)["phase"] == "Pending"
        assert world.condition(key, "InstanceReady") == ("False", "InstanceNotFound")
        assert world.condition(key, "Ready") == ("False", "InstanceNotFound")
        assert world.condition(key, "Synced")[0] == "Unknown"

    def test_it_waits_for_a_server_that_takes_the_login_and_not_for_ready(self, world: ShareWorld) -> None:
        world.put_instance(apiReachable=False)
        key = world.put_share()
        assert world.settle(key) == Done()
        assert world.status(key)["phase"] == "WaitingForInstance"

        world.put_instance(apiReachable=True, ready=False)
        world.settle(key)

        assert world.status(key)["phase"] == "Ready"

    def test_what_is_known_of_a_share_stays_while_its_server_is_away(self, world: ShareWorld) -> None:
        key = world.put_share()
        world.settle(key)
        known = world.status(key)

        world.put_instance(apiReachable=False)
        world.settle(key)

        assert (world.status(key)["shareID"], world.status(key)["mount"]) == (known["shareID"], known["mount"])
        assert world.status(key)["ready"] is False

    def test_a_server_that_does_not_answer_is_tried_again_with_growing_delay(self, world: ShareWorld) -> None:
        key = world.put_share()
        world.settle(key)
        endpoints = {"api": {"host": "h", "clusterIP": "127.0.0.1", "port": 1}}
        world.put_instance(endpoints=endpoints)

        assert world.settle(key) == replace(failed("ServerUnreachable"), at_least_s=AWAY_LOOK_S)

        assert world.condition(key, "Synced") == ("Unknown", "ServerUnreachable")
        assert world.status(key)["phase"] == "Degraded"
        assert world.recorder.reasons() == ["Created", "ServerUnreachable"]

    @pytest.mark.parametrize("username", ["admin", ""])
    def test_a_refused_login_is_reported_once(self, world: ShareWorld, username: str) -> None:
        """A wrong password is a 401, a missing name a 400."""

        world.credentials.credentials = Credentials(username, "wrong-horse")
        key = world.put_share()
        for _ in range(3):
            assert world.settle(key) == failed("LoginRefused")

        assert world.condition(key, "Synced") == ("False", "LoginRefused")
        assert world.recorder.reasons() == ["LoginRefused"]
        assert "wrong-horse" not in str(world.status(key)) + str(world.recorder.events)


class TestSuspend:
    @pytest.mark.parametrize("who", ["share", "instance"])
    def test_a_suspended_share_is_left_alone(self, world: ShareWorld, who: str) -> None:
        key = world.put_share()
        world.settle(key)
        if who == "share":
            world.put_share(suspend=True, readOnly=True)
        else:
            world.put_instance(spec={"suspend": True})
            world.put_share(readOnly=True)

        assert world.settle(key) == Done()

        share = world.hand.share("/export")
        assert share is not None
        assert not share.read_only
        assert world.status(key)["phase"] == "Suspended"
        assert world.status(key)["mount"]

    def test_a_share_that_is_born_suspended_makes_nothing(self, world: ShareWorld) -> None:
        key = world.put_share(suspend=True)
        world.settle(key)

        assert world.hand.shares() == ()
        view = world.objects.shares.get(key)
        assert view is not None
        assert not view["metadata"].get("finalizers")


class TestConflicts:
    def test_of_two_with_one_path_the_older_has_it(self, world: ShareWorld) -> None:
        younger = world.put_share("younger", path="/x", created="2030-01-02T03:00:01Z", readOnly=True)
        older = world.put_share("older", path="/x", created="2030-01-02T03:00:00Z")

        assert world.settle(younger) == Terminal("PathConflict")
        world.settle(older)
        world.settle(younger)

        share = world.hand.share("/x")
        assert share is not None
        assert not share.read_only
        assert world.status(older)["phase"] == "Ready"
        assert world.condition(younger, "Synced") == ("False", "PathConflict")
        assert world.recorder.reasons() == ["PathConflict", "Created"]

    def test_who_lost_a_path_takes_nothing_with_it(self, world: ShareWorld) -> None:
        older = world.put_share("older", path="/x", created="2030-01-02T03:00:00Z")
        world.settle(older)
        younger = world.put_share("younger", path="/x", created="2030-01-02T03:00:01Z")
        world.settle(younger)

        world.delete_share(younger)
        world.reconciler.reconcile(younger)

        share = world.hand.share("/x")
        assert share is not None
        assert share.enabled

    def test_the_younger_takes_over_when_the_older_goes(self, world: ShareWorld) -> None:
        older = world.put_share("older", path="/x", created="2030-01-02T03:00:00Z")
        world.settle(older)
        younger = world.put_share("younger", path="/x", created="2030-01-02T03:00:01Z")
        world.settle(younger)

        world.delete_share(older)
        assert world.settle(older) == Done()
        world.settle(younger)

        assert not world.exists(older)
        assert world.status(younger)["phase"] == "Ready"
        assert not [call for call in world.calls if call.path.endswith("/disable")], "clients were cut off in between"

    def test_a_hand_made_share_is_adopted_with_its_stores(self, world: ShareWorld) -> None:
        world.hand.create_metadata_store("mine", store_type="memory", config={})
        world.hand.create_local_store("my-blocks", store_type="memory", config={})
        world.hand.create_share("/export", metadata_store="mine", local_store="my-blocks", fields={})
        key = world.put_share(readOnly=True)

        world.settle(key)

        assert world.status(key)["adopted"] is True
        assert world.status(key)["stores"] == {
            "metadata": "mine",
            "metadataType": "memory",
            "metadataPath": "",
            "local": "my-blocks",
            "localType": "memory",
            "localPath": "",
            "remote": "",
        }
        share = world.hand.share("/export")
        assert share is not None
        assert share.read_only
        assert world.hand.metadata_store("op-export") is None
        assert world.recorder.reasons() == ["Adopted", "Updated"]

    @pytest.mark.parametrize("lost", ["the row", "the database"])
    def test_an_adopted_share_comes_back_on_the_stores_that_its_maker_chose(self, world: ShareWorld, lost: str) -> None:
        """On others it would be empty."""
        metadata, local = {"path": "/data/metadata/mine.db"}, {"path": "/data/payload/mine", "max_size": 7 << 30}
        world.hand.create_metadata_store("mine", store_type="sqlite", config=metadata)
        world.hand.create_local_store("my-blocks", store_type="fs", config=local)
        world.hand.create_share("/export", metadata_store="mine", local_store="my-blocks", fields={})
        key = world.put_share()
        world.settle(key)
        gone = ["shares/export", *(("store/metadata/mine", "store/block/local/my-blocks") if lost != "the row" else ())]
        for path in gone:
            world.hand._caller.call("DELETE", f"/api/v1/{path}")

        world.clock.advance(POLL_S)
        world.settle(key)

        share, store = world.hand.share("/export"), world.hand.metadata_store("mine")
        blocks = world.hand.local_store("my-blocks")
        assert share is not None
        assert store is not None
        assert blocks is not None
        assert (share.metadata_store_id, share.local_block_store_id) == (store.id, blocks.id)
        assert (store.type, store.path, blocks.path) == ("sqlite", "/data/metadata/mine.db", "/data/payload/mine")
        assert world.hand.metadata_store("op-export") is None
        assert world.status(key)["adopted"] is True
        assert world.recorder.reasons() == ["Adopted", "Created"]

    def test_a_foreign_store_of_our_name_is_not_used(self, world: ShareWorld) -> None:
        world.hand.create_metadata_store("op-export", store_type="memory", config={})
        key = world.put_share()

        assert world.settle(key) == failed("StoreConflict")

        assert world.hand.shares() == ()
        assert world.condition(key, "Synced") == ("False", "StoreConflict")

    def test_a_refusal_is_reported_in_the_servers_words(self, world: ShareWorld, tmp_path: object) -> None:
        """The metadata directory is missing, as when a volume is not mounted."""
        metadata = world.server.data / "data" / "metadata"
        metadata.rmdir()
        metadata.touch()
        key = world.put_share()

        assert world.settle(key) == failed("Refused")

        message = next(c["message"] for c in world.status(key)["conditions"] if c["type"] == "Synced")
        assert "Failed to create metadata store" in message
        assert world.recorder.reasons() == ["Refused"]

    def test_a_share_that_the_server_could_not_load_is_not_taken_for_one_that_works(self, world: ShareWorld) -> None:
        """201 comes all the same (dittofs-server 3.3)."""
        payload = world.server.data / "data" / "payload"
        world.hand.create_local_store("op-payload", store_type="fs", config={"path": "/data/payload"})
        payload.rmdir()
        payload.touch()
        key = world.put_share()
        world.settle(key)
        world.clock.advance(6)

        assert world.settle(key) == failed("ShareNotLoaded")

        assert world.condition(key, "Synced") == ("False", "ShareNotLoaded")
        assert world.status(key)["ready"] is False

        world.put_share(enabled=False)
        assert world.settle(key) == failed("ShareNotLoaded")
        world.reconciler = world.restarted()
        assert world.settle(key) == failed("ShareNotLoaded")
        assert world.recorder.reasons() == ["Created", "ShareNotLoaded"]

    def test_a_share_is_not_called_unloaded_before_the_server_had_time_to_say_otherwise(
        self, world: ShareWorld
    ) -> None:
        """Its health is told from a memory of some seconds, which may be older than the loaded share."""
        payload = world.server.data / "data" / "payload"
        world.hand.create_local_store("op-payload", store_type="fs", config={"path": "/data/payload"})
        payload.rmdir()
        payload.touch()
        key = world.put_share()

        assert world.settle(key) == RequeueAfter(1)
        assert world.condition(key, "Synced") == ("Unknown", "Loading")
        assert world.recorder.reasons() == ["Created"]

        world.clock.advance(5.9)
        assert world.settle(key) == RequeueAfter(1)

    def test_a_disabled_share_that_could_not_be_loaded_says_so_too(self, world: ShareWorld) -> None:
        """It can't be disabled, since the server answers 404 for it; nobody gets in either."""
        payload = world.server.data / "data" / "payload"
        world.hand.create_local_store("op-payload", store_type="fs", config={"path": "/data/payload"})
        payload.rmdir()
        payload.touch()
        key = world.put_share(enabled=False)
        world.settle(key)
        world.clock.advance(6)

        assert world.settle(key) == failed("ShareNotLoaded")
        assert world.recorder.reasons() == ["Created", "ShareNotLoaded"]


class TestDeletion:
    def test_a_deleted_share_is_disabled_and_keeps_everything(self, world: ShareWorld) -> None:
        key = world.put_share()
        world.settle(key)

        world.delete_share(key)
        assert world.reconciler.reconcile(key) == Done()

        assert not world.exists(key)
        share = world.hand.share("/export")
        assert share is not None
        assert not share.enabled
        assert world.hand.metadata_store("op-export") is not None
        assert world.recorder.reasons() == ["Created", "Deleted"]

    def test_a_new_object_of_the_same_path_takes_it_over(self, world: ShareWorld) -> None:
        key = world.put_share()
        world.settle(key)
        share_id = world.status(key)["shareID"]
        world.delete_share(key)
        world.reconciler.reconcile(key)

        again = world.put_share("again", path="/export")
        world.settle(again)

        assert world.status(again)["shareID"] == share_id
        assert world.status(again)["adopted"] is False
        assert world.status(again)["phase"] == "Ready"
        share = world.hand.share("/export")
        assert share is not None
        assert share.enabled

    @pytest.mark.parametrize("how", ["gone", "deleting"])
    def test_without_its_instance_it_goes_at_once(self, world: ShareWorld, how: str) -> None:
        key = world.put_share()
        world.settle(key)
        world.delete_share(key)
        if how == "gone":
            world.drop_instance()
        else:
            world.put_instance(metadata={"deletionTimestamp": "2030-01-02T03:04:05Z"}, apiReachable=False)

        assert world.reconciler.reconcile(key) == Done()

        assert not world.exists(key)

    def test_an_unreachable_server_holds_it_for_a_minute(self, world: ShareWorld) -> None:
        key = world.put_share()
        world.settle(key)
        world.put_instance(apiReachable=False)
        world.delete_share(key)

        passes = 0
        while world.exists(key):
            result = world.reconciler.reconcile(key)
            passes += 1
            if isinstance(result, RequeueAfter):
                assert world.status(key)["phase"] == "Deleting"
                world.clock.advance(result.seconds)

        assert passes == 13
        assert world.recorder.reasons()[-1] == "ServerUnreachableLeftBehind"

    def test_a_hand_made_share_of_the_path_is_not_disabled_by_an_object_that_never_had_it(
        self, world: ShareWorld
    ) -> None:
        key = world.put_share()
        world.reconciler.reconcile(key)  # the finalizer only
        world.hand.create_metadata_store("mine", store_type="memory", config={})
        world.hand.create_local_store("my-blocks", store_type="memory", config={})
        world.hand.create_share("/export", metadata_store="mine", local_store="my-blocks", fields={})

        world.delete_share(key)
        world.reconciler.reconcile(key)

        assert not world.exists(key)
        share = world.hand.share("/export")
        assert share is not None
        assert share.enabled

    def test_an_adopted_share_is_disabled_like_any_other(self, world: ShareWorld) -> None:
        world.hand.create_metadata_store("mine", store_type="memory", config={})
        world.hand.create_local_store("my-blocks", store_type="memory", config={})
        world.hand.create_share("/export", metadata_store="mine", local_store="my-blocks", fields={})
        key = world.put_share()
        world.settle(key)

        world.delete_share(key)
        world.reconciler.reconcile(key)

        share = world.hand.share("/export")
        assert share is not None
        assert not share.enabled

    def test_a_server_that_cannot_be_asked_any_more_does_not_hold_it_either(self, world: ShareWorld) -> None:
        """The password in the Secret is wrong: as good as unreachable."""
        key = world.put_share()
        world.settle(key)
        world.credentials.credentials = Credentials("admin", "wrong-horse")
        world.delete_share(key)

        assert world.reconciler.reconcile(key) == RequeueAfter(5.0)
        world.clock.advance(60)
        assert world.reconciler.reconcile(key) == Done()

        assert not world.exists(key)
        assert "wrong-horse" not in str(world.recorder.events)

    def test_a_finalizer_of_others_stays(self, world: ShareWorld) -> None:
        key = world.put_share()
        view = world.objects.get(DITTOFS_SHARE, key)
        view["metadata"]["finalizers"] = ["example.com/first"]
        world.objects.put(view)
        world.settle(key)

        world.delete_share(key)
        world.reconciler.reconcile(key)

        assert world.objects.get(DITTOFS_SHARE, key)["metadata"]["finalizers"] == ["example.com/first"]
        assert world.reconciler.reconcile(key) == Done()

    def test_a_suspended_share_can_be_deleted(self, world: ShareWorld) -> None:
        key = world.put_share()
        world.settle(key)
        world.put_share(suspend=True)
        world.settle(key)

        world.delete_share(key)
        world.reconciler.reconcile(key)

        assert not world.exists(key)
        share = world.hand.share("/export")
        assert share is not None
        assert not share.enabled


def test_a_pass_that_died_before_the_status_is_finished_by_the_next(world: ShareWorld) -> None:
    """The operator is killed between the share and its status: nothing is adopted, nothing made twice."""
    key = world.put_share()
    world.reconciler.reconcile(key)
    apply, world.objects.apply = world.objects.apply, _killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        world.reconciler.reconcile(key)
    world.objects.apply = apply  # type: ignore[method-assign]

    world.restarted()
    world.settle(key)

    assert len(world.hand.shares()) == 1
    assert world.status(key)["adopted"] is False
    assert world.status(key)["phase"] == "Ready"


def _killed(*args: object, **options: object) -> dict[str, object]:
    raise KeyboardInterrupt
