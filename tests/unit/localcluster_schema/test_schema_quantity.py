"""Quantities are read as Kubernetes reads them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hack.localcluster.apiserver.schema.quantity import SUFFIXES, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("10Gi", "10737418240"),
        ("1.5Gi", "1610612736"),
        ("500m", "0.5"),
        ("-1Gi", "-1073741824"),
        ("+2k", "2000"),
        ("1e3", "1000"),
        ("1E-2", "0.01"),
        ("1E", "1000000000000000000"),
        (".5", "0.5"),
        ("5.", "5"),
        ("100n", "0.0000001"),
        ("0.1n", "0.000000001"),
        ("9223372036854775808", "9223372036854775807"),
    ],
)
def test_a_quantity_has_the_value_that_its_suffix_says(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "abc", "10GB", "1 Gi", "Gi", "1gi", "--1", "1..2", "1e", "1Gie3", "1e999999999"])
def test_what_is_no_quantity_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        parse_quantity(text)


@given(number=st.integers(min_value=0, max_value=10**6), suffix=st.sampled_from(sorted(SUFFIXES)))
def test_a_suffix_multiplies(number: int, suffix: str) -> None:
    assert parse_quantity(f"{number}{suffix}") == min(number * SUFFIXES[suffix], Decimal(2**63 - 1))
