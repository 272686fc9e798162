"""Byte sizes as the server reads and writes them: `10GiB` in, `10.00GiB` out."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: Bytes of a unit, lower-cased, with the trailing `b` taken off.
_UNITS: Mapping[str, int] = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}

_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*$")


def parse(text: str) -> int:
    """The bytes that `text` stands for; ValueError with the server's words when it is no size."""
    match = _SIZE.match(text)
    unit = match.group(2).lower().removesuffix("b") if match else ""
    if match is None or unit not in _UNITS:
        raise ValueError(f'invalid byte size format: "{text}"')
    return int(float(match.group(1)) * _UNITS[unit])


def render(size: int) -> str:
    """`size` bytes in the server's words: two decimals of the largest binary unit that fits."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        scale = _UNITS[unit.lower().removesuffix("b")]
        if size >= scale:
            return f"{size / scale:.2f}{unit}"
    return f"{size}B"
