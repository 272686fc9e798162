"""Quantities and durations mean what they mean to Kubernetes and to Go."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity as parsed_by_the_official_client

from reconcilers.api.scalars import parse_bytes, parse_duration, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("10", "10"),
        ("10Gi", "10737418240"),
        ("1.5Gi", "1610612736"),
        ("500m", "0.5"),
        (".5", "0.5"),
        ("1.", "1"),
        ("2k", "2000"),
        ("1E", "1e18"),
        ("1E3", "1000"),
        ("1e-3", "0.001"),
        ("-1Ki", "-1024"),
        ("+1Ei", "1152921504606846976"),
        ("3n", "0.000000003"),
        ("3u", "0.000003"),
        ("1e007", "1e7"),
        ("1" * 32, "1" * 32),
        ("1e999999999", "1e99"),  # any bound will do: it is more than the world has
    ],
)
def test_a_quantity_has_the_value_that_kubernetes_gives_it(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    "text", ["", "abc", "10GB", "10 Gi", "Gi", "1Gi ", "1e", "1_000", "٣", "NaN", "Infinity", "10K", "."]
)
def test_what_is_no_quantity_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no quantity: .* such as 10Gi"):
        parse_quantity(text)


@given(
    number=st.decimals(min_value=0, max_value=10**12, places=3, allow_nan=False, allow_infinity=False),
    suffix=st.sampled_from(["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]),
)
def test_a_quantity_means_what_the_official_client_says(number: Decimal, suffix: str) -> None:
    text = f"{number:f}{suffix}"

    assert parse_quantity(text) == parsed_by_the_official_client(text)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("text", "size"), [("1Ki", 1024), ("1.5", 2), ("1m", 1), ("0", 0), ("10M", 10_000_000)])
def test_a_part_of_a_byte_is_a_whole_one(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("15m", 900),
        ("168h", 604800),
        ("1h30m", 5400),
        ("15m0s", 900),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("250ms", 0.25),
        ("1us", 0.000001),
        ("1µs", 0.000001),
        ("3ns", 0.000000003),
        ("0", 0),
        ("-5s", -5),
        ("+5s", 5),
    ],
)
def test_a_duration_has_the_seconds_that_go_gives_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "-", "30", "1d", "s", "1h 30m", "1h30", "1.2.3s", ".s", "99999999999999999999h"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no duration: .* such as 30s"):
        parse_duration(text)
