"""Where tools come from: the cache, else one build with Go."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from hack.controlplane.tools import API_SERVER, DFS, ETCD, VERSITYGW, Tool, ToolMissing, build, cache_folder, cached

#: Takes the place of go: counts its runs, waits for a file, writes what it was told to as a program.
FAKE_GO = """#!/bin/sh
echo "$PWD $*" >> "{folder}/runs"
while [ ! -e "{folder}/go-on" ]; do sleep 0.01; done
printf '#!/bin/sh\\n' > "$3"
chmod +x "$3"
"""
BROKEN_GO = "#!/bin/sh\necho '# package' >&2\necho 'module lookup disabled' >&2\nexit 1\n"


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "HOME": str(tmp_path),
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
    }


def without_go(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, "PATH": "/nonexistent"}


def silent(_words: str) -> None:
    """Nobody listens."""


def test_the_cache_is_below_xdg_cache_home() -> None:
    folder = cache_folder({"XDG_CACHE_HOME": "/c", "HOME": "/h"})
    assert folder == Path("/c/dittofs-operator/tools")


@pytest.mark.parametrize("given", ["", "relative/path"])
def test_a_cache_home_that_counts_as_none_means_dot_cache(given: str) -> None:
    assert cache_folder({"XDG_CACHE_HOME": given, "HOME": "/h"}) == Path("/h/.cache/dittofs-operator/tools")


@pytest.mark.parametrize(
    ("tool", "version"), [(API_SERVER, "1.36."), (ETCD, "3."), (DFS, "0.29.0"), (VERSITYGW, "1.8.0")]
)
def test_the_version_is_the_one_go_mod_pins(tool: Tool, version: str) -> None:
    assert tool.module.version.startswith(version)


def test_etcd_is_new_enough_for_streamed_lists() -> None:
    assert tuple(int(part) for part in ETCD.module.version.split(".")) >= (3, 5, 13)


def test_a_program_in_the_cache_is_used_without_go(environment: dict[str, str]) -> None:
    version = f"dittofs-{DFS.module.version}"
    program = executable(cache_folder(environment) / version / "dfs", "")
    assert cached(DFS, environment) == program
    assert build(DFS, environment=without_go(environment), tell=pytest.fail) == program


def test_a_file_that_is_no_program_does_not_count(environment: dict[str, str]) -> None:
    program = executable(cache_folder(environment) / f"dittofs-{DFS.module.version}" / "dfs", "")
    program.chmod(0o644)
    assert cached(DFS, environment) is None


def test_without_go_one_line_says_what_to_do(environment: dict[str, str]) -> None:
    with pytest.raises(
        ToolMissing, match=r"^there is no etcd, and no go to build it: install Go .* or put etcd .* at \S+$"
    ):
        build(ETCD, environment=without_go(environment), tell=silent)


def test_two_builds_at_once_are_one(tmp_path: Path, environment: dict[str, str]) -> None:
    executable(tmp_path / "bin" / "go", FAKE_GO.format(folder=tmp_path))
    told: list[str] = []
    paths: list[Path] = []

    def one() -> None:
        paths.append(build(DFS, environment=environment, tell=told.append))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    (tmp_path / "go-on").touch()
    for thread in threads:
        thread.join()

    expected = cache_folder(environment) / f"dittofs-{DFS.module.version}" / "dfs"
    assert paths == [expected, expected]
    (run,) = (tmp_path / "runs").read_text().splitlines()
    assert run.startswith(str(DFS.module.folder))
    assert run.endswith(DFS.package)
    assert len(told) == 1
    assert "about two minutes" in told[0]


def test_a_failed_build_is_told_in_one_line_and_leaves_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    executable(tmp_path / "bin" / "go", BROKEN_GO)
    words = r"^can't build dfs \(module lookup disabled\): check the network and GOPROXY and try again; `go build .*$"
    with pytest.raises(ToolMissing, match=words):
        build(DFS, environment=environment, tell=silent)
    assert cached(DFS, environment) is None
    left = [path.name for path in (cache_folder(environment) / f"dittofs-{DFS.module.version}").iterdir()]
    assert left == [".lock"]
