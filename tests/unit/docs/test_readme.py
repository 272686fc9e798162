"""The README tells of what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from dittofs_operator.settings import Settings
from reconcilers.api.backup import DittoFSBackup
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.share import DittoFSShare

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
TARGETS = set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def fields_of(model: type[DittoFS | DittoFSShare | DittoFSBackup]) -> set[str]:
    """The names of the fields of `spec`, as a user writes them."""
    spec = model.model_fields["spec"].annotation
    assert isinstance(spec, type)
    assert issubclass(spec, BaseModel)
    return {field.alias or name for name, field in spec.model_fields.items()}


def test_its_example_is_the_samples() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    shown = list(yaml.safe_load_all(example))
    samples = [
        document
        for name in ("dittofs.yaml", "shares.yaml")
        for document in yaml.safe_load_all((ROOT / "manifests" / "samples" / name).read_text())
    ]
    assert shown == samples[: len(shown)]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:`|^)make ([a-z0-9-]+)", README, re.MULTILINE))))
def test_the_make_targets_it_names_are_there(target: str) -> None:
    assert target in TARGETS


@pytest.mark.parametrize("flag", sorted(set(re.findall(r"`--([a-z-]+)`", README)) - {"help"}))
def test_the_flags_it_names_are_there(flag: str) -> None:
    assert flag.replace("-", "_") in Settings.model_fields


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", README))))
def test_the_files_it_links_to_are_there(link: str) -> None:
    assert (ROOT / link).exists()


def test_the_share_fields_it_says_work_are_there() -> None:
    (row,) = (line for line in README.splitlines() if line.startswith("| `DittoFSShare`"))
    works, not_yet = row.split("|")[2:4]
    properties = fields_of(DittoFSShare)
    assert {field.split(".")[0] for field in re.findall(r"`([a-zA-Z.]+)`", works)} <= properties
    assert not set(re.findall(r"`([a-zA-Z]+)`", not_yet)) & properties


def test_no_field_is_there_that_it_says_is_not_yet() -> None:
    (row,) = (line for line in README.splitlines() if line.startswith("| `DittoFS`"))
    works, not_yet = row.split("|")[2:4]
    properties = fields_of(DittoFS)
    assert set(re.findall(r"`([a-zA-Z]+)`", works)) <= properties
    assert not set(re.findall(r"`([a-zA-Z]+)`", not_yet)) & properties


def test_the_backup_fields_it_says_work_are_there() -> None:
    (row,) = (line for line in README.splitlines() if line.startswith("| `DittoFSBackup`"))
    works = row.split("|")[2]
    assert set(re.findall(r"`([a-zA-Z]+)[:`]", works)) <= fields_of(DittoFSBackup)
