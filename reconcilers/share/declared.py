"""The declared shares of one instance: what `shares.yaml` lists and what the shares-hash annotation covers.

One pure function for both, so that the hash moves exactly when the file does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Any

from informers.resource import View
from reconcilers.api.scalars import parse_bytes
from reconcilers.api.share import DittoFSShareSpec, InstanceReference

#: Hexadecimal digits of the hash: enough to tell two lists apart, short enough to read in `kubectl describe`.
HASH_LENGTH = 16


#: Parts of a specification that the file tells in another way, or that are about the operator alone.
_ELSEWHERE = frozenset({"instanceRef", "path", "suspend"})
#: Told even when they are as by default.
_ALWAYS = frozenset({"enabled", "readOnly", "defaultPermission"})
_DEFAULTS: Mapping[str, Any] = {
    name: value
    for name, value in DittoFSShareSpec(instance_ref=InstanceReference(name="x"))
    .model_dump(mode="json", by_alias=True)
    .items()
    if name not in _ELSEWHERE
}


@dataclass(frozen=True, slots=True, order=True)
class DeclaredShare:
    """One share as its DittoFSShare declares it: the specification only, nothing that was observed."""

    path: str
    name: str
    #: The rest of the specification without what is as by default, as JSON; equal for what means the same.
    settings: str = "{}"

    def cache_bytes(self, default: int) -> int:
        """The most that the share's cache may take; `default`, what its instance gives to each, when it says none."""
        cache = json.loads(self.settings).get("cache", {}) if '"cache"' in self.settings else {}
        try:
            return parse_bytes(str(cache.get("localSize") or "")) if isinstance(cache, dict) else default
        except ValueError:
            return default

    def as_document(self) -> dict[str, Any]:
        """The entry of `shares.yaml`, in the words of the custom resource; what is as by default is left out."""
        return {"name": self.name, "path": self.path, **json.loads(self.settings)}


def declared_shares(shares: Iterable[View]) -> tuple[DeclaredShare, ...]:
    """The declared ones among `shares` (DittoFSShares of one instance), sorted by path.

    Left out: those being deleted, and those whose path an older DittoFSShare of the instance already has.
    """
    winners = path_winners(shares)
    return tuple(sorted(_declared(share) for share in winners.values()))


def shares_hash(declared: Iterable[DeclaredShare]) -> str:
    """A short hash over `declared`, equal for equal lists on every version of Python."""
    text = json.dumps([astuple(share) for share in declared], separators=(",", ":"))
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
    """The path of a DittoFSShare on its server: `spec.path`, or its name behind a slash."""
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
    told: dict[str, Any] = {}
    for name, default in _DEFAULTS.items():
        value = _pruned(spec.get(name, default), default)
        if name in _ALWAYS or value not in (default, {} if default else default):
            told[name] = value
    settings = json.dumps(told, separators=(",", ":"))
    return DeclaredShare(share_path(share), str(share["metadata"]["name"]), settings)


def _pruned(value: Any, default: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """`value` without what `default` has as well, in an order of its own."""
    if isinstance(value, Mapping):
        other = default if isinstance(default, Mapping) else {}
        return {key: _pruned(value[key], other.get(key)) for key in sorted(value) if value[key] != other.get(key)}
    if isinstance(value, (list, tuple)):
        return [_pruned(item, None) for item in value]
    return value
