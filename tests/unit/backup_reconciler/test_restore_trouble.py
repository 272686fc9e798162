"""Restores that can't be done, or not whole: nothing is touched, or all is as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import pytest

from hack.localcluster.double import restores as double
from hack.localcluster.double import routes
from hack.localcluster.double.answers import Answer, Problem
from hack.localcluster.double.request import Request
from hack.localcluster.double.state import Row, State
from informers.resource import ObjectKey
from reconcilers.api.resources import DITTOFS, DITTOFS_BACKUP
from reconcilers.backup.restore.errands import Errands
from reconcilers.backup.restore.states import LEAVING_LIMIT_S, WAIT_LIMIT_S
from reconcilers.hold import Hold, HoldMode
from reconcilers.server.errors import Failure, ServerUnreachable
from tests.support.backup_world import Killed
from tests.support.restore_world import RestoreWorld
from tests.support.share_world import INSTANCE


def another_instance(world: RestoreWorld) -> ObjectKey:
    manifest = world.objects.get(DITTOFS_BACKUP, ObjectKey("default", "kept"))
    manifest["spec"]["instanceRef"]["name"] = "other"
    world.objects.put(manifest)
    return world.put_restore()


def with_phase(phase: str) -> Callable[[RestoreWorld], ObjectKey]:
    def arrange(world: RestoreWorld) -> ObjectKey:
        manifest = world.objects.get(DITTOFS_BACKUP, ObjectKey("default", "kept"))
        manifest["status"]["phase"] = phase
        world.objects.put(manifest)
        return world.put_restore()

    return arrange


def without_the_share(world: RestoreWorld) -> ObjectKey:
    world.delete_share(ObjectKey("default", "a"))
    return world.put_restore()


def with_a_suspended_share(world: RestoreWorld) -> ObjectKey:
    world.put_share("a", suspend=True)
    return world.put_restore()


def without_the_snapshot(world: RestoreWorld) -> ObjectKey:
    (snapshot,) = world.on_server("/a")
    world.hand.delete_snapshot("/a", snapshot)
    return world.put_restore()


def with_a_neighbour_in_its_store(world: RestoreWorld) -> ObjectKey:
    world.hand.create_share("/neighbour", metadata_store="op-a", local_store="op-payload", fields={})
    return world.put_restore()


def of_a_schedule(world: RestoreWorld) -> ObjectKey:
    world.put_backup("nightly", schedule="@daily")
    return world.put_restore(source="nightly")


def of_a_restore(world: RestoreWorld) -> ObjectKey:
    world.put_restore("first", source="none")
    return world.put_restore(source="first")


#: What is arranged, phase and reason, and a word of the advice.
CASES: dict[str, tuple[Callable[[RestoreWorld], ObjectKey], str, str, str]] = {
    "no such backup": (lambda world: world.put_restore(source="none"), "Pending", "BackupNotFound", "name one"),
    "a backup under way": (with_phase("Running"), "Pending", "BackupNotCompleted", "not completed yet"),
    "a failed backup": (with_phase("Failed"), "Failed", "BackupNotUsable", "name another one"),
    "a backup of another instance": (another_instance, "Failed", "BackupNotUsable", 'DittoFS "other"'),
    "a schedule": (of_a_schedule, "Failed", "BackupNotUsable", "schedule"),
    "a restore": (of_a_restore, "Failed", "BackupNotUsable", "is a restore itself"),
    "a share that is going": (without_the_share, "Pending", "ShareNotFound", "a (/a)"),
    "a share that is suspended": (with_a_suspended_share, "Pending", "ShareSuspended", '"a" is true'),
    "a share of which nothing was kept": (
        lambda world: world.put_restore(shares=["c"]),
        "Failed",
        "ShareNotInBackup",
        '"c"',
    ),
    "a snapshot that is gone": (without_the_snapshot, "Failed", "SnapshotGone", "choose another backup"),
    "a snapshot on the volume alone": (
        lambda world: world.put_restore(accept=False),
        "Failed",
        "NotDurable",
        "snapshot not remotely durable (the server's 412)",
    ),
    "a store shared with another share": (
        with_a_neighbour_in_its_store,
        "Failed",
        "SharedMetadataStore",
        "/neighbour",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_can_t_be_restored_says_why_and_nothing_is_touched(
    restores: RestoreWorld, case: tuple[Callable[[RestoreWorld], ObjectKey], str, str, str]
) -> None:
    restores.kept("a")
    arrange, phase, reason, advice = case
    key = arrange(restores)
    restores.operations.clear()

    for _ in range(3):
        restores.pass_over(key)

    assert restores.phase(key) == phase
    assert restores.told(key, "Ready") == ("False", reason)
    message = next(c["message"] for c in restores.backup_status(key)["conditions"] if c["type"] == "Ready")
    assert advice in message
    assert restores.failed == ([key.name] if phase == "Failed" else [])
    assert restores.touches() == []
    assert restores.hold_text() == ""
    assert restores.read("a") == "bad"
    warned = [event for event in restores.recorder.events if event.type == "Warning"]
    assert any(reason in (event.reason, event.note.partition(":")[0]) for event in warned)


def test_a_share_that_comes_late_is_restored_then(restores: RestoreWorld) -> None:
    restores.kept("a")
    key = restores.put_restore(source="soon")
    restores.round(key)
    assert restores.phase(key) == "Pending"
    restores.until(restores.put_backup("soon", created="2031-01-01T00:00:00Z"), "Completed")
    restores.write("a", "worse")

    assert restores.drive(key) == "Completed"
    assert restores.read("a") == "bad"


def breaks(times: int) -> Callable[[State, Row], None]:
    """So many restores leave half of it."""
    left, whole = [times], double.bring_back

    def bring_back(state: State, row: Row) -> None:
        whole(state, row)
        if left[0]:
            left[0] -= 1
            (double.folder_of(state, row).parents[1] / "content").write_text("half")
            raise OSError

    return bring_back


def test_a_restore_that_breaks_once_is_repeated(restores: RestoreWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    restores.kept("a")
    monkeypatch.setattr(double, "bring_back", breaks(2))
    key = restores.put_restore()

    assert restores.drive(key) == "Completed"

    assert restores.read("a") == "good"
    assert len(restores.on_server("/a")) == 2


def test_a_restore_that_breaks_each_time_gives_back_what_was_there(
    restores: RestoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    restores.kept("a", "b", "c")
    monkeypatch.setattr(double, "bring_back", breaks(3))
    key = restores.put_restore()

    assert restores.drive(key) == "Failed"

    assert [restores.read(share) for share in "abc"] == ["bad", "bad", "bad"]
    assert all(restores.enabled(share) for share in "abc")
    assert restores.hold_text() == ""
    assert restores.told(key, "Failed") == ("True", "RestoreFailed")
    states = [share["state"] for share in restores.backup_status(key)["restored"]]
    assert states == ["Unchanged", "Waiting", "Waiting"]
    assert restores.failed == [key.name]
    assert "RestoreFailed" in restores.recorder.reasons()


def test_a_server_that_can_t_even_give_back_is_started_again(
    restores: RestoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    restores.kept("a")
    monkeypatch.setattr(double, "bring_back", breaks(6))
    key = restores.put_restore()
    while not restores.hold_text() or Hold.parse(restores.hold_text()).mode is not HoldMode.STOP:
        restores.round(key)
        restores.clock.advance(1)
    hold = Hold.parse(restores.hold_text())
    assert restores.read("a") == "half"
    assert not restores.enabled("a")

    # The instance's controller stops the server, and starts it again once it may.
    stopped = {"type": "StatefulSetReady", "status": "True", "reason": "Stopped", "message": hold.words()}
    annotations = dict(restores.objects.get(DITTOFS, INSTANCE)["metadata"]["annotations"])
    restores.put_instance(metadata={"annotations": annotations}, apiReachable=False, conditions=[{**stopped, **TIMES}])
    restores.round(key)
    assert Hold.parse(restores.hold_text()).mode is HoldMode.HOLD_SHARES
    annotations = dict(restores.objects.get(DITTOFS, INSTANCE)["metadata"]["annotations"])
    restores.start_server_again()
    restores.put_instance(metadata={"annotations": annotations})

    assert restores.drive(key) == "Failed"
    assert restores.read("a") == "bad"
    assert restores.enabled("a")


TIMES = {"lastTransitionTime": "2030-01-02T03:04:05Z", "observedGeneration": 1}


def test_a_snapshot_that_goes_just_before_it_is_restored_leaves_the_share_as_it_was(restores: RestoreWorld) -> None:
    restores.kept("a")
    (snapshot,) = restores.on_server("/a")
    key = restores.put_restore()
    restores.dies_after = 13  # the share is closed by then
    with pytest.raises(Killed):
        restores.drive(key)
    restores.dies_after = None
    assert not restores.enabled("a")
    restores.hand.delete_snapshot("/a", snapshot)
    restores.restarted_operator()

    assert restores.drive(key) == "Failed"

    assert "RestoreRefused" in restores.backup_status(key)["restored"][0]["message"]
    assert restores.read("a") == "bad"
    assert restores.enabled("a")
    assert restores.hold_text() == ""
    assert restores.on_server("/a") == []


def test_what_a_snapshot_that_could_not_be_made_leaves_is_cleared_away(
    restores: RestoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    restores.kept("a")
    (own,) = restores.on_server("/a")

    def never(request: Request) -> Answer:
        row = double.made(request, name="", at_once=True)
        row["state"] = "failed"
        raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "snapshot operation failed")

    monkeypatch.setattr(routes, "ROUTES", tuple(_with_restore(route, never) for route in routes.ROUTES))

    assert restores.drive(restores.put_restore()) == "Failed"

    assert restores.on_server("/a") == [own]
    assert restores.read("a") == "bad"
    assert restores.enabled("a")


def _with_restore(route: routes.Route, handler: routes.Handler) -> routes.Route:
    return replace(route, handler=handler) if route.pattern.pattern.endswith("/restore/?$") else route


def test_an_operator_that_dies_while_it_gives_back_goes_on_with_it(
    restores: RestoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    restores.kept("a")
    for index in range(20, 44, 3):
        restores.write("a", f"bad {index}")
        monkeypatch.setattr(double, "bring_back", breaks(3))
        key = restores.put_restore(f"back-{index}")

        restores.die_and_come_back(key, index)

        phase = restores.phase(key)
        assert (phase, restores.read("a")) in (("Failed", f"bad {index}"), ("Completed", "good")), index
        assert restores.enabled("a")
        assert restores.hold_text() == ""
        monkeypatch.undo()


def test_a_long_restore_outlasts_passes_and_the_lease_of_the_hold(restores: RestoreWorld) -> None:
    restores.kept("a")
    works: list[Callable[[], None]] = []
    restores.restarted_operator(errands=Errands(works.append))
    key = restores.put_restore()
    for _ in range(8):
        restores.round(key)
    assert len(works) == 1
    for _ in range(30):
        restores.clock.advance(60)
        restores.round(key)
    assert len(works) == 1
    assert restores.phase(key) == "Running"
    assert not restores.enabled("a")

    works[0]()

    assert restores.drive(key) == "Completed"
    assert restores.read("a") == "good"


def test_a_server_that_stays_away_gets_all_the_time_it_needs_once_it_was_touched(restores: RestoreWorld) -> None:
    restores.kept("a")
    restores.altered = away_from_restores
    key = restores.put_restore()
    for _ in range(8):
        restores.round(key)
    restores.put_instance(
        metadata={"annotations": dict(restores.objects.get(DITTOFS, INSTANCE)["metadata"]["annotations"])},
        apiReachable=False,
    )
    for _ in range(6):
        restores.clock.advance(WAIT_LIMIT_S)
        restores.round(key)

    assert restores.phase(key) == "WaitingForInstance"
    assert Hold.parse(restores.hold_text()).left_s(restores.clock.now()) > 3600
    restores.put_instance(
        metadata={"annotations": dict(restores.objects.get(DITTOFS, INSTANCE)["metadata"]["annotations"])}
    )
    restores.altered = lambda _method, _path, answer: answer
    assert restores.drive(key) == "Failed", "too late: it has what it had"
    assert restores.read("a") == "bad"
    assert restores.enabled("a")


def away_from_restores(method: str, path: str, answer: Any) -> Any:
    if path.endswith("/restore"):
        raise ServerUnreachable("no answer", failure=Failure.CUT_OFF)
    return answer


def test_a_restore_that_touched_nothing_gives_up_in_time(restores: RestoreWorld) -> None:
    restores.kept("a")
    key = restores.put_restore()
    restores.pass_over(key)
    restores.pass_over(key)  # the share's controller does not answer
    restores.clock.advance(WAIT_LIMIT_S + 1)

    restores.pass_over(key)

    assert restores.phase(key) == "Failed"
    assert restores.hold_text() == ""
    assert restores.read("a") == "bad"


@pytest.mark.parametrize("after", [9, 13, 18, 20])
def test_one_that_is_deleted_is_finished_first(restores: RestoreWorld, after: int) -> None:
    restores.kept("a", "b")
    (own,) = restores.on_server("/a")
    key = restores.put_restore()
    restores.dies_after = after
    with pytest.raises(Killed):
        restores.drive(key)
    restores.dies_after = None
    restores.delete_backup(key)
    restores.restarted_operator()
    restores.restarted()

    assert restores.drive(key) == "gone"

    assert restores.read("a") in ("good", "bad")
    assert restores.read("b") == "bad"
    assert restores.enabled("a")
    assert restores.enabled("b")
    assert restores.hold_text() == ""
    assert restores.on_server("/a") == [own]


def test_while_one_that_is_deleted_comes_to_its_end_no_backup_begins(restores: RestoreWorld) -> None:
    restores.kept("a")
    key = restores.put_restore()
    restores.altered = away_from_restores
    restores.drive_some(key)
    restores.delete_backup(key)
    other = restores.put_backup("nightly", created="2029-01-01T00:00:00Z")

    restores.round(key)
    restores.pass_over(other)
    assert restores.told(other, "Ready") == ("False", "InstanceBusy")

    restores.altered = lambda _method, _path, answer: answer
    assert restores.drive(key) == "gone"
    restores.until(other, "Completed")
    assert restores.read("a") == "good"


def test_one_that_is_deleted_does_not_wait_for_ever_for_its_server(restores: RestoreWorld) -> None:
    restores.kept("a")
    key = restores.put_restore()
    restores.dies_after = 14
    with pytest.raises(Killed):
        restores.drive(key)
    restores.dies_after = None
    restores.altered = away_from_restores
    restores.delete_backup(key)
    restores.drive_some(key)
    assert restores.backup_exists(key)

    restores.clock.advance(LEAVING_LIMIT_S + 1)

    assert restores.drive(key) == "gone"
    assert "RestoreAbandoned" in restores.recorder.reasons()


def test_a_restore_ends_with_its_instance(restores: RestoreWorld) -> None:
    restores.kept("a")
    key = restores.put_restore()
    restores.round(key)
    restores.round(key)
    restores.drop_instance()

    restores.pass_over(key)

    assert restores.phase(key) == "Failed"
    assert restores.told(key, "Failed")[1] == "InstanceGone"
