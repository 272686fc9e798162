"""Values of the server in the words of events."""

from __future__ import annotations


def in_words(value: object) -> str:
    """`value` as an event shows it to people."""
    match value:
        case bool():
            return str(value).lower()
        case list() | frozenset():
            items = sorted(value) if isinstance(value, frozenset) else value
            return " ".join(str(item) for item in items) or "none"
        case _:
            return str(value) or "none"
