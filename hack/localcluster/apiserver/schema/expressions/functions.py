"""The functions that rules may call: CEL's own, and Kubernetes' quantities, lists, strings and regular expressions."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from hack.localcluster.apiserver.schema.patterns import compile_pattern
from hack.localcluster.apiserver.schema.quantity import parse_quantity

from .errors import EvaluationError
from .operators import OPERATORS, compare
from .signatures import Overload, overload
from .tokens import Uint
from .values import Duration, Optional, Quantity, TypeValue, as_int, as_uint, contains, equal, number_of, type_of

_BOOLS: Final = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
_QUANTITY_GRAMMAR: Final = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_TYPE_NAMES: Final = {"null": "null_type"}


def quantity(text: str) -> Quantity:
    """The quantity that `text` says."""
    try:
        return Quantity(parse_quantity(text))
    except ValueError as error:
        raise EvaluationError(f"quantities must match the regular expression '{_QUANTITY_GRAMMAR}'") from error


def is_quantity(text: str) -> bool:
    """Could `quantity(text)` be?"""
    try:
        parse_quantity(text)
    except ValueError:
        return False
    return True


def matches(text: str, pattern: str) -> bool:
    """Does `pattern` occur in `text`?"""
    return _pattern(pattern).search(text) is not None


def timestamp(text: str) -> datetime:
    """The moment that `text` says in the form of RFC 3339."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise EvaluationError("type conversion error from 'string' to 'google.protobuf.Timestamp'")
    return moment


def string(value: Any) -> str:
    """`value` as text."""
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
        case Uint():
            return str(value.value)
        case bytes():
            return value.decode(errors="replace")
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case _:
            return str(value)


def _pattern(pattern: str) -> Any:
    try:
        return compile_pattern(pattern)
    except ValueError as error:
        raise EvaluationError(str(error)) from error


def _int(value: Any) -> int:
    match value:
        case str():
            return as_int(_parsed(int, value, "ParseInt"))
        case float():
            if not math.isfinite(value):
                raise EvaluationError("integer overflow")
            return as_int(int(value))
        case datetime():
            return int(value.timestamp())
        case _:
            return as_int(int(number_of(value)))


def _parsed(parser: Callable[[str], Any], text: str, function: str) -> Any:
    try:
        return parser(text)
    except ValueError as error:
        raise EvaluationError(f'strconv.{function}: parsing "{text}": invalid syntax') from error


def _bool(text: str) -> bool:
    if text not in _BOOLS:
        raise EvaluationError("type conversion error from 'string' to 'bool'")
    return _BOOLS[text]


def _whole_quantity(value: Quantity) -> int:
    if value.amount != value.amount.to_integral_value():
        raise EvaluationError("cannot convert value to integer")
    return int(value.amount)


def _order(one: Quantity, other: Quantity) -> int:
    return int(one.amount > other.amount) - int(one.amount < other.amount)


def _extreme(items: list[Any], sign: int, name: str) -> Any:
    if not items:
        raise EvaluationError(f"{name} called on empty list")
    return functools.reduce(lambda best, item: item if compare(item, best) * sign > 0 else best, items)


def _sum(items: list[Any]) -> Any:
    if not items:
        return 0
    match items[0]:
        case Duration():
            return Duration(sum(item.nanoseconds for item in items))
        case Uint():
            return as_uint(sum(item.value for item in items))
        case float():
            return math.fsum(items)
        case _:
            return as_int(sum(items))


def _is_sorted(items: list[Any]) -> bool:
    return all(compare(one, other) <= 0 for one, other in itertools.pairwise(items))


def _index_of(items: list[Any], wanted: Any) -> int:
    return next((at for at, item in enumerate(items) if equal(item, wanted)), -1)


def _last_index_of(items: list[Any], wanted: Any) -> int:
    return next((at for at in range(len(items) - 1, -1, -1) if equal(items[at], wanted)), -1)


def _distinct(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if not contains(found, item):
            found.append(item)
    return found


def _char_at(text: str, at: int) -> str:
    if not 0 <= at <= len(text):
        raise EvaluationError(f"index out of range: {at}")
    return text[at : at + 1]


def _substring(text: str, start: int, end: int | None = None) -> str:
    end = len(text) if end is None else end
    if not 0 <= start <= len(text):
        raise EvaluationError(f"index out of range: {start}")
    if not start <= end <= len(text):
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    return text[start:end]


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if separator == "":
        letters = list(text)
        return letters if limit < 0 else [*letters[: limit - 1], "".join(letters[limit - 1 :])]
    return text.split(separator, -1 if limit < 0 else limit - 1)


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match.group() for match in _pattern(pattern).finditer(text)]
    return found if limit < 0 else found[:limit]


def _ascii(change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: "".join(change(letter) if letter.isascii() else letter for letter in text)


def _or_value(optional: Optional, other: Any) -> Any:
    return optional.value if optional.present else other


def _present_value(optional: Optional) -> Any:
    if not optional.present:
        raise EvaluationError("optional.none() dereference")
    return optional.value


def _of_non_zero(value: Any) -> Optional:
    is_zero = value in (None, False, 0, 0.0, "", b"", Uint(0), Duration(0)) or value in ([], {})
    return Optional() if is_zero else Optional.of(value)


_CONVERSIONS: Final = [
    *(overload(f"int({kind}) -> int", _int) for kind in ("int", "uint", "double", "string", "timestamp")),
    *(overload(f"uint({kind}) -> uint", lambda a: as_uint(_int(a))) for kind in ("int", "uint", "double", "string")),
    *(overload(f"double({kind}) -> double", lambda a: float(number_of(a))) for kind in ("int", "uint", "double")),
    overload("double(string) -> double", lambda a: _parsed(float, a, "ParseFloat")),
    *(
        overload(f"string({kind}) -> string", string)
        for kind in ("string", "int", "uint", "double", "bool", "bytes", "timestamp", "duration")
    ),
    overload("bool(bool) -> bool", lambda a: a),
    overload("bool(string) -> bool", _bool),
    overload("bytes(bytes) -> bytes", lambda a: a),
    overload("bytes(string) -> bytes", str.encode),
    overload("duration(string) -> duration", Duration.parse),
    overload("duration(duration) -> duration", lambda a: a),
    overload("timestamp(string) -> timestamp", timestamp),
    overload("timestamp(timestamp) -> timestamp", lambda a: a),
    overload("timestamp(int) -> timestamp", lambda a: datetime.fromtimestamp(a, UTC)),
    overload("dyn(A) -> dyn", lambda a: a),
    overload("type(A) -> type", lambda a: TypeValue(_type_name(a))),
]


def _type_name(value: Any) -> str:
    name = str(type_of(value)).partition("(")[0]
    return _TYPE_NAMES.get(name, name)


_CORE: Final = [
    *(overload(f"size({kind}) -> int", len) for kind in ("string", "bytes", "list(A)", "map(A, B)")),
    *(overload(f"{kind}.size() -> int", len) for kind in ("string", "bytes", "list(A)", "map(A, B)")),
    overload("string.contains(string) -> bool", lambda a, b: b in a),
    overload("string.startsWith(string) -> bool", str.startswith),
    overload("string.endsWith(string) -> bool", str.endswith),
    overload("string.matches(string) -> bool", matches),
    overload("matches(string, string) -> bool", matches),
    overload("duration.getHours() -> int", lambda a: int(a.nanoseconds / (3600 * 10**9))),
    overload("duration.getMinutes() -> int", lambda a: int(a.nanoseconds / (60 * 10**9))),
    overload("duration.getSeconds() -> int", lambda a: int(a.nanoseconds / 10**9)),
    overload("duration.getMilliseconds() -> int", lambda a: int(a.nanoseconds / 10**6)),
    overload("timestamp.getFullYear() -> int", lambda a: a.astimezone(UTC).year),
    overload("timestamp.getMonth() -> int", lambda a: a.astimezone(UTC).month - 1),
    overload("timestamp.getDate() -> int", lambda a: a.astimezone(UTC).day),
    overload("timestamp.getHours() -> int", lambda a: a.astimezone(UTC).hour),
    overload("timestamp.getMinutes() -> int", lambda a: a.astimezone(UTC).minute),
    overload("timestamp.getSeconds() -> int", lambda a: a.astimezone(UTC).second),
]
_QUANTITIES: Final = [
    overload("quantity(string) -> quantity", quantity),
    overload("isQuantity(string) -> bool", is_quantity),
    overload("quantity.sign() -> int", lambda a: _order(a, Quantity(Decimal(0)))),
    overload("quantity.isGreaterThan(quantity) -> bool", lambda a, b: _order(a, b) > 0),
    overload("quantity.isLessThan(quantity) -> bool", lambda a, b: _order(a, b) < 0),
    overload("quantity.compareTo(quantity) -> int", _order),
    overload("quantity.asApproximateFloat() -> double", lambda a: float(a.amount)),
    overload("quantity.asInteger() -> int", _whole_quantity),
    overload("quantity.isInteger() -> bool", lambda a: a.amount == a.amount.to_integral_value()),
    overload("quantity.add(quantity) -> quantity", lambda a, b: Quantity(a.amount + b.amount)),
    overload("quantity.add(int) -> quantity", lambda a, b: Quantity(a.amount + b)),
    overload("quantity.sub(quantity) -> quantity", lambda a, b: Quantity(a.amount - b.amount)),
    overload("quantity.sub(int) -> quantity", lambda a, b: Quantity(a.amount - b)),
]
_ORDERED: Final = ("int", "uint", "double", "bool", "string", "bytes", "timestamp", "duration")
_LISTS: Final = [
    *(overload(f"list({kind}).isSorted() -> bool", _is_sorted) for kind in _ORDERED),
    *(overload(f"list({kind}).min() -> {kind}", lambda a: _extreme(a, -1, "min")) for kind in _ORDERED),
    *(overload(f"list({kind}).max() -> {kind}", lambda a: _extreme(a, 1, "max")) for kind in _ORDERED),
    *(overload(f"list({kind}).sum() -> {kind}", _sum) for kind in ("int", "uint", "double", "duration")),
    overload("list(A).indexOf(A) -> int", _index_of),
    overload("list(A).lastIndexOf(A) -> int", _last_index_of),
    overload("list(A).distinct() -> list(A)", _distinct),
    overload("list(A).reverse() -> list(A)", lambda a: a[::-1]),
    overload("sets.contains(list(A), list(A)) -> bool", lambda a, b: all(contains(a, i) for i in b), qualified=True),
    overload("sets.intersects(list(A), list(A)) -> bool", lambda a, b: any(contains(a, i) for i in b), qualified=True),
    overload(
        "sets.equivalent(list(A), list(A)) -> bool",
        lambda a, b: all(contains(a, i) for i in b) and all(contains(b, i) for i in a),
        qualified=True,
    ),
]
_STRINGS: Final = [
    overload("string.charAt(int) -> string", _char_at),
    overload("string.indexOf(string) -> int", str.find),
    overload("string.indexOf(string, int) -> int", str.find),
    overload("string.lastIndexOf(string) -> int", str.rfind),
    overload("list(string).join() -> string", "".join),
    overload("list(string).join(string) -> string", lambda a, b: b.join(a)),
    overload("string.lowerAscii() -> string", _ascii(str.lower)),
    overload("string.upperAscii() -> string", _ascii(str.upper)),
    overload("string.replace(string, string) -> string", str.replace),
    overload("string.replace(string, string, int) -> string", str.replace),
    overload("string.split(string) -> list(string)", _split),
    overload("string.split(string, int) -> list(string)", _split),
    overload("string.substring(int) -> string", _substring),
    overload("string.substring(int, int) -> string", _substring),
    overload("string.trim() -> string", str.strip),
    overload("string.find(string) -> string", lambda a, b: next(iter(_find_all(a, b, 1)), "")),
    overload("string.findAll(string) -> list(string)", _find_all),
    overload("string.findAll(string, int) -> list(string)", _find_all),
]
_OPTIONALS: Final = [
    overload("optional.of(A) -> optional(A)", Optional.of, qualified=True),
    overload("optional.ofNonZeroValue(A) -> optional(A)", _of_non_zero, qualified=True),
    overload("optional.none() -> optional(A)", Optional, qualified=True),
    overload("optional(A).hasValue() -> bool", lambda a: a.present),
    overload("optional(A).value() -> A", _present_value),
    overload("optional(A).orValue(A) -> A", _or_value),
    overload("optional(A).or(optional(A)) -> optional(A)", lambda a, b: a if a.present else b),
]


def _by_name(overloads: list[Overload]) -> dict[str, list[Overload]]:
    table: dict[str, list[Overload]] = {}
    for entry in overloads:
        table.setdefault(entry.name, []).append(entry)
    return table


#: Every function and operator by name.
FUNCTIONS: Final = _by_name([*OPERATORS, *_CONVERSIONS, *_CORE, *_QUANTITIES, *_LISTS, *_STRINGS, *_OPTIONALS])

#: Functions that the real server has and this one does not. A rule that calls one is refused in these words.
NOT_HERE: Final = frozenset(
    {
        "url", "isURL", "ip", "isIP", "cidr", "isCIDR", "semver", "isSemver", "format", "format.named", "quote",
        "transformList", "transformMap", "slice", "flatten", "sort", "sortBy", "first", "last", "lists.range",
    }
)  # fmt: skip
