"""Frozen JSON can't be changed at any depth; a thawed copy can, and shares nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from informers.view import freeze, thaw

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(value=JSON)
def test_thawing_gives_back_what_was_frozen(value: Any) -> None:
    assert thaw(freeze(value)) == value


def test_nothing_in_a_frozen_object_can_be_set() -> None:
    frozen = freeze({"a": [{"b": [1]}]})
    with pytest.raises(TypeError):
        frozen["a"] = 1
    with pytest.raises(TypeError):
        frozen["a"][0]["b"] = 1
    with pytest.raises(TypeError):
        frozen["a"][0]["b"][0] = 2


def test_a_thawed_copy_shares_nothing_with_its_source() -> None:
    source = {"a": [{"b": [1]}]}
    thaw(source)["a"][0]["b"].append(2)
    assert source == {"a": [{"b": [1]}]}
