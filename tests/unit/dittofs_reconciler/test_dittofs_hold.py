"""An instance that a backup holds: without a server or without clients, and as it was when the hold ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from informers.result import RequeueAfter
from reconcilers import names
from reconcilers.api.resources import DITTOFS, DITTOFS_BACKUP, POD, SERVICE, STATEFUL_SET
from reconcilers.hold import Hold, HoldMode, is_held_stopped, is_held_without_clients
from tests.support.dittofs_world import NAMESPACE, POLL_S, World


def begun_backup(world: World, *, instance: str = "demo") -> str:
    """The uid of a DittoFSBackup that is under way."""
    metadata = {"name": "nightly", "namespace": NAMESPACE}
    made = world.create(DITTOFS_BACKUP, {"metadata": metadata, "spec": {"instanceRef": {"name": instance}}})
    set_phase(world, "Running")
    return str(made["metadata"]["uid"])


def set_phase(world: World, phase: str) -> None:
    world.change(DITTOFS_BACKUP, "nightly", {"status": {"phase": phase}}, subresource="status")


def annotate(world: World, text: str | None) -> None:
    world.change(DITTOFS, "demo", {"metadata": {"annotations": {names.OPERATION_ANNOTATION: text}}})


def hold(world: World, mode: HoldMode, *, seconds: float = 3600.0) -> Hold:
    """A backup takes the instance."""
    until = (world.clock.now() + timedelta(seconds=seconds)).replace(microsecond=0)
    taken = Hold("nightly", begun_backup(world), mode, until)
    annotate(world, taken.text())
    return taken


def replicas(world: World) -> int:
    return int(world.get(STATEFUL_SET, "demo")["spec"]["replicas"])


def enabled(world: World) -> dict[str, bool]:
    session = world.session()
    return {row.type: row.enabled for row in session.adapters()}


def test_a_held_server_is_stopped_told_and_started_again_when_the_backup_ends(world: World) -> None:
    world.run()
    taken = hold(world, HoldMode.STOP)

    world.reconcile()

    assert replicas(world) == 0
    assert not is_held_stopped(world.get(DITTOFS, "demo"), taken), "its pod is there"
    world.stop_server()
    world.roll_out()
    result = world.reconcile()
    assert not world.exists(POD, "demo-0")
    assert is_held_stopped(world.get(DITTOFS, "demo"), taken)
    assert (world.status["phase"], world.status["apiReachable"]) == ("Maintenance", False)
    assert world.condition("Ready") == ("False", "HeldByBackup")
    assert world.condition("Degraded") == ("False", "AsDeclared")
    assert 'DittoFSBackup "nightly"' in world.message("Ready")
    assert taken.until.strftime("until %Y-%m-%dT%H:%M:%SZ") in world.message("Ready")
    assert world.recorder.reasons().count("Maintenance") == 1
    assert isinstance(result, RequeueAfter)
    assert not any(request.startswith(("PATCH", "POST", "PUT", "DELETE")) for request in world.requests_of(passes=2))

    set_phase(world, "Completed")
    world.reconcile()

    assert replicas(world) == 1
    assert world.status["phase"] == "Provisioning"


@pytest.mark.parametrize("end", ["gone", "another", "over", "failed"])
def test_a_hold_ends_by_itself_with_its_backup_or_its_time(world: World, end: str) -> None:
    world.run()
    hold(world, HoldMode.STOP, seconds=20)
    result = world.reconcile()
    assert replicas(world) == 0
    assert isinstance(result, RequeueAfter)
    assert result.seconds <= 20, "the end of the hold wakes the instance"

    match end:
        case "gone":
            world.delete(DITTOFS_BACKUP, "nightly")
        case "another":
            world.delete(DITTOFS_BACKUP, "nightly")
            begun_backup(world)
        case "over":
            world.clock.advance(21)
        case "failed":
            set_phase(world, "Failed")
    world.reconcile()

    assert replicas(world) == 1
    assert world.recorder.reasons().count("OperationIgnored") == 0


@pytest.mark.parametrize("text", ["stop", "{}", '{"mode": "Stop"}'])
def test_somebody_s_slip_stops_no_server_and_is_told_once(world: World, text: str) -> None:
    world.run()
    annotate(world, text)

    for _ in range(3):
        world.reconcile()

    assert replicas(world) == 1
    assert world.status["phase"] == "Running"
    assert world.recorder.reasons() == ["OperationIgnored"]
    assert names.OPERATION_ANNOTATION in world.recorder.note("OperationIgnored")


def test_a_backup_of_another_instance_stops_no_server(world: World) -> None:
    world.run()
    until = world.clock.now() + timedelta(hours=1)
    annotate(world, Hold("nightly", begun_backup(world, instance="other"), HoldMode.STOP, until).text())

    world.reconcile()

    assert replicas(world) == 1
    assert "another DittoFS" in world.recorder.note("OperationIgnored")


def test_held_shares_are_nothing_to_the_instance(world: World) -> None:
    world.run()
    hold(world, HoldMode.HOLD_SHARES)
    before = world.status

    world.reconcile()

    assert world.status == before
    assert replicas(world) == 1


def test_a_server_without_clients_has_its_adapters_off_and_its_services_stay(world: World) -> None:
    world.run(adapters={"smb": {"enabled": True}})
    services = {name for name in ("demo-nfs", "demo-smb") if world.exists(SERVICE, name)}
    taken = hold(world, HoldMode.ADAPTERS_OFF)

    result = world.reconcile()

    assert enabled(world) == {"nfs": False, "smb": False}
    assert is_held_without_clients(world.get(DITTOFS, "demo"), taken)
    assert (world.status["phase"], world.status["apiReachable"]) == ("Maintenance", True)
    assert replicas(world) == 1
    assert {name for name in ("demo-nfs", "demo-smb") if world.exists(SERVICE, name)} == services
    assert result == RequeueAfter(POLL_S)
    calls = world.count_calls()
    world.reconcile()
    assert not any(call.startswith("PUT") for call in calls), "nothing to repair"

    annotate(world, None)
    world.reconcile()
    assert enabled(world) == {"nfs": True, "smb": True}
    assert world.status["phase"] == "Running"


def test_a_hold_goes_from_no_clients_to_no_server(world: World) -> None:
    world.run()
    off = hold(world, HoldMode.ADAPTERS_OFF)
    world.reconcile()

    annotate(world, replace(off, mode=HoldMode.STOP).text())
    world.reconcile()

    assert replicas(world) == 0
    assert not is_held_without_clients(world.get(DITTOFS, "demo"), replace(off, mode=HoldMode.STOP))


def test_an_instance_that_is_stopped_anyway_can_be_held(world: World) -> None:
    """An archive is restored into an instance that has never run."""
    world.create_dittofs(replicas=0)
    taken = hold(world, HoldMode.STOP)
    world.reconcile()
    world.roll_out()
    world.reconcile()

    assert is_held_stopped(world.get(DITTOFS, "demo"), taken)
    assert world.status["phase"] == "Maintenance"

    set_phase(world, "Completed")
    world.reconcile()
    assert world.status["phase"] == "Stopped"


def test_at_rest_without_a_hold_nothing_is_sent(world: World) -> None:
    world.run()
    begun_backup(world)

    assert [request for request in world.requests_of(passes=2) if not _is_look(request)] == []


def _is_look(request: str) -> Any:
    return request.startswith("GET")
