"""Shares that the server has, and that SMB clients can't ask for by their paths."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.share_world import POLL_S, ShareWorld

BOTH: dict[str, Any] = {"adapters": {"smb": {"enabled": True}}}
SMB_ALONE: dict[str, Any] = {"adapters": {"nfs": {"enabled": False}, "smb": {"enabled": True}}}


def said(world: ShareWorld, key: Any) -> str:
    return next(str(c["message"]) for c in world.status(key)["conditions"] if c["type"] == "Ready")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/team/projects", 'they take "/team/projects" for the folder "projects" of a share "team"'),
        ("/Export", 'the server looks for the share "/export" instead, in lower case, and finds none'),
    ],
)
def test_the_condition_says_why_smb_clients_have_no_such_share(world: ShareWorld, path: str, words: str) -> None:
    world.put_instance(spec=BOTH)
    key = world.put_share("x", path=path)

    world.settle(key)

    assert world.condition(key, "Ready") == ("True", "NotOverSMB")
    assert said(world, key) == f"clients can use the share over NFS, not over SMB: {words}"
    assert world.status(key)["phase"] == "Ready"
    assert world.recorder.reasons() == ["Created", "NotOverSMB"]


def test_of_two_that_differ_in_case_alone_the_one_that_loses_names_the_other(world: ShareWorld) -> None:
    world.put_instance(spec=BOTH)
    lower, upper = world.put_share("small", path="/export"), world.put_share("big", path="/Export")

    world.settle(upper)
    world.settle(lower)

    assert said(world, upper).endswith('and finds the one of DittoFSShare "small"')
    assert world.condition(lower, "Ready") == ("True", "Serving")


def test_without_nfs_such_a_share_is_of_no_use(world: ShareWorld) -> None:
    world.put_instance(spec=SMB_ALONE)
    key = world.put_share("x", path="/a/b")

    world.settle(key)

    assert world.condition(key, "Ready") == ("False", "NotOverSMB")
    assert world.status(key)["phase"] == "Degraded"
    assert world.condition(key, "Synced") == ("True", "InSync")


def test_a_disabled_share_says_that_before_anything_else(world: ShareWorld) -> None:
    world.put_instance(spec=BOTH)
    key = world.put_share("x", path="/a/b", enabled=False)

    world.settle(key)

    assert world.condition(key, "Ready") == ("False", "Disabled")
    assert "NotOverSMB" not in world.recorder.reasons()


def test_without_smb_nothing_is_said_of_it(world: ShareWorld) -> None:
    key = world.put_share("x", path="/A/b")
    world.settle(key)
    assert world.condition(key, "Ready") == ("True", "Serving")

    world.put_instance(spec=BOTH)
    world.clock.advance(POLL_S)
    world.settle(key)

    assert world.condition(key, "Ready") == ("True", "NotOverSMB")
