"""The order in which the control plane's programs are looked for."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from hack.controlplane.binaries import Binaries, find_binaries
from hack.controlplane.tools import API_SERVER, CONTROLLER_MANAGER, ETCD, Tool, ToolMissing, cache_folder

DOWNLOADER = """#!/bin/sh
echo "$*" > "{folder}/asked"
printf %s "{folder}/archive"
"""


def executable(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Without Go: what isn't found is missing."""
    return {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}


def put_into_cache(environment: dict[str, str], *tools: Tool) -> list[Path]:
    folder = cache_folder(environment)
    return [executable(folder / f"{tool.module.name}-{tool.module.version}" / tool.name) for tool in tools]


def test_the_cache_is_enough(environment: dict[str, str]) -> None:
    etcd, server, manager = put_into_cache(environment, ETCD, API_SERVER, CONTROLLER_MANAGER)
    assert find_binaries(environment=environment, tell=pytest.fail) == Binaries(etcd, server, manager)


def test_assets_come_before_the_cache_and_may_lack_a_program(tmp_path: Path, environment: dict[str, str]) -> None:
    """An archive of envtest has no kube-controller-manager."""
    _, _, manager = put_into_cache(environment, ETCD, API_SERVER, CONTROLLER_MANAGER)
    etcd, server = (executable(tmp_path / "assets" / name) for name in ("etcd", "kube-apiserver"))
    environment["KUBEBUILDER_ASSETS"] = str(tmp_path / "assets")
    assert find_binaries(environment=environment, tell=pytest.fail) == Binaries(etcd, server, manager)


def test_assets_that_are_no_folder_are_a_mistake(tmp_path: Path, environment: dict[str, str]) -> None:
    environment["KUBEBUILDER_ASSETS"] = str(tmp_path / "nowhere")
    with pytest.raises(
        ToolMissing, match=r"^KUBEBUILDER_ASSETS names \S+, which is no folder: correct it, or unset it$"
    ):
        find_binaries(environment=environment, tell=pytest.fail)


def test_setup_envtest_brings_what_the_cache_lacks(tmp_path: Path, environment: dict[str, str]) -> None:
    (manager,) = put_into_cache(environment, CONTROLLER_MANAGER)
    executable(tmp_path / "bin" / "setup-envtest", DOWNLOADER.format(folder=tmp_path))
    etcd, server = (executable(tmp_path / "archive" / name) for name in ("etcd", "kube-apiserver"))
    assert find_binaries(environment=environment, tell=pytest.fail) == Binaries(etcd, server, manager)
    assert (tmp_path / "asked").read_text().startswith("use 1.36.x --print path")


def test_a_setup_envtest_that_fails_is_told_in_one_line_and_passed_over(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    put_into_cache(environment, CONTROLLER_MANAGER)
    executable(tmp_path / "bin" / "setup-envtest", "#!/bin/sh\necho 'no network' >&2\nexit 1\n")
    told: list[str] = []
    with pytest.raises(ToolMissing, match="no go to build it"):
        find_binaries(environment=environment, tell=told.append)
    assert told == ["setup-envtest can't bring Kubernetes 1.36.x (no network): building instead"]
