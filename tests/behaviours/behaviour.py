"""The behaviours that the controller layer has to show, which tests show them, and the table of both.

The rows are data (the YAML files here). A test shows behaviours by the numbers that its name begins with: `test_t5_…`,
`test_t23_t24_…`, `test_ta_…`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

_HERE = Path(__file__).parent
TESTS = _HERE.parent
PAGE = TESTS.parent / "docs" / "controller-layer.md"

#: The files in the order of their numbers, and what their part of the table is called.
PARTS = {
    "work_queue": "Work queue, delays and rate limits",
    "priority_queue": "Priorities",
    "reflector": "List and watch",
    "store_and_informer": "Stores and shared informers",
    "cache_and_handlers": "Reading caches, from events to keys",
    "controller": "Controllers",
    "manager": "Manager, probes and metrics",
    "election": "Leader election",
    "extra": "Tested by neither of the two",
}

_TEST = re.compile(r"^ *(?:async )?def (test_\w+)", re.MULTILINE)
_NUMBERS = re.compile(r"test((?:_t(?:[0-9]{1,3}|[a-g]))+)_")
_BETWEEN = re.compile(r"(?<=<!-- behaviours -->\n\n).*?(?=\n<!-- end of behaviours -->)", re.DOTALL)
_HEAD = ("", "Behaviour", "Known from", "Test, or why there is none")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One row: `known_from` names the original and its test; `reason` says why it does not apply here, if so."""

    number: str
    behaviour: str
    known_from: str
    reason: str = ""


def load() -> Mapping[str, tuple[Behaviour, ...]]:
    """All rows by file."""
    return {file.stem: _read(file) for file in files()}


def files() -> tuple[Path, ...]:
    """Where the rows are, in the order of their numbers."""
    return tuple(_HERE / f"{part}.yaml" for part in PARTS)


def shown_by() -> dict[str, list[str]]:
    """The names of the tests of each number, in the order of their names."""
    shown: dict[str, list[str]] = {}
    for name in sorted(set(test_names())):
        for number in numbers_of(name):
            shown.setdefault(number, []).append(name)
    return shown


def numbers_of(test_name: str) -> tuple[str, ...]:
    """The numbers that a test's name begins with, written as in the rows."""
    match = _NUMBERS.match(test_name)
    return tuple(f"T{number}" for number in match[1].split("_t")[1:]) if match else ()


def table(rows: Mapping[str, Iterable[Behaviour]], shown: Mapping[str, list[str]]) -> str:
    """The rows and their tests as Markdown, one table for each part."""
    return "\n".join(f"### {PARTS[part]}\n\n{_part(behaviours, shown)}" for part, behaviours in rows.items())


def write(page: str, content: str) -> str:
    """`page` with `content` between its two marks."""
    return _BETWEEN.sub(lambda _: content, page)


def _part(behaviours: Iterable[Behaviour], shown: Mapping[str, list[str]]) -> str:
    lines = [_HEAD, ("---",) * len(_HEAD)]
    for row in behaviours:
        tests = "<br>".join(f"`{name}`" for name in shown.get(row.number, ()))
        lines.append((row.number, row.behaviour, row.known_from, tests or row.reason))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _read(file: Path) -> tuple[Behaviour, ...]:
    return tuple(Behaviour(**row) for row in yaml.safe_load(file.read_text()))


def test_names() -> Iterator[str]:
    """The names of all test functions."""
    for file in TESTS.rglob("test_*.py"):
        yield from _TEST.findall(file.read_text())
