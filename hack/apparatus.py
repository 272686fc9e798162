"""What control planes, clusters and nodes have in common: started as a whole, undone as a whole, and a kubeconfig."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import yaml


class Apparatus(ABC):
    """Started once, stopped once. What `_start` makes it undoes by `_undo`, in the reverse order."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []

    def start(self) -> None:
        """Start everything; it works when this returns. Raises when something can't start, with nothing left."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Undo all that the start made. May be called again."""
        while self._undo:
            self._undo.pop()()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def _start(self) -> None:
        """Make it, one part after the other, each with its `_undo`."""


def kubeconfig(name: str, cluster: dict[str, Any], *, token: str, namespace: str = "default") -> dict[str, Any]:
    """The content of a kubeconfig with one context, all of its parts called `name`; `cluster` says where it is."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
        "current-context": name,
    }


def write_kubeconfig(path: Path, content: dict[str, Any]) -> None:
    """Write `content` as a new file that this user alone can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
