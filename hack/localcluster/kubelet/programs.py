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

#: Where the operator's own packages and its Python environment are in a pod: where no volume covers them.
_PACKAGES = "/opt/dittofs-operator/packages"
_ENVIRONMENT = "/opt/dittofs-operator/environment"


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
    python = Path(_ENVIRONMENT, Path(sys.executable).relative_to(sys.prefix))
    return Program(
        (str(python), "-m", "dittofs_operator"),
        ("run",),
        (
            Mount(Path(sys.base_prefix), sys.base_prefix, read_only=True),
            Mount(Path(sys.prefix), _ENVIRONMENT, read_only=True),
            *(Mount(source, f"{_PACKAGES}/{source.name}", read_only=True) for source in sources),
        ),
        {"PYTHONPATH": _PACKAGES, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"},
    )
