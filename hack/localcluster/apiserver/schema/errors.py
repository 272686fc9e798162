"""Errors about fields, with the reasons and the wording of the API server."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

#: How the API server prints the path of the root object.
ROOT_PATH = "<nil>"


class Reason(StrEnum):
    """Why a value was refused; the value is the `reason` of a Status cause."""

    INVALID = "FieldValueInvalid"
    TYPE_INVALID = "FieldValueTypeInvalid"
    REQUIRED = "FieldValueRequired"
    NOT_SUPPORTED = "FieldValueNotSupported"
    DUPLICATE = "FieldValueDuplicate"
    FORBIDDEN = "FieldValueForbidden"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One refused field.

    `message` is the text without the field, as it stands in a Status cause; `str()` gives "field: message", as it
    stands in the Status message.
    """

    field: str
    reason: Reason
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class SchemaError(ValueError):
    """The schema itself is wrong; `errors` names every place."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors: tuple[FieldError, ...] = tuple(errors)
        super().__init__("; ".join(str(error) for error in self.errors))


def invalid(field: str, value: Any, detail: str, *, reason: Reason = Reason.INVALID) -> FieldError:
    """The value is malformed or out of bounds."""
    return FieldError(field, reason, f"Invalid value: {printed(value)}: {detail}")


def invalid_without_value(field: str, detail: str) -> FieldError:
    """The value is wrong but too large to be worth printing: an object or a list."""
    return FieldError(field, Reason.INVALID, f"Invalid value: {detail}")


def required(field: str, detail: str = "") -> FieldError:
    """The value is missing."""
    return FieldError(field, Reason.REQUIRED, f"Required value: {detail}" if detail else "Required value")


def forbidden(field: str, detail: str) -> FieldError:
    """The value may not be given here."""
    return FieldError(field, Reason.FORBIDDEN, f"Forbidden: {detail}")


def duplicate(field: str, value: Any) -> FieldError:
    """The value stands there twice."""
    return FieldError(field, Reason.DUPLICATE, f"Duplicate value: {printed(value)}")


def not_supported(field: str, value: Any, supported: Iterable[Any]) -> FieldError:
    """The value is not one of an enumeration."""
    names = ", ".join(json.dumps(v if isinstance(v, str) else compact(v), ensure_ascii=False) for v in supported)
    return FieldError(field, Reason.NOT_SUPPORTED, f"Unsupported value: {printed(value)}: supported values: {names}")


def too_long(field: str, maximum: int) -> FieldError:
    """The text is longer than `maximum`; the server says bytes although it counts characters."""
    unit = "byte" if maximum == 1 else "bytes"
    return FieldError(field, Reason.TOO_LONG, f"Too long: may not be more than {maximum} {unit}")


def too_many(field: str, actual: int, maximum: int) -> FieldError:
    """There are more than `maximum` items or properties."""
    unit = "item" if maximum == 1 else "items"
    return FieldError(field, Reason.TOO_MANY, f"Too many: {actual}: must have at most {maximum} {unit}")


def printed(value: Any) -> str:
    """`value` as the server prints it in a message."""
    if isinstance(value, float):
        return number(value)
    return compact(value)


def number(value: float) -> str:
    """A number without a needless fraction."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e21 else repr(value)


def compact(value: Any) -> str:
    """`value` as JSON without spaces, its keys sorted."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def child(path: str, name: str) -> str:
    """The path of the property `name` of `path`."""
    return name if path in ("", ROOT_PATH) else f"{path}.{name}"
