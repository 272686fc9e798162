"""The command line, as a process: what it prints and which code it ends with."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The operator's command line with `arguments`, in an environment without any cluster."""
    return subprocess.run(
        [sys.executable, "-m", "dittofs_operator", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=ROOT,
        env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"},
    )


def test_version_prints_the_projects_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert run("version").stdout.strip() == project["version"]


def test_crds_prints_every_definition_as_yaml() -> None:
    printed = list(yaml.safe_load_all(run("crds").stdout))
    assert {item["spec"]["names"]["kind"] for item in printed} == {"DittoFS", "DittoFSShare", "DittoFSBackup"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "required"),
        (["walk"], "walk"),
        (["run", "--no-such-flag"], "--no-such-flag"),
        (["run", "--poll-interval", "30"], "--poll-interval=30"),
        (["run", "--kubeconfig", "/nonexistent/kubeconfig"], "/nonexistent/kubeconfig"),
        (["run"], "kubeconfig"),
    ],
)
def test_wrong_usage_ends_with_code_2_and_one_line_that_says_what_is_wrong(arguments: list[str], told: str) -> None:
    ended = run(*arguments)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
