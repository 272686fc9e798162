"""The one way in which a built-in kind's quantity is written back: `1024Mi` as `1Gi`, `0.5` as `500m`."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING
from functools import lru_cache

from hack.localcluster.apiserver.schema.quantity import SUFFIXES, parse_quantity

_BINARY = ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki")
_DECIMAL = ("E", "P", "T", "G", "M", "k", "", "m", "u", "n")
_EXPONENT = re.compile(r"[eE][+-]?\d+$")


@lru_cache(maxsize=1024)
def canonical_quantity(text: str) -> str:
    """`text` with the largest suffix of its own family that needs no fraction; ValueError when it is no quantity."""
    value = parse_quantity(text)
    if value == 0:
        return "0"
    if text.endswith("i") and abs(value) >= 1024:
        for suffix in _BINARY:
            if value % SUFFIXES[suffix] == 0:
                return f"{int(value / SUFFIXES[suffix])}{suffix}"
    for suffix in _DECIMAL:
        if value % SUFFIXES[suffix] == 0:
            number = int(value / SUFFIXES[suffix])
            if _EXPONENT.search(text):
                exponent = SUFFIXES[suffix].adjusted()
                return f"{number}e{exponent}" if exponent else str(number)
            return f"{number}{suffix}"
    smallest = SUFFIXES["n"]
    return f"{int((value / smallest).to_integral_value(rounding=ROUND_CEILING))}n"
