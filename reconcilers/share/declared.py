"""The declared shares of one instance: what `shares.yaml` lists and what the shares-hash annotation covers.

One pure function for both, so that the hash moves exactly when the file does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from informers.resource import View
from informers.view import thaw

#: Hexadecimal digits of the hash: enough to tell two lists apart, short enough to read in `kubectl describe`.
HASH_LENGTH = 16


@dataclass(frozen=True, slots=True, order=True)
class DeclaredShare:
    """One share as its DittoFSShare declares it: the specification only, nothing that was observed."""

    path: str
    name: str
    enabled: bool
    read_only: bool
    default_permission: str
    #: The quantity as written (`100Gi`); empty: no quota.
    quota: str
    #: The server's word for whom NFS clients act as; empty: the server's default.
    squash: str
    #: The blocks as written; empty: none.
    trash: Mapping[str, Any] = field(default_factory=dict, compare=False)
    snapshot_policy: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def as_document(self) -> dict[str, Any]:
        """The entry of `shares.yaml`, in the words of the custom resource; what is not set is left out."""
        document: dict[str, Any] = {
            "name": self.name,
            "path": self.path,
            "enabled": self.enabled,
            "readOnly": self.read_only,
            "defaultPermission": self.default_permission,
        }
        if self.quota:
            document["quota"] = {"size": self.quota}
        if self.squash:
            document["nfs"] = {"squash": self.squash}
        if self.trash:
            document["trash"] = dict(self.trash)
        if self.snapshot_policy:
            document["snapshotPolicy"] = dict(self.snapshot_policy)
        return document


def declared_shares(shares: Iterable[View]) -> tuple[DeclaredShare, ...]:
    """The declared ones among `shares` (DittoFSShares of one instance), sorted by path.

    Left out: those being deleted, and those whose path an older DittoFSShare of the instance already has.
    """
    winners = path_winners(shares)
    return tuple(sorted(_declared(share) for share in winners.values()))


def shares_hash(declared: Iterable[DeclaredShare]) -> str:
    """A short hash over `declared`, equal for equal lists on every version of Python."""
    text = json.dumps([asdict(share) for share in declared], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def path_winners(shares: Iterable[View]) -> dict[str, View]:
    """For each path the one DittoFSShare that has it: the oldest, then the one with the smallest uid.

    `shares` are of one instance; those being deleted have given up their path.
    """
    winners: dict[str, View] = {}
    for share in sorted(shares, key=_seniority):
        if not share["metadata"].get("deletionTimestamp"):
            winners.setdefault(share_path(share), share)
    return winners


def share_path(share: View) -> str:
    """The path of a DittoFSShare on its server: `spec.path`, or its name behind a slash (api.md)."""
    return str(share.get("spec", {}).get("path") or "/" + str(share["metadata"]["name"]))


def instance_name(share: View) -> str:
    """The name of the DittoFS that `share` belongs to, in the namespace of `share`; empty when it names none."""
    reference = share.get("spec", {}).get("instanceRef") or {}
    return str(reference.get("name") or "")


def _seniority(share: View) -> tuple[str, str]:
    metadata = share["metadata"]
    return str(metadata.get("creationTimestamp") or ""), str(metadata.get("uid") or "")


def _declared(share: View) -> DeclaredShare:
    spec = share.get("spec", {})
    return DeclaredShare(
        path=share_path(share),
        name=str(share["metadata"]["name"]),
        enabled=bool(spec.get("enabled", True)),
        read_only=bool(spec.get("readOnly", False)),
        default_permission=str(spec.get("defaultPermission") or "none"),
        quota=str((spec.get("quota") or {}).get("size") or ""),
        squash=str((spec.get("nfs") or {}).get("squash") or ""),
        trash=thaw(spec.get("trash") or {}),
        snapshot_policy=thaw(spec.get("snapshotPolicy") or {}),
    )
