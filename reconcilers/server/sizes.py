"""Sizes as the server writes them: rounded to two decimals of the largest fitting binary unit (`9.54MiB`).

What was sent therefore can't be read back; two sizes are the same when they are written the same.
"""

from __future__ import annotations

_UNITS = (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


def server_text(size_bytes: int) -> str:
    """`size_bytes` as the server would write it; empty for none (a quota of 0 is no quota)."""
    if size_bytes <= 0:
        return ""
    for unit, factor in _UNITS:
        if size_bytes >= factor:
            # Go divides as float64 and rounds that; Python's does the same, to the same digits.
            return f"{size_bytes / factor:.2f}{unit}"
    return f"{size_bytes}B"


def same_size(wanted_bytes: int, reported: str) -> bool:
    """Whether the text `reported` by the server can stand for `wanted_bytes`."""
    return server_text(wanted_bytes) == reported
