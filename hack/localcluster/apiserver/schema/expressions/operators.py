"""The operators: arithmetic, comparison, membership, indexing."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from .errors import EvaluationError, no_such_overload
from .signatures import Overload, overload
from .tokens import Uint
from .values import Duration, Optional, as_int, as_uint, contains, equal, is_number, number_of


def _whole(calculate: Callable[[int, int], int]) -> Callable[[int, int], int]:
    return lambda one, other: as_int(calculate(one, other))


def _unsigned(calculate: Callable[[int, int], int]) -> Callable[[Uint, Uint], Uint]:
    return lambda one, other: as_uint(calculate(one.value, other.value))


def _quotient(one: int, other: int) -> int:
    if other == 0:
        raise EvaluationError("division by zero")
    # CEL rounds towards zero, Python downwards
    return int(math.copysign(1, one) * math.copysign(1, other)) * (abs(one) // abs(other))


def _remainder(one: int, other: int) -> int:
    if other == 0:
        raise EvaluationError("modulus by zero")
    return one - other * _quotient(one, other)


def _divide(one: float, other: float) -> float:
    if other == 0:
        return math.nan if one == 0 or math.isnan(one) else math.copysign(math.inf, one) * math.copysign(1, other)
    return one / other


def _item(items: list[Any], index: Any) -> Any:
    at = number_of(index)
    if not 0 <= at < len(items) or at != int(at):
        raise EvaluationError(f"index out of bounds: {at}")
    return items[int(at)]


def _entry(entries: dict[Any, Any], key: Any) -> Any:
    if isinstance(key, list | dict) or key not in entries:
        raise EvaluationError(f"no such key: {key}")
    return entries[key]


def _optional_item(items: Any, index: Any) -> Optional:
    if isinstance(items, Optional):
        return _optional_item(items.value, index) if items.present else Optional()
    try:
        return Optional.of(_item(items, index) if isinstance(items, list) else _entry(items, index))
    except EvaluationError:
        return Optional()


def compare(one: Any, other: Any) -> int:
    """-1, 0 or 1; raises EvaluationError for values without order."""
    if is_number(one) and is_number(other):
        one, other = number_of(one), number_of(other)
    elif type(one) is not type(other):
        raise no_such_overload()
    return int(one > other) - int(one < other)


def _ordering(name: str, holds: Callable[[int], bool]) -> list[Overload]:
    kinds = ("bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration")
    numbers = ("int", "uint", "double")
    pairs = [(kind, kind) for kind in kinds]
    pairs += [(one, other) for one in numbers for other in numbers if one != other]
    return [
        overload(f"{name}({one}, {other}) -> bool", lambda left, right: holds(compare(left, right)))
        for one, other in pairs
    ]


OPERATORS: Final[list[Overload]] = [
    overload("_+_(int, int) -> int", _whole(operator.add)),
    overload("_+_(uint, uint) -> uint", _unsigned(operator.add)),
    overload("_+_(double, double) -> double", operator.add),
    overload("_+_(string, string) -> string", operator.add),
    overload("_+_(bytes, bytes) -> bytes", operator.add),
    overload("_+_(list(A), list(A)) -> list(A)", operator.add),
    overload("_+_(duration, duration) -> duration", lambda a, b: Duration(a.nanoseconds + b.nanoseconds)),
    overload("_+_(timestamp, duration) -> timestamp", lambda a, b: a + b.as_timedelta),
    overload("_+_(duration, timestamp) -> timestamp", lambda a, b: b + a.as_timedelta),
    overload("_-_(int, int) -> int", _whole(operator.sub)),
    overload("_-_(uint, uint) -> uint", _unsigned(operator.sub)),
    overload("_-_(double, double) -> double", operator.sub),
    overload("_-_(duration, duration) -> duration", lambda a, b: Duration(a.nanoseconds - b.nanoseconds)),
    overload("_-_(timestamp, duration) -> timestamp", lambda a, b: a - b.as_timedelta),
    overload(
        "_-_(timestamp, timestamp) -> duration", lambda a, b: Duration((a - b) // timedelta(microseconds=1) * 1000)
    ),
    overload("_*_(int, int) -> int", _whole(operator.mul)),
    overload("_*_(uint, uint) -> uint", _unsigned(operator.mul)),
    overload("_*_(double, double) -> double", operator.mul),
    overload("_/_(int, int) -> int", _whole(_quotient)),
    overload("_/_(uint, uint) -> uint", _unsigned(_quotient)),
    overload("_/_(double, double) -> double", _divide),
    overload("_%_(int, int) -> int", _whole(_remainder)),
    overload("_%_(uint, uint) -> uint", _unsigned(_remainder)),
    overload("-_(int) -> int", lambda a: as_int(-a)),
    overload("-_(double) -> double", operator.neg),
    overload("!_(bool) -> bool", operator.not_),
    overload("_==_(A, A) -> bool", equal),
    overload("_!=_(A, A) -> bool", lambda a, b: not equal(a, b)),
    overload("@in(A, list(A)) -> bool", lambda a, b: contains(b, a)),
    overload("@in(A, map(A, B)) -> bool", lambda a, b: not isinstance(a, list | dict) and a in b),
    overload("_[_](list(A), int) -> A", _item),
    overload("_[_](map(A, B), A) -> B", _entry),
    overload("_[?_](list(A), int) -> optional(A)", _optional_item),
    overload("_[?_](map(A, B), A) -> optional(B)", _optional_item),
    overload("_[?_](optional(list(A)), int) -> optional(A)", _optional_item),
    overload("_[?_](optional(map(A, B)), A) -> optional(B)", _optional_item),
    *_ordering("_<_", lambda order: order < 0),
    *_ordering("_<=_", lambda order: order <= 0),
    *_ordering("_>_", lambda order: order > 0),
    *_ordering("_>=_", lambda order: order >= 0),
]
