"""The status of a DittoFSShare, decided from what one pass found. Pure: no client, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from reconcilers.api.common import Condition as ToldCondition
from reconcilers.api.common import ConditionStatus
from reconcilers.api.share import DittoFSShare, ShareCondition, SharePhase
from reconcilers.conditions import Condition, all_of, false, to_status, true, unknown
from reconcilers.hold import HELD, Hold
from reconcilers.server.rows import HEALTHY, Share
from reconcilers.share.restart import InForce


@dataclass(frozen=True, slots=True)
class ShareFacts:
    """What is known of the share on its server: from this pass, or else from the last one that saw it."""

    share_id: str = ""
    adopted: bool = False
    metadata_store: str = ""
    local_store: str = ""
    remote_store: str = ""
    mount: str = ""
    used_bytes: int | None = None
    in_force: InForce | None = None
    #: Of an adopted share: type and place of its metadata store and of its local one.
    origin: tuple[str, str, str, str] = ("", "", "", "")

    @classmethod
    def of_status(cls, share: DittoFSShare) -> ShareFacts:
        """What the last pass wrote down."""
        status = share.status
        stores = status.stores
        return cls(
            status.share_id,
            status.adopted,
            stores.metadata,
            stores.local,
            stores.remote,
            status.mount,
            status.used_bytes,
            InForce.of_status(share),
            (
                stores.metadata_type or "",
                stores.metadata_path or "",
                stores.local_type or "",
                stores.local_path or "",
            ),
        )

    @property
    def local_type(self) -> str:
        """The type of the local store of an adopted share."""
        return self.origin[2]

    def stores(self) -> dict[str, str]:
        """The part `stores` of the status."""
        names = {"metadata": self.metadata_store, "local": self.local_store, "remote": self.remote_store}
        origin = zip(("metadataType", "metadataPath", "localType", "localPath"), self.origin, strict=True)
        return {**names, **(dict(origin) if self.adopted else {})}


@dataclass(frozen=True, slots=True)
class Findings:
    """What one pass found: a phase, the conditions it rests on, and the facts."""

    phase: SharePhase
    instance_ready: Condition
    synced: Condition
    facts: ShareFacts
    #: What stands between a share that is in sync and its clients; None: nothing.
    obstacle: Condition | None = None
    #: Why the server takes no snapshots although there is a policy; None: it does.
    snapshot_trouble: Condition | None = None
    #: Whether values wait for the server's next start; None: as it was told before.
    restart: Condition | None = None
    #: What the condition Ready says of a share that is served, where there is more to say.
    remark: Condition | None = None


SNAPSHOT_FAILED = "SnapshotFailed"
INSTANCE_REACHABLE = true(ShareCondition.INSTANCE_READY, "ApiReachable", "the server takes the operator's login")


def in_sync(
    share: Share,
    facts: ShareFacts,
    *,
    cache_lost: bool = False,
    snapshot_trouble: Condition | None = None,
    without_effect: Mapping[str, str] | None = None,
) -> Findings:
    """The server has what is wanted; whether clients can use it, `share` says.

    `cache_lost`: it is kept disabled, since its files would read as zeros. `without_effect`: by field, why not.
    """
    synced = true(ShareCondition.SYNCED, "InSync", "the server has the share as specified")
    if without_effect:
        vain = "; ".join(f"{field} ({why})" for field, why in without_effect.items())
        synced = true(ShareCondition.SYNCED, "FieldsWithoutEffect", f"{synced.message}; it does nothing about {vain}")
    phase, obstacle = _use(share, cache_lost=cache_lost)
    return Findings(phase, INSTANCE_REACHABLE, synced, facts, obstacle, snapshot_trouble)


def remarked(findings: Findings, remark: Condition) -> Findings:
    """`findings` of a share that nothing stands in the way of, but for what `remark`, a condition Ready, says."""
    if remark.holds:
        return replace(findings, remark=remark)
    return replace(findings, phase=SharePhase.DEGRADED, obstacle=remark)


def _use(share: Share, *, cache_lost: bool) -> tuple[SharePhase, Condition | None]:
    """Whether clients can use a share that is in sync, and what stands between."""
    if cache_lost:
        message = "disabled, since its files would read as zeros: see the condition Degraded of the DittoFS"
        return SharePhase.DEGRADED, false(ShareCondition.READY, "CacheLost", message)
    if not share.enabled:
        message = "spec.enabled is false: clients can't use the share"
        return SharePhase.DISABLED, false(ShareCondition.READY, "Disabled", message)
    if share.health.status != HEALTHY:
        words = f"the server reports the share as {share.health.status}"
        message = f"{words}: {share.health.message}" if share.health.message else words
        return SharePhase.DEGRADED, false(ShareCondition.READY, "ShareUnhealthy", message)
    return SharePhase.READY, None


def out_of_sync(share: DittoFSShare, facts: ShareFacts, *, reason: str, message: str, certain: bool = True) -> Findings:
    """The server is reachable but does not have what is wanted, or (not `certain`) nobody could tell."""
    condition = false if certain else unknown
    return Findings(
        phase=SharePhase.DEGRADED if share.status.share_id else SharePhase.PENDING,
        instance_ready=INSTANCE_REACHABLE,
        synced=condition(ShareCondition.SYNCED, reason, message),
        facts=facts,
    )


def without_instance(share: DittoFSShare, phase: SharePhase, *, reason: str, message: str) -> Findings:
    """The server can't be asked: `reason` says why."""
    return Findings(
        phase=phase,
        instance_ready=false(ShareCondition.INSTANCE_READY, reason, message),
        synced=unknown(ShareCondition.SYNCED, reason, "not compared with the server"),
        facts=ShareFacts.of_status(share),
    )


def suspended(share: DittoFSShare, *, message: str) -> Findings:
    """Nobody looks at the server: what was known stays, and is marked as not compared."""
    instance_ready = _as_told(share, ShareCondition.INSTANCE_READY)
    if instance_ready is None:
        instance_ready = unknown(ShareCondition.INSTANCE_READY, "Suspended", message)
    return Findings(
        phase=SharePhase.SUSPENDED,
        instance_ready=instance_ready,
        synced=unknown(ShareCondition.SYNCED, "Suspended", message),
        facts=ShareFacts.of_status(share),
    )


def held(share: DittoFSShare, hold: Hold) -> Findings:
    """A backup works on the share, or on the server below it: nobody else does."""
    instance_ready = _as_told(share, ShareCondition.INSTANCE_READY)
    return Findings(
        phase=SharePhase.DELETING if share.deleting else SharePhase.MAINTENANCE,
        instance_ready=instance_ready or unknown(ShareCondition.INSTANCE_READY, HELD, hold.words()),
        synced=unknown(ShareCondition.SYNCED, HELD, hold.words()),
        facts=ShareFacts.of_status(share),
        obstacle=false(ShareCondition.READY, HELD, hold.words()),
    )


def _snapshots(share: DittoFSShare, findings: Findings) -> Condition:
    policy, kind = share.spec.snapshot_policy, ShareCondition.SNAPSHOT_POLICY_READY
    if policy is None:
        return true(kind, "NotSpecified", "there is no spec.snapshotPolicy")
    if findings.snapshot_trouble is not None:
        return findings.snapshot_trouble
    if findings.synced.holds:
        kept = f"keeps the newest {policy.keep_last}" if policy.keep_last else "keeps them"
        age = f" for at most {policy.ttl}" if policy.ttl else ""
        return true(kind, "Scheduled", f"the server takes a snapshot every {policy.interval} and {kept}{age}")
    return unknown(kind, findings.synced.reason, "not known to be in force: see the condition Synced")


def snapshot_trouble(share: DittoFSShare, *, in_memory: bool, last_failure: str | None) -> Condition | None:
    """Why no snapshots of `share` are taken although it has a policy, None when they are.

    `last_failure` is what a look at the last one found, None when this pass didn't look: then the last look counts.
    """
    kind = ShareCondition.SNAPSHOT_POLICY_READY
    if share.spec.snapshot_policy is None:
        return None
    if in_memory:
        message = (
            "the contents of the share are in the server's memory, of which it takes no snapshots: remove "
            "spec.snapshotPolicy, or keep the contents on a volume or in a bucket"
        )
        return false(kind, "NothingDurable", message)
    if last_failure:
        return false(kind, SNAPSHOT_FAILED, f"the last snapshot of the policy, {last_failure}")
    known = next((c for c in share.status.conditions if c.type == kind and c.reason == SNAPSHOT_FAILED), None)
    return None if known is None or last_failure is not None else false(kind, known.reason, known.message)


def settled(share: DittoFSShare) -> bool:
    """Whether the last pass left the server in sync with this very specification."""
    synced = _synced(share)
    return synced is not None and synced.observed_generation == share.metadata.generation


def told_in_sync(share: DittoFSShare) -> bool:
    """Whether the last pass left the server in sync with the specification of its time."""
    return _synced(share) is not None


def noted_status(last: Mapping[str, Any], facts: ShareFacts) -> dict[str, Any]:
    """The status `last` with `facts` in it: in the middle of a pass, which has found nothing to tell yet."""
    return {**last, **_told(facts)}


def wanted_status(share: DittoFSShare, findings: Findings, *, now: datetime) -> dict[str, Any]:
    """The status of `share` after a pass that found `findings`."""
    parts = (findings.instance_ready, findings.synced, *(() if findings.obstacle is None else (findings.obstacle,)))
    ready = all_of(ShareCondition.READY, parts, reason="Serving", message="clients can use the share")
    if ready.holds and findings.remark is not None:
        ready = findings.remark
    restart = findings.restart or _as_told(share, ShareCondition.RESTART_REQUIRED)
    if restart is None:
        restart = unknown(ShareCondition.RESTART_REQUIRED, findings.synced.reason, findings.synced.message)
    return {
        "observedGeneration": share.metadata.generation,
        "ready": ready.holds,
        "phase": findings.phase.value,
        "path": share.path,
        **_told(findings.facts),
        "conditions": to_status(
            (ready, findings.instance_ready, findings.synced, _snapshots(share, findings), restart),
            previous=[condition.model_dump(mode="json", by_alias=True) for condition in share.status.conditions],
            observed_generation=share.metadata.generation,
            now=now,
        ),
    }


def _told(facts: ShareFacts) -> dict[str, Any]:
    return {
        "shareID": facts.share_id,
        "adopted": facts.adopted,
        "stores": facts.stores(),
        "mount": facts.mount,
        **({} if facts.used_bytes is None else {"usedBytes": facts.used_bytes}),
        **({} if facts.in_force is None else {"inForce": facts.in_force.document()}),
    }


def _synced(share: DittoFSShare) -> ToldCondition | None:
    """The condition Synced, if it was told to be True."""
    told = next((c for c in share.status.conditions if c.type == ShareCondition.SYNCED), None)
    return told if told is not None and told.status is ConditionStatus.TRUE else None


def _as_told(share: DittoFSShare, kind: ShareCondition) -> Condition | None:
    told = next((c for c in share.status.conditions if c.type == kind), None)
    return None if told is None else Condition(told.type, told.status, told.reason, told.message)
