"""DittoFSShares without a server that answers: they wait, say for what, and never hold anything up."""

from __future__ import annotations

import pytest

from dittofs_operator.program import Program
from informers.client import Client
from reconcilers.api.resources import DITTOFS, DITTOFS_SHARE
from tests.support.acceptance import World

pytestmark = pytest.mark.integration


@pytest.fixture
def world(client: Client, operator: Program, namespace: str) -> World:
    return World(client, namespace)


def test_a_share_that_comes_before_its_instance_waits_for_it_and_is_served(world: World) -> None:
    world.share("early")
    told = world.until_told(DITTOFS_SHARE, "early", "InstanceReady", "False", "InstanceNotFound")
    assert '"demo"' in told["message"]
    assert world.phase(DITTOFS_SHARE, "early") == "Pending"
    assert world.told(DITTOFS_SHARE, "early", "Ready") == ("False", "InstanceNotFound")

    world.instance()

    world.until_phase(DITTOFS_SHARE, "early", "Ready")
    assert "/early" in world.server().shares()
    assert world.status(DITTOFS, "demo")["shares"] == 1


def test_a_share_of_a_stopped_instance_waits(world: World) -> None:
    world.instance(replicas=0)
    world.share("patient")

    world.until_phase(DITTOFS_SHARE, "patient", "WaitingForInstance")
    assert world.told(DITTOFS_SHARE, "patient", "InstanceReady") == ("False", "ApiNotReachable")


def test_a_share_of_no_instance_goes_at_once(world: World) -> None:
    world.share("lost", instance="nowhere")
    world.until_told(DITTOFS_SHARE, "lost", "InstanceReady", "False", "InstanceNotFound")

    world.delete(DITTOFS_SHARE, "lost")

    world.until_gone(DITTOFS_SHARE, "lost")


def test_an_instance_goes_before_its_shares_and_holds_neither(world: World) -> None:
    world.instance()
    world.share("a")
    world.share("b")
    world.until_phase(DITTOFS_SHARE, "a", "Ready")
    world.until_phase(DITTOFS_SHARE, "b", "Ready")

    world.delete(DITTOFS, "demo")
    world.until_gone(DITTOFS, "demo")
    world.until_told(DITTOFS_SHARE, "a", "InstanceReady", "False", "InstanceNotFound")

    for name in ("a", "b"):
        world.delete(DITTOFS_SHARE, name)
        world.until_gone(DITTOFS_SHARE, name)


def test_a_new_instance_of_the_name_finds_its_shares_again(world: World) -> None:
    """By default the volumes outlive the instance, and the shares' rows with them."""
    world.instance()
    world.share("kept")
    world.until_phase(DITTOFS_SHARE, "kept", "Ready")
    share_id = world.status(DITTOFS_SHARE, "kept")["shareID"]
    world.delete(DITTOFS, "demo")
    world.until_told(DITTOFS_SHARE, "kept", "InstanceReady", "False", "InstanceNotFound")

    world.instance()

    world.until_phase(DITTOFS_SHARE, "kept", "Ready")
    assert world.status(DITTOFS_SHARE, "kept")["shareID"] == share_id


def test_shares_of_a_suspended_instance_rest_with_it(world: World) -> None:
    world.instance()
    world.share("resting")
    world.until_phase(DITTOFS_SHARE, "resting", "Ready")

    world.patch(DITTOFS, "demo", spec={"suspend": True})
    world.until_phase(DITTOFS, "demo", "Suspended")
    world.patch(DITTOFS_SHARE, "resting", spec={"readOnly": True})
    world.until_phase(DITTOFS_SHARE, "resting", "Suspended")
    assert world.server().share("/resting")["read_only"] is False

    world.patch(DITTOFS, "demo", spec={"suspend": False})
    world.until_phase(DITTOFS_SHARE, "resting", "Ready")
    assert world.server().share("/resting")["read_only"] is True
