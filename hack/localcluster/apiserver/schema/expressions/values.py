"""The values of expressions that Python has no type for, and what values have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from . import types
from .errors import EvaluationError
from .tokens import Uint

_INT_RANGE: Final = range(-(2**63), 2**63)
_UINT_RANGE: Final = range(2**64)
_NANOSECONDS: Final = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DURATION: Final = re.compile(r"([+-]?)((?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|ms|s|m|h))+|0)")
_DURATION_PART: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|ms|s|m|h)")


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A span of time in nanoseconds."""

    nanoseconds: int

    def __post_init__(self) -> None:
        if self.nanoseconds not in _INT_RANGE:
            raise EvaluationError("duration overflow")

    @classmethod
    def parse(cls, text: str) -> Duration:
        """The duration that Go writes as `text`, such as 1h30m; raises EvaluationError."""
        match = _DURATION.fullmatch(text)
        if match is not None:
            parts = _DURATION_PART.findall(match[2])
            total = int(sum((Decimal(number) * _NANOSECONDS[unit] for number, unit in parts), Decimal(0)))
            total = -total if match[1] == "-" else total
            if total in _INT_RANGE:
                return cls(total)
        raise EvaluationError(f"type conversion error from 'string' to '{types.DURATION}'")

    def __str__(self) -> str:
        seconds = (Decimal(self.nanoseconds) / 10**9).normalize()
        return f"{seconds:f}s"

    @property
    def as_timedelta(self) -> timedelta:
        """As Python has it, to the microsecond."""
        return timedelta(microseconds=self.nanoseconds // 1000)


@dataclass(frozen=True, slots=True, order=True)
class Quantity:
    """A quantity of Kubernetes."""

    amount: Decimal


@dataclass(frozen=True, slots=True)
class TypeValue:
    """A type as a value, such as the word `int`."""

    name: str


@dataclass(frozen=True, slots=True)
class Optional:
    """A value that may be absent."""

    value: Any = None
    present: bool = False

    @classmethod
    def of(cls, value: Any) -> Optional:
        """A present value."""
        return cls(value, present=True)


class SetList(list[Any]):
    """A list of the type set: its order means nothing."""

    def __add__(self, other: list[Any]) -> SetList:
        added = SetList(self)
        added.extend(item for item in other if not any(equal(item, mine) for mine in self))
        return added


class MapList(list[Any]):
    """A list of the type map: its items are told apart by `keys`, and their order means nothing."""

    def __init__(self, items: list[Any], keys: tuple[str, ...]) -> None:
        super().__init__(items)
        self.keys = keys

    def __add__(self, other: list[Any]) -> MapList:
        merged = {self._key(item): item for item in self} | {self._key(item): item for item in other}
        return MapList(list(merged.values()), self.keys)

    def _key(self, item: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(item.get(key) for key in self.keys)

    def as_mapping(self) -> dict[tuple[Any, ...], Any]:
        """The items by their keys."""
        return {self._key(item): item for item in self}


def as_int(value: int) -> int:
    """`value` if it is a 64-bit integer."""
    if value not in _INT_RANGE:
        raise EvaluationError("integer overflow")
    return value


def as_uint(value: int) -> Uint:
    """`value` if it is an unsigned 64-bit integer."""
    if value not in _UINT_RANGE:
        raise EvaluationError("unsigned integer overflow")
    return Uint(value)


def number_of(value: Any) -> int | float:
    """The Python number of any numeric value."""
    return value.value if isinstance(value, Uint) else value


def is_number(value: Any) -> bool:
    """Is `value` an int, uint or double?"""
    return type(value) in (int, float, Uint)


def equal(one: Any, other: Any) -> bool:
    """CEL's equality: numbers compare across types, nothing else does, and typed lists ignore their order."""
    if is_number(one) and is_number(other):
        return number_of(one) == number_of(other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return _equal_lists(one, other)
    if isinstance(one, Optional) and isinstance(other, Optional):
        return one.present == other.present and equal(one.value, other.value)
    return type(one) is type(other) and bool(one == other)


def _equal_lists(one: list[Any], other: list[Any]) -> bool:
    if len(one) != len(other):
        return False
    if isinstance(one, SetList):
        return all(contains(other, item) for item in one)
    if isinstance(one, MapList):
        return equal_mappings(one.as_mapping(), MapList(other, one.keys).as_mapping())
    return all(map(equal, one, other))


def equal_mappings(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> bool:
    """Do both hold equal values under the same keys?"""
    return one.keys() == other.keys() and all(equal(value, other[key]) for key, value in one.items())


def contains(items: list[Any], wanted: Any) -> bool:
    """Is there an item equal to `wanted`?"""
    return any(equal(item, wanted) for item in items)


def type_of(value: Any) -> types.Type:
    """The type of a value, its parts being unknown."""
    if isinstance(value, list):
        return types.ListType(types.DYN)
    if isinstance(value, dict):
        return types.MapType(types.DYN, types.DYN)
    if isinstance(value, Optional):
        return types.OptionalType(types.DYN)
    return _SIMPLE.get(type(value), types.DYN)


_SIMPLE: Final[Mapping[type, types.Simple]] = {
    bool: types.BOOL,
    int: types.INT,
    Uint: types.UINT,
    float: types.DOUBLE,
    str: types.STRING,
    bytes: types.BYTES,
    type(None): types.NULL,
    Duration: types.DURATION,
    datetime: types.TIMESTAMP,
    Quantity: types.QUANTITY,
    TypeValue: types.TYPE,
}
