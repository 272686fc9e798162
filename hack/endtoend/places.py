"""Where the scenarios run: a kind cluster that is made for them and deleted, or a cluster that exists."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Protocol, Self

from hack.endtoend.commands import CommandFailed, Run, Tell, undo

#: What this release of kind was made with (its pkg/apis/config/defaults): the Kubernetes of hack/tools/kubernetes.
NODE_IMAGE = "kindest/node:v1.36.1@sha256:3489c7674813ba5d8b1a9977baea8a6e553784dab7b84759d1014dbd78f7ebd5"

_BUILD_S = 1200.0
_CREATE_S = 900.0
_LOAD_S = 300.0
_DELETE_S = 120.0
_INSTEAD = "or set KUBECONFIG and IMAGE to use a cluster that exists"


class CannotRun(Exception):
    """Something is missing or in the way; the message is one line that says what to do."""


class Cluster(Protocol):
    """A cluster with nodes that can have `image`, while it is entered."""

    kubeconfig: Path
    image: str
    #: Whether it is there afterwards, so that what is installed must be removed.
    stays: bool

    def __enter__(self) -> Self:
        """Make it; raises CommandFailed."""
        ...

    def __exit__(self, *_: object) -> None:
        """Delete what was made."""
        ...


def missing_for_kind(run: Run, environment: Mapping[str, str]) -> str:
    """The one check for all that needs Docker: what is missing and what to do, in a line; empty when nothing is."""
    if shutil.which("docker", path=environment.get("PATH")) is None:
        return f"there is no docker, which kind makes its nodes with: install and start it, {_INSTEAD}"
    try:
        run("docker", "info", "--format={{.ServerVersion}}")
    except CommandFailed as error:
        return f"docker does not answer ({error}): start it, {_INSTEAD}"
    return ""


class KindCluster(AbstractContextManager["KindCluster"]):
    """A cluster of one node in Docker, with the operator's image built from this checkout."""

    stays = False

    def __init__(
        self, run: Run, *, tell: Tell, kind: Callable[[], Path], name: str, folder: Path, source: Path
    ) -> None:
        """`kind` brings the program; `name` must be one that no other cluster and no image tag has."""
        self.kubeconfig = folder / "kubeconfig"
        self.image = f"dittofs-operator:{name}"
        self._run = run
        self._tell = tell
        self._kind = kind
        self._name = name
        self._source = source
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            kind = str(self._kind())
            # Before what they undo, which may fail half way.
            self._later(stack, "docker", "image", "rm", "--force", self.image)
            self._run("docker", "build", f"--tag={self.image}", str(self._source), timeout_s=_BUILD_S, show=True)
            self._later(stack, kind, "delete", "cluster", f"--name={self._name}")
            self._run(
                *(kind, "create", "cluster", f"--name={self._name}", f"--image={NODE_IMAGE}"),
                *(f"--kubeconfig={self.kubeconfig}", "--wait=5m"),
                timeout_s=_CREATE_S,
                show=True,
            )
            self._run(kind, "load", "docker-image", self.image, f"--name={self._name}", timeout_s=_LOAD_S)
            self._undo = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _later(self, stack: ExitStack, *command: str) -> None:
        stack.callback(undo, self._run, self._tell, *command, timeout_s=_DELETE_S)


class ExistingCluster(AbstractContextManager["ExistingCluster"]):
    """The cluster of a kubeconfig, which must not have the operator, and whose nodes can pull `image`."""

    stays = True

    def __init__(self, run: Run, kubectl: str, *, kubeconfig: Path, image: str) -> None:
        self.kubeconfig = kubeconfig
        self.image = image
        self._run = run
        self._kubectl = (kubectl, f"--kubeconfig={kubeconfig}")

    def __enter__(self) -> Self:
        there = self._run(
            *(*self._kubectl, "get", "customresourcedefinitions,namespaces", "--ignore-not-found", "--output=name"),
        ).split()
        if found := [name for name in there if name.endswith((".dittofs.dittofs.io", "/dittofs-system"))]:
            raise CannotRun(f"this cluster has {' and '.join(found)}: the scenarios would change what is in use there")
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was made."""
