"""The programs of images that really run here: what of this machine a sandbox sees, and how they are started."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import dittofs_operator
import informers
import reconcilers
from hack.localcluster.kubelet.images import DITTOFS_ARGUMENTS, DITTOFS_BINARY
from hack.localcluster.kubelet.sandbox import Mount

#: Where the operator's own packages are in a pod.
_PACKAGES = "/opt/dittofs-operator/packages"


@dataclass(frozen=True, slots=True)
class Program:
    """The entrypoint and the default arguments of an image, and what it consists of."""

    entrypoint: tuple[str, ...]
    arguments: tuple[str, ...]
    mounts: tuple[Mount, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def server(binary: Path) -> Program:
    """The DittoFS server."""
    return Program((DITTOFS_BINARY,), DITTOFS_ARGUMENTS, (Mount(binary, DITTOFS_BINARY, read_only=True),))


def operator() -> Program:
    """The operator, as this process would run it: this Python with its packages, and this source."""
    own = (dittofs_operator, reconcilers, informers)
    sources = [Path(package.__path__[0]) for package in own]
    folders = dict.fromkeys((Path(sys.base_prefix), Path(sys.prefix)))
    return Program(
        (sys.executable, "-m", "dittofs_operator"),
        ("run",),
        (
            *(Mount(folder, str(folder), read_only=True) for folder in folders),
            *(Mount(source, f"{_PACKAGES}/{source.name}", read_only=True) for source in sources),
        ),
        {"PYTHONPATH": _PACKAGES, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"},
    )
