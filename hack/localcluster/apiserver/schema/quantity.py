"""Kubernetes quantities ("1.5Gi", "500m", "2e3") as exact decimals.

The grammar is that of resource.Quantity: a signed number, then a binary suffix, a decimal suffix or an exponent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Final

SUFFIXES: Final[Mapping[str, Decimal]] = {
    "": Decimal(1),
    "n": Decimal(10) ** -9,
    "u": Decimal(10) ** -6,
    "m": Decimal(10) ** -3,
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50,
    "Ei": Decimal(2) ** 60,
}

#: The smallest unit that the server keeps: finer values are rounded away from zero.
_NANO: Final = Decimal(10) ** -9
_MAXIMUM: Final = Decimal(2**63 - 1)
_MAXIMUM_EXPONENT: Final = 40
_GRAMMAR: Final = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:(?P<suffix>[KMGTPE]i|[numkMGTPE]|)|[eE](?P<exponent>[+-]?[0-9]+))"
)


def parse_quantity(text: str) -> Decimal:
    """The value of `text`; raises ValueError for what the server would refuse to parse."""
    if not text:
        raise ValueError("a quantity must not be empty")
    match = _GRAMMAR.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no quantity: write a number with an optional suffix such as 500m, 10G or 1.5Gi")
    exponent = match["exponent"]
    if exponent is None:
        scale = SUFFIXES[match["suffix"]]
    elif abs(int(exponent)) > _MAXIMUM_EXPONENT:
        raise ValueError(f"{text!r} is no quantity: its exponent is out of range")
    else:
        scale = Decimal(10) ** int(exponent)
    value = Decimal(match["number"]) * scale
    magnitude = min(abs(value), _MAXIMUM).quantize(_NANO, rounding=ROUND_CEILING)
    return -magnitude if value < 0 else magnitude
