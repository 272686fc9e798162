"""Quantities and durations: how they are written, what the API server refuses, and what they mean as numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_CEILING, Context, Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from reconcilers.api.schema import Rule, validated

_BINARY_SUFFIXES = {
    suffix: Decimal(1024) ** (index + 1) for index, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))
}
_DECIMAL_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal("1e3"),
    "M": Decimal("1e6"),
    "G": Decimal("1e9"),
    "T": Decimal("1e12"),
    "P": Decimal("1e15"),
    "E": Decimal("1e18"),
}
_SUFFIXES = _BINARY_SUFFIXES | _DECIMAL_SUFFIXES
# What the API server takes, resource.Quantity, within the length of the fields.
_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:[0-9]{1,64}(?:\.[0-9]{0,64})?|\.[0-9]{1,64}))"
    r"(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]{1,64}))?"
)

_MAX_EXPONENT = 99
#: Keeps every digit of the longest number times the largest suffix.
_EXACT = Context(prec=200)

_DURATION_UNITS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),  # U+00B5, what Go prints
    "μs": Decimal("1e-6"),  # U+03BC, which Go reads too
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
_DURATION_PART = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(ns|us|µs|μs|ms|s|m|h)")


def parse_quantity(text: str) -> Decimal:
    """The value of a Kubernetes quantity such as `10Gi`, `1.5G`, `500m` or `1e9`; ValueError when it is none."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError("this is no quantity: write a number with an optional suffix, such as 10Gi or 500M")
    number = Decimal(match["number"])
    if match["exponent"] is not None:
        # Beyond any disk either way; the bound keeps a hostile "1e999999999" from filling the memory.
        return _EXACT.scaleb(number, max(-_MAX_EXPONENT, min(_MAX_EXPONENT, int(match["exponent"]))))
    return _EXACT.multiply(number, _SUFFIXES[match["suffix"] or ""])


def parse_bytes(text: str) -> int:
    """The bytes that the quantity `text` stands for, a fraction rounded up as Kubernetes does; ValueError as above."""
    return int(parse_quantity(text).to_integral_value(rounding=ROUND_CEILING, context=_EXACT))


def parse_duration(text: str) -> float:
    """The seconds of a Go duration such as `30s`, `1h30m` or `168h0m0s`; ValueError when it is none."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if digits == "0":
        return 0.0
    total = Decimal(0)
    position = 0
    while match := _DURATION_PART.match(digits, position):
        total += Decimal(match[1]) * _DURATION_UNITS[match[2]]
        position = match.end()
    if not digits or position != len(digits):
        raise ValueError("this is no duration: write numbers with the units h, m, s or ms, such as 30s or 1h30m")
    return sign * float(total)


def _as_text(value: object) -> object:
    # A quantity may be a bare integer in JSON (x-kubernetes-int-or-string); a boolean is an int only to Python.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _checked_quantity(text: str) -> str:
    parse_quantity(text)
    return text


def _checked_duration(text: str) -> str:
    parse_duration(text)
    return text


def _empty_or(checked: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: checked(text) if text else text


_IS_SIZE = "isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1Mi')) >= 0"
# {1,6}: CEL's duration() raises an error instead of a refusal for a number that overflows.
_IS_DURATION = "self.matches('^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$') && duration(self) > duration('0s')"


#: A quantity, kept as written; `parse_quantity` gives its value.
Quantity = Annotated[
    str,
    BeforeValidator(_as_text),
    AfterValidator(_checked_quantity),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "maxLength": 32,
            **validated(Rule("isQuantity(string(self))", "must be a quantity such as 500m, 2 or 4Gi")),
        }
    ),
]

#: A quantity of bytes, at least 1Mi, kept as written; `parse_bytes` gives its value.
Size = Annotated[
    str,
    BeforeValidator(_as_text),
    AfterValidator(_checked_quantity),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "maxLength": 32,
            **validated(
                Rule(
                    _IS_SIZE,
                    "must be a quantity of at least 1Mi, such as 10Gi",
                )
            ),
        }
    ),
]

#: A quantity of bytes, at least 1Mi, or nothing.
OptionalSize = Annotated[
    str,
    BeforeValidator(_as_text),
    AfterValidator(_empty_or(_checked_quantity)),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "maxLength": 32,
            **validated(
                Rule(f"string(self) == '' || ({_IS_SIZE})", "must be empty or a quantity of at least 1Mi, such as 10Gi")
            ),
        }
    ),
]

#: A positive Go duration in h, m, s and ms, kept as written; `parse_duration` gives its value.
Duration = Annotated[
    str,
    AfterValidator(_checked_duration),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": 32,
            **validated(
                Rule(
                    _IS_DURATION,
                    "must be a positive duration such as 30s, 15m or 168h (units ms, s, m, h; days are not known)",
                )
            ),
        }
    ),
]

#: A positive Go duration, or nothing.
OptionalDuration = Annotated[
    str,
    AfterValidator(_empty_or(_checked_duration)),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": 32,
            **validated(
                Rule(
                    f"self == '' || ({_IS_DURATION})",
                    "must be empty or a positive duration such as 12h or 720h (units ms, s, m, h; days are not known)",
                )
            ),
        }
    ),
]
