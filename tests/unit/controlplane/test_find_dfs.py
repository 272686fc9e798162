"""The order in which the real DittoFS server is looked for."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from hack.controlplane.tools import DFS, cache_folder
from hack.localcluster.binary import VARIABLE, BinaryMissing, find_dfs


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """With the server on the path and in the cache."""
    variables = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}
    executable(tmp_path / "bin" / "dfs")
    executable(cache_folder(variables) / f"dittofs-{DFS.module.version}" / "dfs")
    return variables


def test_the_named_one_comes_first(tmp_path: Path, environment: dict[str, str]) -> None:
    named = executable(tmp_path / "my-dfs")
    assert find_dfs({**environment, VARIABLE: str(named)}) == named


def test_then_the_one_on_the_path(tmp_path: Path, environment: dict[str, str]) -> None:
    assert find_dfs(environment) == tmp_path / "bin" / "dfs"


def test_then_the_one_that_make_dfs_brought(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "bin" / "dfs").unlink()
    found = find_dfs(environment)
    assert found is not None
    assert found.is_relative_to(tmp_path / "cache")


def test_an_empty_name_means_none_whatever_there_is(environment: dict[str, str]) -> None:
    assert find_dfs({**environment, VARIABLE: ""}) is None


def test_a_wrong_name_is_a_mistake(environment: dict[str, str]) -> None:
    with pytest.raises(BinaryMissing, match="which is no program: correct it, or unset it"):
        find_dfs({**environment, VARIABLE: "/nowhere/dfs"})
