"""Where a test's cluster is: the local one, a real control plane with a simulated node, or one that exists."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from hack.controlplane.binaries import find_binaries
from hack.controlplane.control_plane import ControlPlane
from hack.controlplane.node import SimulatedNode
from hack.localcluster.cluster import LocalCluster
from hack.localcluster.kubelet.api import KubeletClient
from hack.localcluster.kubelet.container import Pace
from informers import configuration
from informers.resource import ObjectKey
from tests.support.installation import USER, Installation

#: Longer than a whole run of the suite.
_TOKEN_LIFETIME_S = 4 * 3600
_OPERATOR = ObjectKey("dittofs-system", "dittofs-operator")


class PlaceName(StrEnum):
    """The places, by the word of `--place`."""

    LOCAL = "local"
    CONTROL_PLANE = "controlplane"
    EXISTING = "existing"


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster with our CRDs. `kubeconfig` is an administrator's, `operator_kubeconfig` the operator's own identity.

    `data_dir` holds the node's folders `volumes/`, `pods/` and `logs/`; None where the node isn't ours.
    """

    name: PlaceName
    kubeconfig: Path
    operator_kubeconfig: Path
    data_dir: Path | None


class ServerName(StrEnum):
    """What pods run where the node is ours, by the word of `--server`."""

    DOUBLE = "double"
    REAL = "real"


@contextlib.contextmanager
def open_place(
    name: PlaceName,
    directory: Path,
    *,
    existing: Path | None = None,
    dfs_binary: Path | None = None,
    pace: Pace | None = None,
) -> Iterator[Place]:
    """The place, ready for tests. `existing` is the kubeconfig of the cluster that exists.

    Pods run `dfs_binary` where the node is ours, the double of it when there is none.
    """
    match name:
        case PlaceName.LOCAL:
            with LocalCluster(directory, dfs_binary=dfs_binary, pace=pace) as local:
                Installation(local.kubeconfig).add_definitions()
                # The local API server knows one identity.
                yield Place(name, local.kubeconfig, local.kubeconfig, local.data_dir)
            assert local.leftovers() == []
        case PlaceName.CONTROL_PLANE:
            with contextlib.ExitStack() as stack:
                plane = ControlPlane(directory, binaries=find_binaries(tell=print), prepare=_add_definitions)
                stack.enter_context(plane)
                node = SimulatedNode(
                    plane.kubeconfig,
                    data_dir=plane.data_dir,
                    load_balancer_network=plane.load_balancer_network,
                    dfs_binary=dfs_binary,
                    pace=pace,
                )
                stack.enter_context(node)
                Installation(plane.kubeconfig).add_identity()
                yield Place(name, plane.kubeconfig, _operator_of(plane.kubeconfig, directory), plane.data_dir)
            assert plane.leftovers() == []
        case PlaceName.EXISTING:
            assert existing is not None
            installation = Installation(existing)
            try:
                installation.add_definitions()
                installation.add_identity()
                yield Place(name, existing, _operator_of(existing, directory), None)
            finally:
                installation.remove()


def _add_definitions(kubeconfig: Path) -> None:
    Installation(kubeconfig).add_definitions()


def _operator_of(kubeconfig: Path, directory: Path) -> Path:
    """A kubeconfig of the operator's ServiceAccount."""
    client = KubeletClient(configuration.load(str(kubeconfig)).configuration, user_agent=USER)
    token = client.request_token(_OPERATOR, lifetime_s=_TOKEN_LIFETIME_S)
    client.close()
    path = directory / "operator.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(
        yaml.safe_dump(with_token(yaml.safe_load(kubeconfig.read_text()), token, namespace=_OPERATOR.namespace))
    )
    return path


def with_token(kubeconfig: dict[str, Any], token: str, *, namespace: str) -> dict[str, Any]:
    """The same cluster, as the holder of `token`, in `namespace`."""
    changed = copy.deepcopy(kubeconfig)
    context = next(entry for entry in changed["contexts"] if entry["name"] == changed["current-context"])
    changed["contexts"] = [context]
    context["context"] |= {"user": "operator", "namespace": namespace}
    changed["users"] = [{"name": "operator", "user": {"token": token}}]
    return changed
