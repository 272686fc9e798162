"""Lets claims grow, and lives with those that may not: they stay as they are, all else about them is as wanted."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from informers.apply import Applied
from informers.clock import Clock
from informers.errors import ApiError, Forbidden, Invalid
from informers.resource import Manifest, View
from informers.view import thaw
from reconcilers.access import Applier
from reconcilers.api.scalars import parse_quantity
from reconcilers.builders.children import Child
from reconcilers.dittofs.report import Report, first_line

#: A class may become able to grow without any change of the claim.
RETRY_S = 300.0

#: What to do about a refusal, by what the API server says.
_REMEDIES = (
    (
        "must support resize",
        "set allowVolumeExpansion on its StorageClass if the driver can do that, or use a DittoFS of another class",
    ),
    ("exceeded quota", "raise the ResourceQuota of the namespace"),
    ("for bound claims", "it grows once it is bound to a volume"),
)


@dataclass(frozen=True, slots=True)
class _Refusal:
    #: The claim as it was, and what was asked of it.
    version: str
    size: str
    until: float
    message: str


class Growth:
    """Applies claims. Safe for many threads, for different instances."""

    def __init__(self, *, applier: Applier, clock: Clock) -> None:
        self._applier = applier
        self._clock = clock
        self._lock = threading.Lock()
        #: By uid of the instance, what was refused, by name of the claim.
        self._refused: dict[str, dict[str, _Refusal]] = {}

    def ensure(self, uid: str, claim: Child, live: View, report: Report) -> Applied:
        """Make the claim `live` as wanted, but for a size that it can't have, which `report` then tells of.

        A refused size is asked for again when the claim or the size is another one, else every `RETRY_S`.
        """
        wanted, has = _size(claim.manifest), _size(live)
        if parse_quantity(wanted) <= parse_quantity(has):
            return self._applier.ensure(claim.resource, claim.manifest, live)
        refused = self._known(uid, claim, live)
        if refused is None:
            try:
                return self._applier.ensure(claim.resource, claim.manifest, live)
            except (Forbidden, Invalid) as error:
                refused = self._remember(uid, claim, live, error)
        report.storage_problems.append(refused.message)
        unchanged = {**claim.manifest["spec"], "resources": {"requests": thaw(live["spec"]["resources"]["requests"])}}
        return self._applier.ensure(claim.resource, {**claim.manifest, "spec": unchanged}, live)

    def forget(self, uid: str) -> None:
        """Drop what was remembered of an instance that is gone."""
        with self._lock:
            self._refused.pop(uid, None)

    def _known(self, uid: str, claim: Child, live: View) -> _Refusal | None:
        with self._lock:
            known = self._refused.get(uid, {}).get(claim.key.name)
        if known is None or self._clock.monotonic() >= known.until:
            return None
        same = (known.version, known.size) == (_version(live), _size(claim.manifest))
        return known if same else None

    def _remember(self, uid: str, claim: Child, live: View, error: ApiError) -> _Refusal:
        words, size = first_line(error.message), _size(claim.manifest)
        remedy = next((f": {remedy}" for sign, remedy in _REMEDIES if sign in words), "")
        message = f"claim {claim.key.name} stays at {_size(live)} instead of {size} ({words}){remedy}"
        refusal = _Refusal(_version(live), size, self._clock.monotonic() + RETRY_S, message)
        with self._lock:
            self._refused.setdefault(uid, {})[claim.key.name] = refusal
        return refusal


def _size(claim: Manifest | View) -> str:
    return str(claim["spec"]["resources"]["requests"]["storage"])


def _version(claim: View) -> str:
    return str(claim["metadata"]["resourceVersion"])
