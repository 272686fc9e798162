"""How an instance gives the files of deleted shares to its next pod, and what it makes of what that says."""

from __future__ import annotations

from typing import Any

from reconcilers import names
from reconcilers.api.resources import CONFIG_MAP, DITTOFS, DITTOFS_SHARE, PERSISTENT_VOLUME_CLAIM, POD, STATEFUL_SET
from reconcilers.purge import Purge
from tests.support.dittofs_world import NAMESPACE, World

CLAIM = "demo-metadata"


def listed(world: World) -> Purge:
    return Purge.of(world.get(PERSISTENT_VOLUME_CLAIM, CLAIM))


def put_on_the_list(world: World, *addresses: str) -> Purge:
    purge = listed(world)
    for address in addresses:
        purge = purge.adding(address, now_ms=1000)
    annotations = {names.PURGE_ANNOTATION: purge.text()}
    world.change(PERSISTENT_VOLUME_CLAIM, CLAIM, {"metadata": {"annotations": annotations}})
    world.reconcile()
    return purge


def given(world: World) -> str:
    return str(world.get(CONFIG_MAP, "demo-dittofs-config")["data"].get("purge", ""))


def say(world: World, message: str, **more: Any) -> None:
    """The pod starts, and the container that removes files has said `message`."""
    terminated = {"terminated": {"exitCode": 0, "message": message, "reason": "Completed"}}
    container = {"name": "purge", "ready": True, "restartCount": 0, "image": "i", "imageID": "", "state": terminated}
    world.change(POD, "demo-0", {"status": {"initContainerStatuses": [container]}, **more}, subresource="status")
    world.reconcile()


def test_what_is_listed_is_in_the_config_map_and_restarts_nothing(world: World) -> None:
    world.run()
    generation = world.get(STATEFUL_SET, "demo")["metadata"]["generation"]

    purge = put_on_the_list(world, "/export")

    number = purge.addresses["/export"]
    assert given(world) == f"{number} /data/payload/shares/export /data/metadata/export\n"
    assert world.get(STATEFUL_SET, "demo")["metadata"]["generation"] == generation
    world.operator.requests.clear()
    world.reconcile()
    assert world.requests_of() == []


def test_what_the_pod_removed_is_off_the_list_and_told_once(world: World) -> None:
    world.run()
    purge = put_on_the_list(world, "/export", "/other", "/late")
    world.recorder.events.clear()

    say(world, str(purge.addresses["/other"]))
    world.reconcile()

    left = listed(world)
    assert dict(left.addresses) == {"/late": purge.addresses["/late"]}
    assert left.last == purge.last
    assert "/late" in given(world)
    assert "/export" not in given(world)
    assert world.recorder.note("FilesPurged") == "removed the files of deleted shares: /export, /other"
    assert world.recorder.reasons().count("FilesPurged") == 1


def test_an_empty_list_is_in_no_config_map(world: World) -> None:
    world.run()
    purge = put_on_the_list(world, "/export")

    say(world, str(purge.last))

    assert "purge" not in world.get(CONFIG_MAP, "demo-dittofs-config")["data"]
    assert listed(world).last == purge.last


def test_files_that_stay_because_somebody_wrote_there_are_told(world: World) -> None:
    world.run()
    purge = put_on_the_list(world, "/export", "/other")
    kept = purge.addresses["/export"]

    say(world, f"{purge.last} kept={kept}")

    assert listed(world).addresses == {}
    assert world.recorder.note("FilesKept").endswith(": /export")
    assert world.recorder.note("FilesPurged").endswith(": /other")


def test_files_that_can_not_be_removed_stay_listed_and_are_told_once_for_each_pod(world: World) -> None:
    world.run()
    purge = put_on_the_list(world, "/export")

    say(world, f"0 failed={purge.last}")
    world.reconcile()

    assert list(listed(world).addresses) == ["/export"]
    assert world.recorder.reasons().count("PurgeFailed") == 1


def test_words_of_somebody_else_change_nothing(world: World) -> None:
    world.run()
    put_on_the_list(world, "/export")

    for message in ("", "no number", "-5", "1e9", "0"):
        say(world, message)

    assert list(listed(world).addresses) == ["/export"]


def test_the_files_of_a_living_share_are_never_given_away(world: World) -> None:
    """Whoever put it on the list: a hand, a copy of an old claim."""
    world.run()
    manifest = {"metadata": {"name": "export", "namespace": NAMESPACE}, "spec": {"instanceRef": {"name": "demo"}}}
    world.create(DITTOFS_SHARE, manifest)
    status = {"status": {"path": "/export", "stores": {"metadata": "op-export"}}}
    world.change(DITTOFS_SHARE, "export", status, subresource="status")

    put_on_the_list(world, "/export", "/other")

    assert "/data/metadata/export" not in given(world)
    assert "/data/metadata/other" in given(world)


def test_the_list_outlives_its_dittofs_with_the_files(world: World) -> None:
    world.run()
    purge = put_on_the_list(world, "/export")
    world.delete(DITTOFS, "demo")
    world.reconcile()

    world.create_dittofs()
    world.reconcile()

    assert listed(world) == purge
    assert "/data/metadata/export" in given(world)


def test_a_pod_whose_first_container_cannot_start_says_why(world: World) -> None:
    world.run()
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    container = {"name": "purge", "ready": False, "restartCount": 0, "image": "i", "imageID": "", "state": waiting}
    world.set_pod(ready=False, state={"waiting": {"reason": "PodInitializing"}})
    world.change(POD, "demo-0", {"status": {"initContainerStatuses": [container]}}, subresource="status")

    world.reconcile()

    assert world.condition("StatefulSetReady") == ("False", "ContainerWaiting")
    assert "ImagePullBackOff: not found" in world.message("StatefulSetReady")
