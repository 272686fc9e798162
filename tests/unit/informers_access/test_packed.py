"""Packed objects: read like frozen ones, known without being parsed, parsed again when room was needed."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import informers.packed
from informers.packed import PackedView
from informers.resource import ObjectKey
from informers.view import freeze, thaw
from tests.support.scripted_server import config_map

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(content=st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_a_packed_object_is_read_like_the_one_that_was_packed(content: dict[str, Any]) -> None:
    obj = content | config_map("a", 1)
    packed = PackedView(obj)

    assert packed == freeze(obj)
    assert thaw(packed) == obj
    assert PackedView(freeze(obj)) == packed
    assert list(packed) == list(obj)
    assert len(packed) == len(obj)


def test_what_is_packed_can_be_changed_neither_in_the_view_nor_in_what_it_was_made_of() -> None:
    obj = config_map("a", 1, spec={"colours": ["red", {"name": "blue"}]})
    packed = PackedView(obj)
    obj["spec"]["colours"][0] = "black"

    assert packed["spec"]["colours"] == ("red", {"name": "blue"})
    for inner in (packed, packed["spec"], packed["spec"]["colours"], packed["spec"]["colours"][1]):
        assert not hasattr(inner, "__setitem__")
    copy = thaw(packed)
    copy["spec"]["colours"][1]["name"] = "black"
    assert packed["spec"]["colours"][1]["name"] == "blue"


def test_what_identifies_it_is_known_without_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = PackedView(config_map("a", 7))
    monkeypatch.setattr(orjson, "loads", None)

    assert ObjectKey.of(packed) == ObjectKey("default", "a")
    assert (packed.uid, packed.resource_version) == ("uid-a", "7")
    assert packed.size == len(orjson.dumps(config_map("a", 7)))


def test_the_parsed_form_stays_of_the_latest_read_and_of_no_more_than_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    views = [PackedView(config_map(f"o{number}", 1, spec={})) for number in range(4)]
    room = informers.packed._Parsed(2 * views[0].size)
    monkeypatch.setattr(informers.packed, "_PARSED", room)

    read = [view["metadata"] for view in views]

    assert [view._fields is not None for view in views] == [False, False, True, True]
    assert [metadata["name"] for metadata in read] == ["o0", "o1", "o2", "o3"]
    assert views[3]["metadata"] is read[3]
    assert views[0]["metadata"]["name"] == "o0"
    assert room._size == 2 * views[0].size


def test_an_object_larger_than_the_budget_stays_parsed_until_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(informers.packed, "_PARSED", informers.packed._Parsed(1))
    large = PackedView(config_map("a", 1))

    assert large["metadata"] is large["metadata"]


def test_its_representation_says_which_object_it_is_and_nothing_of_its_contents() -> None:
    assert repr(PackedView(config_map("a", 7, data={"password": "x"}))) == "<ConfigMap default/a at 7>"


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError):
        PackedView(config_map("a", 1, spec=object()))
