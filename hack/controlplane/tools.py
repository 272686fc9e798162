"""Programs in Go that the tests need, at pinned versions: built once into a cache folder from hack/tools/.

The `go.mod` of a module says the version, its `go.sum` what exactly that is.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_MODULES = Path(__file__).parents[1] / "tools"
_BUILD_TIMEOUT_S = 2400


class ToolMissing(Exception):
    """A program isn't here and can't be had; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Module:
    """A Go module of hack/tools/: which requirement's version is the tools' own, and how long one build takes."""

    name: str
    requirement: str
    duration: str

    @property
    def folder(self) -> Path:
        """Where its go.mod is."""
        return _MODULES / self.name

    @property
    def version(self) -> str:
        """The pinned version, such as 1.36.2."""
        pinned = re.search(
            rf"^(?:require)?\s+{re.escape(self.requirement)} v(\S+)", (self.folder / "go.mod").read_text(), re.MULTILINE
        )
        if pinned is None:
            raise ToolMissing(f"{self.folder / 'go.mod'} does not require {self.requirement}: restore it from git")
        return pinned.group(1)


_KUBERNETES = Module("kubernetes", "k8s.io/kubernetes", "about ten minutes on two cores")
_ETCD = Module("etcd", "go.etcd.io/etcd/server/v3", "about two minutes")
_KIND = Module("kind", "sigs.k8s.io/kind", "about half a minute")
_VERSITYGW = Module("versitygw", "github.com/versity/versitygw", "about five minutes on two cores")
_DITTOFS = Module("dittofs", "github.com/marmos91/dittofs", "about two minutes")


@dataclass(frozen=True, slots=True)
class Tool:
    """One program and the Go package it is built from."""

    name: str
    module: Module
    package: str


ETCD = Tool("etcd", _ETCD, "go.etcd.io/etcd/server/v3")
API_SERVER = Tool("kube-apiserver", _KUBERNETES, "k8s.io/kubernetes/cmd/kube-apiserver")
CONTROLLER_MANAGER = Tool("kube-controller-manager", _KUBERNETES, "k8s.io/kubernetes/cmd/kube-controller-manager")
DFS = Tool("dfs", _DITTOFS, "github.com/marmos91/dittofs/cmd/dfs")
DFSCTL = Tool("dfsctl", _DITTOFS, "github.com/marmos91/dittofs/cmd/dfsctl")
VERSITYGW = Tool("versitygw", _VERSITYGW, "github.com/versity/versitygw/cmd/versitygw")
KIND = Tool("kind", _KIND, "sigs.k8s.io/kind")

#: Tells a person what takes long.
Tell = Callable[[str], None]


def cache_folder(environment: Mapping[str, str]) -> Path:
    """The folder for all tools: below XDG_CACHE_HOME, else ~/.cache."""
    # An empty or relative value counts as none, as the XDG Base Directory Specification says.
    given = Path(environment.get("XDG_CACHE_HOME", ""))
    home = Path(environment.get("HOME") or Path.home())
    return (given if given.is_absolute() else home / ".cache") / "dittofs-operator" / "tools"


def cached(tool: Tool, environment: Mapping[str, str] | None = None) -> Path | None:
    """The program in the cache, at the pinned version; None when it isn't there."""
    path = _cache_path(tool, os.environ if environment is None else environment)
    return path if path.is_file() and os.access(path, os.X_OK) else None


def build(tool: Tool, *, environment: Mapping[str, str] | None = None, tell: Tell) -> Path:
    """The program, built into the cache unless it is there. Raises ToolMissing.

    Another build of the same module at the same time is waited for, not repeated.
    """
    environment = os.environ if environment is None else environment
    path = _cache_path(tool, environment)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.parent / ".lock"):
        found = cached(tool, environment)
        if found is not None:
            return found
        go = shutil.which("go", path=environment.get("PATH"))
        if go is None:
            raise ToolMissing(
                f"there is no {tool.name}, and no go to build it: install Go ({_go_version(tool)} or newer), "
                f"or put {tool.name} {tool.module.version} at {path}"
            )
        tell(f"building {tool.name} {tool.module.version} into {path.parent}: once, {tool.module.duration} …")
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".build-") as folder:
            fresh = Path(folder) / tool.name
            _go_build(go, tool, fresh, environment)
            fresh.replace(path)
    return path


def _cache_path(tool: Tool, environment: Mapping[str, str]) -> Path:
    return cache_folder(environment) / f"{tool.module.name}-{tool.module.version}" / tool.name


def _go_version(tool: Tool) -> str:
    line = re.search(r"^go (\S+)", (tool.module.folder / "go.mod").read_text(), re.MULTILINE)
    return line.group(1) if line else "a recent version"


def _go_build(go: str, tool: Tool, target: Path, environment: Mapping[str, str]) -> None:
    # A workspace of the caller's must not change the versions.
    variables = {**environment, "GOWORK": "off"}
    command = [go, "build", "-o", str(target), tool.package]
    try:
        done = subprocess.run(
            command,
            cwd=tool.module.folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=_BUILD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolMissing(f"building {tool.name} did not end in {_BUILD_TIMEOUT_S // 60} minutes: try again") from None
    if done.returncode:
        words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ToolMissing(
            f"can't build {tool.name} ({words[-1]}): check the network and GOPROXY and try again; "
            f"`go build {tool.package}` in {tool.module.folder} tells all"
        )


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
