"""Where the programs of the control plane come from: KUBEBUILDER_ASSETS, the cache, setup-envtest, a build."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hack.controlplane.tools import (
    API_SERVER,
    CONTROLLER_MANAGER,
    ETCD,
    Tell,
    Tool,
    ToolMissing,
    build,
    cache_folder,
    cached,
)

#: A folder with programs, by the convention of controller-runtime's envtest.
ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"

_DOWNLOAD_TIMEOUT_S = 300
#: What setup-envtest's archives hold; they have no kube-controller-manager.
_IN_ARCHIVE = (ETCD, API_SERVER)


@dataclass(frozen=True, slots=True)
class Binaries:
    """The three programs."""

    etcd: Path
    api_server: Path
    controller_manager: Path


def find_binaries(*, environment: Mapping[str, str] | None = None, tell: Tell) -> Binaries:
    """All three programs; each comes from the first place that has it. Raises ToolMissing.

    The last place is a build from the pinned modules, which takes minutes the first time; `tell` says so.
    """
    environment = os.environ if environment is None else environment
    found = {tool: path for tool in (ETCD, API_SERVER, CONTROLLER_MANAGER) if (path := _present(tool, environment))}
    if any(tool not in found for tool in _IN_ARCHIVE):
        downloaded = _download(environment, tell)
        found = downloaded | found
    for tool in (ETCD, API_SERVER, CONTROLLER_MANAGER):
        if tool not in found:
            found[tool] = build(tool, environment=environment, tell=tell)
    return Binaries(found[ETCD], found[API_SERVER], found[CONTROLLER_MANAGER])


def _present(tool: Tool, environment: Mapping[str, str]) -> Path | None:
    assets = environment.get(ASSETS_VARIABLE)
    if assets:
        folder = Path(assets)
        if not folder.is_dir():
            raise ToolMissing(f"{ASSETS_VARIABLE} names {assets}, which is no folder: correct it, or unset it")
        if os.access(folder / tool.name, os.X_OK):
            return (folder / tool.name).absolute()
    return cached(tool, environment)


def _download(environment: Mapping[str, str], tell: Tell) -> dict[Tool, Path]:
    program = shutil.which("setup-envtest", path=environment.get("PATH"))
    if program is None:
        return {}
    # envtest has no archive for every patch release.
    version = ".".join([*API_SERVER.module.version.split(".")[:2], "x"])
    folder = cache_folder(environment) / "envtest"
    command = [program, "use", version, "--print", "path", "--bin-dir", str(folder)]
    try:
        done = subprocess.run(
            command, env=dict(environment), capture_output=True, text=True, timeout=_DOWNLOAD_TIMEOUT_S, check=False
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        tell(f"setup-envtest is of no use here ({type(error).__name__}): building instead")
        return {}
    place = Path(done.stdout.strip())
    if done.returncode or not done.stdout.strip() or not place.is_dir():
        words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        tell(f"setup-envtest can't bring Kubernetes {version} ({words[-1]}): building instead")
        return {}
    return {tool: place / tool.name for tool in _IN_ARCHIVE if os.access(place / tool.name, os.X_OK)}
