"""The packages' imports point one way: informers <- reconcilers <- dittofs_operator; nothing imports hack or tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

#: What the files of each package may import of the project.
ALLOWED = {
    "informers": {"informers"},
    "reconcilers": {"informers", "reconcilers"},
    "dittofs_operator": {"informers", "reconcilers", "dittofs_operator"},
    "hack": {"informers", "reconcilers", "dittofs_operator", "hack"},
}
OURS = {*ALLOWED, "tests"}

#: The only modules that may import the official client: everything else goes through the adapter.
CLIENT_MODULES = {f"informers/{module}.py" for module in ("client", "configuration", "exchange", "watch")}


def imported_packages(file: Path) -> Iterator[str]:
    """The top-level names of what `file` imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    wrong = {
        f"{file.relative_to(ROOT)} imports {name}"
        for file in (ROOT / package).rglob("*.py")
        for name in imported_packages(file)
        if name in OURS - ALLOWED[package]
    }
    assert wrong == set()


def test_only_the_adapter_imports_the_official_client() -> None:
    users = {
        str(file.relative_to(ROOT))
        for package in ("informers", "reconcilers", "dittofs_operator")
        for file in (ROOT / package).rglob("*.py")
        if "kubernetes" in imported_packages(file)
    }
    assert users <= CLIENT_MODULES


def test_the_controller_layer_says_no_word_of_dittofs() -> None:
    told = [file.name for file in (ROOT / "informers").rglob("*.py") if "ditto" in file.read_text().lower()]
    assert told == []
