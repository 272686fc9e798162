"""A pass that ends in the middle, at each of its writes: what the server has in force is told as it is all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from informers.errors import ApiError, Conflict, Invalid, NotFound
from informers.resource import ObjectKey
from informers.result import Done, RequeueAfter, Result
from reconcilers.server.errors import ServerUnreachable
from reconcilers.share.unwritten import STALE_S
from tests.support.share_world import POLL_S, Objects, RecordingTransport, ShareWorld

#: More writes than the longest of these passes has.
POINTS = 11
AGES_AGO = "2020-01-01T00:00:00Z"


class Killed(BaseException):
    """The operator's process ended."""


@contextmanager
def cut_short(before_write: int, *, killed: bool) -> Iterator[None]:
    """The operator is killed before its write of this number, or the write before it is done but not answered."""
    left = before_write
    call, apply = RecordingTransport.call, Objects.apply

    def counted(server: bool, write: Any) -> Any:
        nonlocal left
        left -= 1
        if killed and left == 0:
            raise Killed
        answer = write()
        if server and not killed and left == 1:
            raise ServerUnreachable("no answer")
        return answer

    def counted_call(self: Any, method: str, *arguments: Any, **options: Any) -> Any:
        if method == "GET":
            return call(self, method, *arguments, **options)
        return counted(True, lambda: call(self, method, *arguments, **options))

    def counted_apply(self: Any, *arguments: Any, **options: Any) -> Any:
        return counted(False, lambda: apply(self, *arguments, **options))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecordingTransport, "call", counted_call)
        patch.setattr(Objects, "apply", counted_apply)
        with suppress(Killed):
            yield


@contextmanager
def refused_once(refusal: ApiError) -> Iterator[None]:
    """The API server refuses the next status."""
    apply, refusals = Objects.apply, [refusal]

    def refuse(self: Any, *arguments: Any, **options: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return apply(self, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Objects, "apply", refuse)
        yield


def cut_every_way(world: ShareWorld, spec: dict[str, Any] | None, names: list[str]) -> None:
    """Change the share of each name, and let that pass of each end at another point; then everything goes on."""
    for name, (point, killed) in zip(names, ways(), strict=True):
        key = ObjectKey("default", name)
        if spec is not None:
            world.put_share(name, **spec)
        with cut_short(point, killed=killed):
            world.reconciler.reconcile(key)
        if killed:
            world.restarted()
        world.settle(key)


def ways() -> list[tuple[int, bool]]:
    return [(point, killed) for killed in (True, False) for point in range(1, POINTS)]


def shares(world: ShareWorld, **spec: Any) -> list[str]:
    """As many shares as there are ways, in sync, on a server that was started a minute ago."""
    world.start_server_again(later_s=-60.0)
    names = [f"s{index}" for index in range(len(ways()))]
    for name in names:
        world.settle(world.put_share(name, **spec))
    return names


def start_unnoticed(world: ShareWorld) -> None:
    """The shares stood like this for ages when the server was started again, half a minute ago."""
    world.start_server_again(later_s=-30.0)
    assert world.server.double is not None
    for row in world.server.double.rows("shares").values():
        row.update(created_at=AGES_AGO, updated_at=AGES_AGO)
    world.clock.advance(POLL_S)


def told(world: ShareWorld, name: str) -> tuple[str, str, dict[str, str], bool]:
    """What is told to wait for a start, and to be in force."""
    status = world.status(ObjectKey("default", name))
    entry = next(c for c in status["conditions"] if c["type"] == "RestartRequired")
    return entry["status"], entry["reason"], status["inForce"].get("values", {}), status["inForce"]["known"]


CHANGED: dict[str, Any] = {"smb": {"encryptData": True}, "nfs": {"requireKerberos": True}, "readOnly": True}
CHANGED_VALUES = {"smb.encryptData": "true", "nfs.requireKerberos": "true"}


def test_a_change_waits_for_the_next_start_wherever_the_pass_that_makes_it_ends(world: ShareWorld) -> None:
    names = shares(world)
    start_unnoticed(world)

    cut_every_way(world, CHANGED, names)

    assert {name: told(world, name) for name in names} == dict.fromkeys(names, ("True", "WaitsForStart", {}, True))


def test_what_a_start_took_up_stays_in_force_wherever_the_pass_that_takes_it_back_ends(world: ShareWorld) -> None:
    names = shares(world)
    for name in names:
        world.settle(world.put_share(name, **CHANGED))
    start_unnoticed(world)

    cut_every_way(world, {}, names)

    expected = ("True", "WaitsForStart", CHANGED_VALUES, True)
    assert {name: told(world, name) for name in names} == dict.fromkeys(names, expected)


def test_what_somebody_else_changed_before_a_start_is_in_force_wherever_the_pass_that_rights_it_ends(
    world: ShareWorld,
) -> None:
    names = shares(world)
    for name in names:
        world.hand.update_share(f"/{name}", fields={"encrypt_data": True})
    start_unnoticed(world)

    cut_every_way(world, None, names)

    expected = ("True", "WaitsForStart", {"smb.encryptData": "true"}, True)
    assert {name: told(world, name) for name in names} == dict.fromkeys(names, expected)


def test_what_waits_for_no_start_leaves_everything_in_force_wherever_a_pass_ends(world: ShareWorld) -> None:
    names = shares(world, smb={"encryptData": True})
    start_unnoticed(world)

    cut_every_way(world, {"smb": {"encryptData": True}, "readOnly": True, "enabled": False}, names)

    expected = ("False", "InForce", {"smb.encryptData": "true"}, True)
    assert {name: told(world, name) for name in names} == dict.fromkeys(names, expected)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"readOnly": True, "enabled": False, "smb": {"encryptData": True}}, ("False", "InForce")),
        (CHANGED, ("True", "WaitsForStart")),
    ],
)
def test_of_a_new_share_it_is_known_what_is_in_force_wherever_the_pass_that_makes_it_ends(
    world: ShareWorld, spec: dict[str, Any], expected: tuple[str, str]
) -> None:
    world.start_server_again(later_s=-60.0)
    names = [f"s{index}" for index in range(len(ways()))]
    for name in names:
        world.reconciler.reconcile(world.put_share(name))  # that puts the finalizer on, and no more

    cut_every_way(world, spec, names)

    everything = (*expected, {"smb.encryptData": "true"}, True)
    assert {name: told(world, name) for name in names} == dict.fromkeys(names, everything)


def test_nothing_is_noted_ahead_of_a_change_when_the_status_tells_of_this_start_already(world: ShareWorld) -> None:
    world.start_server_again(later_s=-60.0)
    key = world.put_share()
    world.settle(key)
    world.objects.writes.clear()

    for spec in (CHANGED, {}, {"readOnly": True}):
        world.put_share(**spec)
        world.reconciler.reconcile(key)

    assert world.objects.writes == ["apply status"] * 3


def test_nothing_is_noted_ahead_of_the_making_of_a_share_that_needs_no_more_changes(world: ShareWorld) -> None:
    key = world.put_share(smb={"encryptData": True}, quota={"size": "1Gi"})

    world.settle(key)

    assert world.objects.writes == ["json patch", "apply status"]


def test_a_share_is_not_changed_when_what_is_in_force_can_not_be_noted(world: ShareWorld) -> None:
    world.start_server_again(later_s=-60.0)
    key = world.put_share()
    world.settle(key)
    start_unnoticed(world)
    world.put_share(**CHANGED)
    world.calls.clear()
    refusals: dict[ApiError, Result | None] = {
        Conflict(409, "Conflict", "others wrote"): RequeueAfter(STALE_S),
        NotFound(404, "NotFound", "it is gone"): Done(),
        Invalid(422, "Invalid", "too long"): None,
    }

    told_before = world.status(key)["conditions"]
    for refusal, result in refusals.items():
        with refused_once(refusal):
            if result is not None:
                assert world.reconciler.reconcile(key) == result
            else:
                with pytest.raises(Invalid):
                    world.reconciler.reconcile(key)

    assert world.status(key)["conditions"] == told_before
    assert {call.path for call in world.calls if call.method != "GET"} == {"/api/v1/auth/login"}
