"""Lists, pages and watches: what a reflector relies on."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from hack.localcluster.apiserver.server import ApiServer
from tests.unit.localcluster_apiserver.world import CRDS, MERGE_PATCH, Api, config_map, widget

MAPS = "/api/v1/namespaces/default/configmaps"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def _make(api: Api, *names: str, **metadata: Any) -> str:
    """Creates config maps; returns the resourceVersion of the last one."""
    version = ""
    for name in names:
        version = api.ok("POST", MAPS, config_map(name, **metadata))["metadata"]["resourceVersion"]
    return version


def _names(answer: dict[str, Any]) -> list[str]:
    return [item["metadata"]["name"] for item in answer["items"]]


def _seen(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events if event["type"] != "BOOKMARK"]


def test_pages_show_one_snapshot_whatever_is_written_between_them(api: Api) -> None:
    _make(api, "a", "b", "c", "d")

    first = api.ok("GET", f"{MAPS}?limit=2")
    api.ok("DELETE", f"{MAPS}/c")
    _make(api, "bb")
    second = api.ok("GET", f"{MAPS}?limit=2&continue={first['metadata']['continue']}")

    assert (_names(first), _names(second)) == (["a", "b"], ["c", "d"])
    assert first["metadata"]["remainingItemCount"] == 2
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert "continue" not in second["metadata"]


def test_a_continue_token_from_before_the_history_is_expired(api: Api, server: ApiServer) -> None:
    _make(api, "a", "b", "c")
    token = api.ok("GET", f"{MAPS}?limit=1")["metadata"]["continue"]
    _make(api, "d")
    server.compact()

    answer = api.call("GET", f"{MAPS}?limit=1&continue={token}")

    assert (answer.code, answer.reason) == (410, "Expired")


def test_an_exact_version_shows_the_past_and_any_other_the_present(api: Api) -> None:
    version = _make(api, "a")
    _make(api, "b")

    assert _names(api.ok("GET", f"{MAPS}?resourceVersion={version}&resourceVersionMatch=Exact")) == ["a"]
    assert _names(api.ok("GET", f"{MAPS}?resourceVersion={version}")) == ["a", "b"]
    assert _names(api.ok("GET", f"{MAPS}?resourceVersion=0")) == ["a", "b"]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("app=x", ["a", "b"]),
        ("app==x,tier!=front", ["b"]),
        ("app in (x, y)", ["a", "b", "c"]),
        ("app notin (x)", ["c", "d"]),
        ("tier", ["a"]),
        ("!app", ["d"]),
    ],
)
def test_label_selectors_select(api: Api, selector: str, names: list[str]) -> None:
    _make(api, "a", labels={"app": "x", "tier": "front"})
    _make(api, "b", labels={"app": "x"})
    _make(api, "c", labels={"app": "y"})
    _make(api, "d")

    assert _names(api.ok("GET", f"{MAPS}?labelSelector={selector.replace(' ', '%20')}")) == names


def test_field_selectors_select_by_name_and_by_what_the_kind_offers(api: Api) -> None:
    _make(api, "a", "b")

    assert _names(api.ok("GET", f"{MAPS}?fieldSelector=metadata.name%3Db")) == ["b"]
    assert _names(api.ok("GET", f"{MAPS}?fieldSelector=metadata.name!%3Db")) == ["a"]
    assert _names(api.ok("GET", "/api/v1/namespaces?fieldSelector=status.phase%3DTerminating")) == []


def test_metadata_only_answers_carry_no_data(api: Api) -> None:
    _make(api, "a")

    listed = api.ok("GET", MAPS, Accept=METADATA_LIST)
    single = api.ok("GET", f"{MAPS}/a", Accept=METADATA)
    watched = api.watch(MAPS, count=1, accept=METADATA)

    assert (listed["kind"], listed["items"][0]["kind"]) == ("PartialObjectMetadataList", "PartialObjectMetadata")
    assert single.keys() == {"kind", "apiVersion", "metadata"}
    assert "data" not in listed["items"][0]
    assert watched[0]["object"] == single


def test_a_table_has_the_columns_of_its_kind(api: Api, widgets: str) -> None:
    api.ok("POST", widgets, widget(spec={"size": 7}))
    status = {"status": {"conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]}}
    api.ok("PATCH", f"{widgets}/one/status", status, kind=MERGE_PATCH)

    table = api.ok("GET", widgets, Accept=TABLE)

    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Size", "Ready"]
    assert table["rows"][0]["cells"] == ["one", 7, "True"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_a_watch_from_a_version_shows_all_that_came_after_it(api: Api) -> None:
    version = _make(api, "a")
    _make(api, "b")
    api.ok("PATCH", f"{MAPS}/a", {"data": {"key": "new"}}, kind=MERGE_PATCH)
    api.ok("DELETE", f"{MAPS}/a")

    events = api.watch(f"{MAPS}?resourceVersion={version}", count=3)

    assert _seen(events) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "a")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))


def test_a_watch_without_a_version_starts_with_what_there_is(api: Api) -> None:
    _make(api, "a", "b")

    assert _seen(api.watch(MAPS, count=2)) == [("ADDED", "a"), ("ADDED", "b")]


def test_a_watch_sees_what_happens_while_it_runs(api: Api) -> None:
    version = _make(api, "a")
    writer = threading.Timer(0.1, lambda: _make(api, "live"))
    writer.start()

    events = api.watch(f"{MAPS}?resourceVersion={version}", count=1)

    writer.join()
    assert _seen(events) == [("ADDED", "live")]


def test_an_object_enters_and_leaves_a_selected_watch_with_its_labels(api: Api) -> None:
    version = _make(api, "a")
    for labels in ({"on": "1"}, {"on": "1", "more": "1"}, {"on": None}):
        api.ok("PATCH", f"{MAPS}/a", {"metadata": {"labels": labels}}, kind=MERGE_PATCH)

    events = api.watch(f"{MAPS}?resourceVersion={version}&labelSelector=on", count=3)

    assert _seen(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    last = api.ok("GET", f"{MAPS}/a")["metadata"]["resourceVersion"]
    assert events[-1]["object"]["metadata"]["resourceVersion"] == last


def test_bookmarks_carry_the_version_of_writes_elsewhere_and_end_a_watch(api: Api) -> None:
    version = _make(api, "a")
    elsewhere = api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "x"}})["metadata"]["resourceVersion"]

    events = api.watch(f"{MAPS}?resourceVersion={version}&allowWatchBookmarks=true")

    assert {event["type"] for event in events} == {"BOOKMARK"}
    assert len(events) > 1
    assert events[-1]["object"] == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": elsewhere},
    }


def test_no_bookmarks_are_sent_to_who_asked_for_none(api: Api) -> None:
    assert api.watch(f"{MAPS}?resourceVersion={_make(api, 'a')}") == []


def test_a_watch_from_a_version_out_of_the_window_gets_an_expired_error(api: Api) -> None:
    """The window of this server is 10 changes; the real one answers 200 and then an ERROR event."""
    version = _make(api, "a")
    _make(api, *(f"n{number}" for number in range(25)))

    events = api.watch(f"{MAPS}?resourceVersion={version}")

    assert [event["type"] for event in events] == ["ERROR"]
    assert (events[0]["object"]["code"], events[0]["object"]["reason"]) == (410, "Expired")


def test_an_open_watch_that_falls_behind_compaction_stays_when_it_was_up_to_date(api: Api, server: ApiServer) -> None:
    version = _make(api, "a")

    def compact_and_write() -> None:
        server.compact()
        _make(api, "b")

    later = threading.Timer(0.1, compact_and_write)
    later.start()

    events = api.watch(f"{MAPS}?resourceVersion={version}", count=1)

    later.join()
    assert _seen(events) == [("ADDED", "b")]


def test_initial_events_end_with_a_marked_bookmark(api: Api) -> None:
    _make(api, "a")
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"

    events = api.watch(f"{MAPS}?{query}", count=2)

    assert [event["type"] for event in events[:2]] == ["ADDED", "BOOKMARK"]
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_watches_end_when_the_server_stops(api: Api, server: ApiServer) -> None:
    _make(api, "a")
    stopper = threading.Timer(0.2, server.stop)
    stopper.start()
    started = time.monotonic()

    events = api.watch(MAPS, timeout_s=30)

    stopper.join()
    assert _seen(events) == [("ADDED", "a")]
    assert time.monotonic() - started < 5


def test_watches_of_a_custom_resource_end_when_its_definition_goes(api: Api, widgets: str) -> None:
    api.ok("POST", widgets, widget())
    remover = threading.Timer(0.1, lambda: api.ok("DELETE", f"{CRDS}/widgets.example.org"))
    remover.start()

    events = api.watch(f"{widgets}?resourceVersion=1", timeout_s=30)

    remover.join()
    assert _seen(events) == [("ADDED", "one"), ("DELETED", "one")]


def test_watches_of_a_custom_resource_end_when_its_definition_changes(api: Api, widgets: str) -> None:
    """The real server ends the watches of a resource whose definition changes; its clients resume them."""
    change = {"spec": {"names": {"shortNames": ["wdg"]}}}
    changer = threading.Timer(0.1, lambda: api.ok("PATCH", f"{CRDS}/widgets.example.org", change, kind=MERGE_PATCH))
    changer.start()
    started = time.monotonic()

    assert api.watch(f"{widgets}?resourceVersion=1", timeout_s=30) == []

    changer.join()
    assert time.monotonic() - started < 5
