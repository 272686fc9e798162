"""docs/archive.md tells of what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dittofs_operator.archive import frames, writer
from dittofs_operator.archive.errors import EXIT_CODES, Reason
from dittofs_operator.archive.manifest import Description, Manifest
from dittofs_operator.cli import main

DOCS = (Path(__file__).parents[3] / "docs" / "archive.md").read_text()


def test_its_table_of_exit_codes_is_the_one_of_the_commands() -> None:
    told = {
        Reason(reason): int(code)
        for code, reasons in re.findall(r"^\| (1\d) \| (.*) \|$", DOCS, re.MULTILINE)
        for reason in re.findall("`([A-Za-z]+)`", reasons)
    }
    assert told == EXIT_CODES


def test_its_flags_are_those_of_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    helps = ""
    for command in ("backup", "verify", "restore", "remove"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        helps += capsys.readouterr().out
    flags = set(re.findall(r"--[a-z][a-z0-9-]+", DOCS)) - {"--check", "--xattrs", "--xattrs-include"}
    assert {flag for flag in flags if flag not in helps} == set()


def test_its_keys_are_those_of_the_manifest() -> None:
    table = DOCS.split("| key | says |")[1].split("\n\n")[0]
    told = {key for row in table.splitlines()[2:] for key in re.findall("`([a-zA-Z]+)`", row.split("|")[1])}
    assert told == {field.alias for field in Manifest.model_fields.values()} | {"authentication"}


def test_its_description_is_one() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", DOCS, re.DOTALL)
    Description.model_validate_json(example)


def test_its_sizes_are_those_of_the_format() -> None:
    assert (f"{frames.FRAME_BYTES >> 20} MiB of one tar" in DOCS, f"has {writer.PART_BYTES >> 20} MiB" in DOCS) == (
        True,
        True,
    )
