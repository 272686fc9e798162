"""The functions of rules that the `cel` library lacks, or that answer otherwise there than on a real API server.

The library counts the bytes of a text, reads durations that Go refuses, lets \\d match any script's digits, and turns
neither booleans nor durations into text as Kubernetes does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from .errors import number
from .formats import FORMATS
from .patterns import compile_pattern
from .quantity import parse_quantity

_NANOSECONDS: Final = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DURATION: Final = re.compile(r"([+-]?)((?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|ms|s|m|h))+|0)")
_DURATION_PART: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_DURATION_RANGE: Final = range(-(2**63), 2**63)
_QUANTITY_GRAMMAR: Final = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"


def duration(text: str) -> timedelta:
    """The span that Go writes as `text`, such as 1h30m; raises ValueError, also for parts of a microsecond."""
    match = _DURATION.fullmatch(_text(text))
    parts = _DURATION_PART.findall(match[2]) if match else []
    total = int(sum((Decimal(amount) * _NANOSECONDS[unit] for amount, unit in parts), Decimal(0)))
    if match is None or total not in _DURATION_RANGE:
        raise ValueError("type conversion error from 'string' to 'google.protobuf.Duration'")
    if total % 1000:
        raise ValueError("the local API server has no durations finer than a microsecond")
    return timedelta(microseconds=total // 1000) * (-1 if match[1] == "-" else 1)


def timestamp(text: str) -> datetime:
    """The moment that `text` says in the form of RFC 3339, in UTC; raises ValueError."""
    if not FORMATS["date-time"](_text(text)):
        raise ValueError("type conversion error from 'string' to 'google.protobuf.Timestamp'")
    return datetime.fromisoformat(text.upper()).astimezone(UTC)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _size(value: Any) -> int:
    if not isinstance(value, str | bytes | list | dict):
        raise TypeError
    return len(value)


def _matches(text: str, pattern: str) -> bool:
    return compile_pattern(_text(pattern)).search(_text(text)) is not None


def _string(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return number(value)
        case bytes():
            return value.decode()
        case datetime():
            # times are in UTC here so that their hours are, and no longer know the zone in which they were written
            raise ValueError("the local API server does not write times as text")
        case timedelta():
            return f"{(Decimal(value // timedelta(microseconds=1)) / 10**6).normalize():f}s"
        case int() | str():
            return str(value)
        case _:
            raise TypeError


def _is_quantity(text: str) -> bool:
    try:
        parse_quantity(_text(text))
    except ValueError:
        return False
    return True


def _quantity(text: str) -> dict[str, str]:
    try:
        amount = parse_quantity(_text(text))
    except ValueError as error:
        raise ValueError(f"quantities must match the regular expression '{_QUANTITY_GRAMMAR}'") from error
    # equal quantities are equal values however they were written
    return {"quantity": str(amount.normalize())}


def _amount(value: Any) -> Decimal:
    if not isinstance(value, dict) or value.keys() != {"quantity"}:
        raise TypeError
    return Decimal(value["quantity"])


def _compare(one: Any, other: Any) -> int:
    left, right = _amount(one), _amount(other)
    return (left > right) - (left < right)


#: By their names in rules. A TypeError means that no overload takes these values.
FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "duration": duration,
    "matches": _matches,
    "size": _size,
    "string": _string,
    "timestamp": timestamp,
    "isQuantity": _is_quantity,
    "quantity": _quantity,
    "compareTo": _compare,
    "isGreaterThan": lambda one, other: _compare(one, other) > 0,
    "isLessThan": lambda one, other: _compare(one, other) < 0,
}

#: The library's own functions that answer as a real API server does.
BUILT_IN: Final = frozenset(
    {
        "bytes", "contains", "double", "dyn", "endsWith", "int", "startsWith", "type", "uint",
        "hasValue", "none", "of", "ofNonZeroValue", "or", "orValue", "value",
        "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds",
        "getMinutes", "getMonth", "getSeconds",
    }
)  # fmt: skip
