"""The small part of JSONPath that printer columns use: `.a.b`, `['a']`, `[0]`, `[*]`, `[?(@.type=="Ready")]`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

_STEP = re.compile(
    r"""(?P<all>\[\*\]|\.\*)"""
    r"""|\.(?P<name>(?:\\.|[^.\[\\])+)"""
    r"""|\[\s*(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\s*\]"""
    r"""|\[\s*(?P<index>-?\d+)\s*\]"""
    r"""|\[\?\(\s*@\.(?P<field>[^=\s]+)\s*==\s*(?P<mark>['"])(?P<value>.*?)(?P=mark)\s*\)\]"""
)


@cache
def _steps(path: str) -> tuple[re.Match[str], ...]:
    text = path.strip()
    if text.startswith("{"):
        text = text.strip("{}")
    text = text.removeprefix("$")
    if not text.startswith((".", "[")):
        text = f".{text}"
    steps, position = [], 0
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            raise ValueError(f"can't read the JSONPath {path!r} from {text[position:]!r} on")
        steps.append(step)
        position = step.end()
    return tuple(steps)


def find(obj: Any, path: str) -> list[Any]:
    """All values at `path`."""
    values = [obj]
    for step in _steps(path):
        values = [found for value in values for found in _take(value, step)]
    return values


def _take(value: Any, step: re.Match[str]) -> Iterator[Any]:
    if step["field"]:
        if isinstance(value, list):
            yield from (item for item in value if str(next(iter(find(item, f".{step['field']}")), "")) == step["value"])
    elif step["all"]:
        yield from value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    elif step["index"]:
        index = int(step["index"])
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]
    else:
        name = step["quoted"] if step["quote"] else re.sub(r"\\(.)", r"\1", step["name"])
        if isinstance(value, dict) and name in value:
            yield value[name]
