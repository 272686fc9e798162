"""DittoFSBackups on a running instance: what is said to be kept is on the server, and goes with the object."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from dittofs_operator.program import Program
from hack.localcluster.kubelet.sandbox import support
from hack.localcluster.resources import NAMESPACE
from informers.client import Client
from informers.resource import ObjectKey
from reconcilers.api.resources import DITTOFS, DITTOFS_BACKUP, DITTOFS_SHARE
from tests.support.acceptance import PATIENCE_S, USER, Metrics, World, world_of_its_own
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def world(client: Client, operator: Program) -> Iterator[World]:
    """A namespace with a running DittoFS "demo" and two shares for all tests of this file."""
    with world_of_its_own(client) as made:
        made.instance()
        made.until_phase(DITTOFS, "demo", "Running")
        for share in ("a", "b"):
            made.share(share, path=f"/team/{share}")
            made.until_phase(DITTOFS_SHARE, share, "Ready")
        yield made


def kept(world: World, name: str) -> dict[str, str]:
    """The ids of the snapshots of a backup, by the paths of their shares."""
    artifacts = world.status(DITTOFS_BACKUP, name)["artifacts"]
    return {artifact["path"]: artifact["snapshotID"] for artifact in artifacts}


def there(world: World, path: str) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in world.server().snapshots(path)}


def test_a_completed_backup_is_on_the_server_verified_and_goes_with_its_object(world: World) -> None:
    world.backup("first")
    world.backup("second", shares=["b"], deletionPolicy="Retain")
    for name in ("first", "second"):
        world.until_phase(DITTOFS_BACKUP, name, "Completed")

    status, first, second = world.status(DITTOFS_BACKUP, "first"), kept(world, "first"), kept(world, "second")
    assert set(first) == {"/team/a", "/team/b"}
    assert set(second) == {"/team/b"}
    for path, snapshot in (*first.items(), *second.items()):
        assert there(world, path)[snapshot]["state"] == "ready"
    assert status["durable"] is False
    assert int(status["size"]) == sum(artifact["bytes"] for artifact in status["artifacts"]) > 0
    assert world.told(DITTOFS_BACKUP, "first", "Completed") == ("True", "Verified")
    for reason in ("BackupStarted", "BackupCompleted"):
        world.until_event("first", "Normal", reason)

    for name in ("first", "second"):
        world.delete(DITTOFS_BACKUP, name)
        world.until_gone(DITTOFS_BACKUP, name)
    assert there(world, "/team/a") == {}
    assert set(there(world, "/team/b")) == set(second.values())


def test_a_backup_of_what_is_not_there_says_so_and_begins_when_it_comes(world: World) -> None:
    world.backup("early", shares=["c"])
    world.until_told(DITTOFS_BACKUP, "early", "Ready", "False", "ShareNotFound")
    world.until_event("early", "Warning", "ShareNotFound")

    world.share("c", path="/c")

    world.until_phase(DITTOFS_BACKUP, "early", "Completed")


def test_a_slot_that_was_missed_is_made_up_for_once_and_shows_on_its_schedule(world: World, operator: Program) -> None:
    world.backup("nightly", schedule="0 3 * * *", shares=["a"])
    world.until_phase(DITTOFS_BACKUP, "nightly", "Scheduled")
    yesterday = datetime.fromisoformat(world.status(DITTOFS_BACKUP, "nightly")["nextScheduleTime"]) - timedelta(days=1)

    # As if no operator had been there at that time.
    key = ObjectKey(world.namespace, "nightly")
    status = {"status": {"nextScheduleTime": yesterday.strftime("%Y-%m-%dT%H:%M:%SZ")}}
    world.client.merge_patch(DITTOFS_BACKUP, key, status, field_manager=USER, subresource="status")
    world.patch(DITTOFS_BACKUP, "nightly", metadata={"annotations": {"looked-at": "again"}})

    name = f"nightly-{yesterday:%Y%m%d}-030000"
    eventually(lambda: world.find(DITTOFS_BACKUP, name), PATIENCE_S, what=name)
    world.until_phase(DITTOFS_BACKUP, name, "Completed")
    world.until_told(DITTOFS_BACKUP, "nightly", "Completed", "True", "LastBackupCompleted")
    found = world.status(DITTOFS_BACKUP, "nightly")
    assert found["lastBackupRef"] == {"name": name}
    assert found["lastSuccessfulTime"] == world.status(DITTOFS_BACKUP, name)["completionTime"]
    assert datetime.fromisoformat(found["nextScheduleTime"]) == yesterday + timedelta(days=1)
    labels = {"namespace": world.namespace, "dittofs": "demo", "backup": "nightly"}
    shown = _metrics(operator).total("dittofs_operator_backup_last_success_timestamp_seconds", **labels)
    assert shown == datetime.fromisoformat(found["lastSuccessfulTime"]).timestamp()
    world.delete(DITTOFS_BACKUP, "nightly")
    world.until_gone(DITTOFS_BACKUP, "nightly")
    assert world.phase(DITTOFS_BACKUP, name) == "Completed"


@pytest.mark.usefixtures("real_server")
@pytest.mark.places("local", "controlplane", reason="only a node of ours runs this source as the operator's image")
@pytest.mark.skipif(not support().possible, reason=f"no sandbox: {support().reason}")
def test_an_archive_is_made_and_brought_back_with_the_operators_rights_where_restricted_is_enforced(
    world: World,
) -> None:
    enforced = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    world.client.merge_patch(NAMESPACE, ObjectKey("", world.namespace), enforced, field_manager=USER)
    world.backup("whole", method="Archive", deletionPolicy="Retain", target={"pvc": {"size": "1Gi"}})
    world.until_phase(DITTOFS_BACKUP, "whole", "Completed")
    archive = world.status(DITTOFS_BACKUP, "whole")["archiveID"]
    for share in ("a", "b", "c"):
        if world.find(DITTOFS_SHARE, share):
            world.delete(DITTOFS_SHARE, share)
            world.until_gone(DITTOFS_SHARE, share)

    world.instance("second", replicas=0)
    source = {"archive": {"id": archive, "pvc": {"claimName": "whole-archive"}}}
    world.backup("again", instance="second", operation="Restore", restore=source)
    world.until_phase(DITTOFS_BACKUP, "again", "Completed")

    for share in ("a", "b"):
        spec = world.get(DITTOFS_SHARE, share)["spec"]
        assert (spec["instanceRef"], spec["path"]) == ({"name": "second"}, f"/team/{share}")
    assert ("Warning", "ShareNotMade") not in world.events("again")


def _metrics(operator: Program) -> Metrics:
    server = operator.manager.metrics_server
    assert server is not None
    return Metrics.read(f"{server.host}:{server.port}")
