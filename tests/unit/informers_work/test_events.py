"""What becomes of a recorded event: written, joined to a series, cut, dropped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import structlog
import structlog.testing
from prometheus_client import CollectorRegistry

from informers.errors import AlreadyExists, Cause, ClientError, Forbidden, NotFound, Unreachable, WriteRefused
from informers.events import QUEUE_SIZE, SPAM_BURST, EventRecorder
from informers.lease import micro_time
from informers.metrics import Metrics
from informers.occurrence import EVENTS, cut
from informers.resource import Manifest, ObjectKey, Resource
from tests.support.clock import FakeClock


class FakeWriter:
    """Keeps what is written; `errors` are raised first, one a call."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.created: list[Manifest] = []
        self.patched: list[tuple[ObjectKey, dict[str, Any]]] = []
        self.calls = 0
        self.before: Callable[[], None] = lambda: None

    def create(self, resource: Resource, manifest: Manifest, *, field_manager: str) -> Manifest:
        self._called(resource)
        self.created.append(manifest)
        return manifest

    def merge_patch(
        self, resource: Resource, key: ObjectKey, patch: dict[str, Any], *, field_manager: str, subresource: str = ""
    ) -> Manifest:
        self._called(resource)
        self.patched.append((key, patch))
        return {}

    def _called(self, resource: Resource) -> None:
        assert resource is EVENTS
        self.calls += 1
        self.before()
        if self.errors:
            raise self.errors.pop(0)


class World:
    def __init__(self, *, start: bool = True, instance: str = "demo-0") -> None:
        self.clock = FakeClock()
        self.writer = FakeWriter()
        self.registry = CollectorRegistry()
        self.recorder = EventRecorder(
            self.writer,
            component="demo.io/operator",
            instance=instance,
            clock=self.clock,
            logger=structlog.get_logger(),
            metrics=Metrics(self.registry),
        )
        if start:
            self.recorder.start()

    def written(self) -> None:
        """Everything that was recorded is written by now."""
        while self.recorder._waiting:
            pass
        self.clock.until_waiting(condition=self.recorder._changed)

    def dropped(self, reason: str) -> float:
        return self.registry.get_sample_value("event_recorder_dropped_total", {"reason": reason}) or 0.0


def thing(name: str = "a", namespace: str = "default") -> Manifest:
    metadata = {"name": name, "uid": f"uid-{name}"} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "demo.io/v1", "kind": "Thing", "metadata": metadata}


def test_an_event_says_who_did_what_to_which_object_and_when() -> None:
    world = World()

    world.recorder.normal(thing(), "Created", "made a claim", action="Apply")
    world.written()

    (event,) = world.writer.created
    assert event["metadata"].pop("name").startswith("a-")
    assert event == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": "default"},
        "eventTime": micro_time(world.clock.now()),
        "reportingController": "demo.io/operator",
        "reportingInstance": "demo-0",
        "type": "Normal",
        "reason": "Created",
        "action": "Apply",
        "note": "made a claim",
        "regarding": {
            "apiVersion": "demo.io/v1",
            "kind": "Thing",
            "namespace": "default",
            "name": "a",
            "uid": "uid-a",
        },
    }


def test_an_event_of_a_cluster_scoped_object_is_kept_in_the_default_namespace() -> None:
    world = World()

    world.recorder.warning(thing(namespace=""), "Bad", "note")
    world.written()

    assert world.writer.created[0]["metadata"]["namespace"] == "default"
    assert "namespace" not in world.writer.created[0]["regarding"]
    assert world.writer.created[0]["type"] == "Warning"


def test_everything_is_cut_to_what_the_api_takes() -> None:
    world = World(instance="i" * 200)

    world.recorder.normal(thing(name="n" * 253), "r" * 200, "ä" * 1000, action="a" * 200)
    world.written()

    (event,) = world.writer.created
    assert {len(event[field].encode()) for field in ("reason", "action", "reportingInstance")} == {128}
    assert 1020 < len(event["note"].encode()) <= 1024
    assert event["note"].endswith("ä…")
    assert len(event["metadata"]["name"]) == 253
    assert cut("short", 1024) == "short"


def test_equal_events_become_one_series_whose_count_is_written_rarely() -> None:
    world = World()
    for _ in range(31):
        world.recorder.warning(thing(), "NotReady", "no answer")
        world.written()
        world.clock.advance(20)

    (event,) = world.writer.created
    key = ObjectKey("default", event["metadata"]["name"])
    assert [(patched, patch["series"]["count"]) for patched, patch in world.writer.patched] == [
        (key, 2),
        (key, 17),
    ]


@pytest.mark.parametrize("change", ["reason", "note", "object", "type", "pause"])
def test_events_that_differ_or_come_after_a_pause_are_events_of_their_own(change: str) -> None:
    world = World()
    world.recorder.normal(thing(), "Reason", "note")
    world.written()

    match change:
        case "reason":
            world.recorder.normal(thing(), "Other", "note")
        case "note":
            world.recorder.normal(thing(), "Reason", "other")
        case "object":
            world.recorder.normal(thing("b"), "Reason", "note")
        case "type":
            world.recorder.warning(thing(), "Reason", "note")
        case _:
            world.clock.advance(361)
            world.recorder.normal(thing(), "Reason", "note")
    world.written()

    assert len(world.writer.created) == 2
    assert world.writer.patched == []


def test_a_series_whose_object_has_expired_begins_again() -> None:
    world = World()
    world.recorder.normal(thing(), "Reason", "note")
    world.written()
    world.writer.errors = [NotFound(404, "NotFound", "expired")]

    world.recorder.normal(thing(), "Reason", "note")
    world.written()

    assert len(world.writer.created) == 2


def test_an_object_that_floods_is_cut_off_and_others_are_not() -> None:
    world = World()
    for number in range(SPAM_BURST + 5):
        world.recorder.normal(thing(), "Reason", f"note {number}")
    world.recorder.normal(thing("b"), "Reason", "note")
    world.written()
    assert len(world.writer.created) == SPAM_BURST + 1
    assert world.dropped("spam") == 5

    world.clock.advance(300)
    world.recorder.normal(thing(), "Reason", "later")
    world.written()

    assert len(world.writer.created) == SPAM_BURST + 2


def test_a_transport_error_is_tried_again_after_a_pause() -> None:
    world = World()
    world.writer.errors = [Unreachable("reset"), Unreachable("reset")]

    world.recorder.normal(thing(), "Reason", "note")
    for delay_s in (1, 2):
        world.written()
        assert world.writer.created == []
        world.clock.advance(delay_s)
    world.written()

    assert len(world.writer.created) == 1


def test_an_answer_that_was_lost_is_no_second_event_and_no_loss() -> None:
    world = World()
    world.writer.errors = [Unreachable("reset"), AlreadyExists(409, "AlreadyExists", "there")]

    world.recorder.normal(thing(), "Reason", "note")
    world.written()
    world.clock.advance(1)
    world.written()

    assert world.writer.calls == 2
    assert world.dropped("refused") == 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Forbidden(403, "Forbidden", "no"), "refused"),
        (WriteRefused("no lease"), "write gate"),
        (RuntimeError("bug"), "failed"),
    ],
)
def test_a_refusal_is_counted_not_repeated_and_does_not_stop_the_next_event(error: ClientError, reason: str) -> None:
    world = World()
    world.writer.errors = [error]

    world.recorder.normal(thing(), "Reason", "first")
    world.recorder.normal(thing(), "Reason", "second")
    world.written()

    assert [event["note"] for event in world.writer.created] == ["second"]
    assert world.dropped(reason) == 1


@pytest.mark.parametrize(
    ("cause", "level"), [("NamespaceTerminating", "debug"), ("SomethingElse", "warning")], ids=["leaving", "staying"]
)
def test_a_namespace_that_is_being_deleted_is_no_news(cause: str, level: str) -> None:
    with structlog.testing.capture_logs() as lines:
        world = World()
        world.writer.errors = [Forbidden(403, "Forbidden", "no", causes=(Cause("metadata.namespace", cause, "x"),))]
        world.recorder.normal(thing(), "Reason", "note")
        world.written()

    assert [(line["event"], line["log_level"]) for line in lines] == [("event not written", level)]
    assert world.dropped("refused") == 1


def test_a_full_queue_drops_instead_of_blocking() -> None:
    world = World(start=False)

    for _ in range(QUEUE_SIZE + 7):
        world.recorder.normal(thing(), "Reason", "note")

    assert world.dropped("queue full") == 7


def test_a_stop_writes_what_waits_and_takes_no_more() -> None:
    world = World(start=False)
    for number in range(5):
        world.recorder.normal(thing(), "Reason", f"{number}")
    world.recorder.start()

    assert world.recorder.stop(10)

    world.recorder.normal(thing(), "Reason", "late")
    assert len(world.writer.created) == 5
    assert world.dropped("stopped") == 1


def test_a_stop_does_not_wait_for_a_server_that_does_not_answer() -> None:
    world = World(start=False)
    hanging, released = threading.Event(), threading.Event()

    def hang() -> None:
        hanging.set()
        assert released.wait(20)

    world.writer.before = hang
    for number in range(5):
        world.recorder.normal(thing(), "Reason", f"{number}")
    world.recorder.start()
    assert hanging.wait(20)
    stopped: list[bool] = []
    stopping = threading.Thread(target=lambda: stopped.append(world.recorder.stop(3)), daemon=True)
    stopping.start()
    world.clock.until_waiting()

    world.clock.advance(3)
    stopping.join(10)
    released.set()

    assert stopped == [False]
    assert world.dropped("stopped") == 4


def test_a_stop_ends_the_pause_between_two_tries_and_the_next_is_the_last() -> None:
    world = World()
    world.writer.errors = [Unreachable("down")] * 20
    world.recorder.normal(thing(), "Reason", "note")
    world.written()

    assert world.recorder.stop(10)

    assert world.writer.calls == 2
    assert world.dropped("refused") == 1
