"""docs/share-fields.md tells of every field of a DittoFSShare, and names tests that are there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from reconcilers.api.share import DittoFSShareSpec

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "share-fields.md").read_text()
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
TAKES_EFFECT = ("live", "new connections", "next start", "never", "at the deletion", "fixed")


def leaves(model: type[BaseModel]) -> Iterator[str]:
    """The paths of the fields that a user sets, as written: `nfs.squash`, `permissions[].user`."""
    for name, field in model.model_fields.items():
        path = field.alias or name
        inner, listed = _model_in(field.annotation)
        if inner is None:
            yield path
        else:
            yield from (f"{path}{'[]' if listed else ''}.{leaf}" for leaf in leaves(inner))


def _model_in(annotation: object) -> tuple[type[BaseModel] | None, bool]:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate, ... in get_args(annotation)
    return None, False


def test_every_field_has_one_row_and_every_row_a_field() -> None:
    assert sorted(row[0].strip("`") for row in ROWS) == sorted(leaves(DittoFSShareSpec))


def test_every_row_says_when_the_field_takes_effect_in_the_words_of_the_page() -> None:
    for row in ROWS:
        assert len(row) == 4, row
        assert row[2].startswith(TAKES_EFFECT), row


def test_every_row_names_tests_that_are_there() -> None:
    there = {
        name
        for path in (ROOT / "tests" / "integration").glob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text())
    }

    for row in ROWS:
        named = set(re.findall(r"`(test_\w+)`", row[3]))
        assert named, row
        assert named <= there, row
