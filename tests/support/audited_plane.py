"""A control plane that may be disturbed, and its audit log: who wrote what, and who held the Lease at that time."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import yaml

from hack.controlplane.binaries import find_binaries
from hack.controlplane.control_plane import ControlPlane
from hack.localcluster.kubelet.api import KubeletClient
from informers import configuration
from informers.client import Client
from informers.resource import ObjectKey
from tests.support.installation import USER, Installation

#: All requests by their metadata, each once, when its answer is complete or its stream is over.
_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [{"level": "Metadata"}],
}
_TOKEN_LIFETIME_S = 3600
_OPERATOR = ObjectKey("dittofs-system", "dittofs-operator")
_CREDENTIAL = "authentication.kubernetes.io/credential-id"
_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class Call:
    """One request as the API server recorded it; `by` is the name of the identity that sent it."""

    by: str
    verb: str
    resource: str
    name: str
    code: int
    received: datetime
    ended: datetime

    @classmethod
    def of(cls, event: dict[str, Any], names: dict[str, str]) -> Self:
        about = event.get("objectRef") or {}
        (credential,) = (event["user"].get("extra") or {}).get(_CREDENTIAL) or [""]
        return cls(
            by=names.get(credential, event["user"]["username"]),
            verb=event["verb"],
            resource=about.get("resource", ""),
            name=about.get("name", ""),
            code=(event.get("responseStatus") or {}).get("code", 0),
            received=datetime.fromisoformat(event["requestReceivedTimestamp"]),
            ended=datetime.fromisoformat(event["stageTimestamp"]),
        )

    @property
    def writes(self) -> bool:
        """Whether it asked for a change of anything but the Lease."""
        return self.verb in _WRITES and self.resource != "leases"


class AuditedPlane:
    """A control plane without a node. Its operators get identities of their own, all with the operator's rights."""

    def __init__(self, plane: ControlPlane, client: Client, directory: Path) -> None:
        self.plane = plane
        self.client = client
        self._directory = directory
        self._names: dict[str, str] = {}

    def kubeconfig_of(self, name: str) -> Path:
        """A kubeconfig with a token that the audit log knows as `name`."""
        node = KubeletClient(configuration.load(str(self.plane.kubeconfig)).configuration, user_agent=USER)
        with contextlib.closing(node):
            token = node.request_token(_OPERATOR, lifetime_s=_TOKEN_LIFETIME_S)
        claims = token.split(".")[1]
        decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        self._names[f"JTI={decoded['jti']}"] = name
        path = self._directory / f"{name}.kubeconfig"
        self.plane.write_kubeconfig(path, token=token, namespace=_OPERATOR.namespace)
        return path

    def calls(self, *names: str) -> list[Call]:
        """What those identities asked for so far, in the order of the answers."""
        lines = _log(self._directory).read_text().splitlines()
        calls = (Call.of(json.loads(line), self._names) for line in lines)
        return sorted((call for call in calls if call.by in names), key=lambda call: call.ended)


def writes_without_lease(calls: Iterable[Call]) -> list[Call]:
    """The writes that began or ended while somebody else had last written the Lease."""
    calls = list(calls)
    held = [call for call in calls if call.resource == "leases" and call.verb in _WRITES and call.code < 300]

    def holder(at: datetime) -> str:
        return next((call.by for call in reversed(held) if call.ended <= at), "")

    return [call for call in calls if call.writes and {holder(call.received), holder(call.ended)} != {call.by}]


@contextlib.contextmanager
def audited_plane(directory: Path) -> Iterator[AuditedPlane]:
    """The control plane with our types and the operator's roles; gone with the block."""
    policy = directory / "audit-policy.yaml"
    policy.write_text(yaml.safe_dump(_POLICY))
    plane = ControlPlane(
        directory / "plane",
        binaries=find_binaries(tell=print),
        prepare=lambda kubeconfig: Installation(kubeconfig).add_definitions(),
        api_server_flags={"audit-policy-file": str(policy), "audit-log-path": str(_log(directory))},
    )
    with plane:
        Installation(plane.kubeconfig).add_identity()
        client = Client(configuration.load(str(plane.kubeconfig)).configuration, user_agent=USER)
        with contextlib.closing(client):
            yield AuditedPlane(plane, client, directory)
    assert plane.leftovers() == []


def _log(directory: Path) -> Path:
    return directory / "audit.log"
