"""When the server takes snapshots of a share by itself: what is wanted against what is there, as one step. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from reconcilers.api.scalars import parse_duration
from reconcilers.api.share_policies import SnapshotPolicy, interval_seconds
from reconcilers.server.share_rows import SnapshotPolicyRow
from reconcilers.server.snapshot_calls import Snapshot, SnapshotState
from reconcilers.share.words import in_words


@dataclass(frozen=True, slots=True)
class SnapshotRule:
    """When the server takes snapshots by itself; `keep_last` 0: all are kept, `ttl_s` 0: for ever."""

    interval_s: float
    keep_last: int
    ttl_s: float
    name_prefix: str
    #: As the server takes them: the texts of the specification.
    interval: str = field(compare=False)
    ttl: str = field(compare=False)

    def differences(self, row: SnapshotPolicyRow) -> dict[str, object]:
        """The fields of the specification in which `row` differs by its meaning, with what it has."""
        found: dict[str, tuple[object, object, object]] = {
            "enabled": (True, row.enabled, row.enabled),
            "interval": (self.interval_s, row.interval_s, row.interval),
            "keepLast": (self.keep_last, row.keep_last, row.keep_last),
            "ttl": (self.ttl_s, row.ttl_s, row.ttl),
            "namePrefix": (self.name_prefix, row.name_prefix, row.name_prefix),
        }
        return {name: shown for name, (wanted, present, shown) in found.items() if wanted != present}

    def body(self) -> dict[str, Any]:
        """The policy as the server takes it."""
        return {
            "enabled": True,
            "interval": self.interval,
            "keep_last": self.keep_last,
            "ttl": self.ttl,
            "name_prefix": self.name_prefix,
        }


@dataclass(frozen=True, slots=True)
class SetSnapshotPolicy:
    """Let snapshots be taken by `rule`, or none any more without one; those that were taken stay.

    `found` is the policy that there was.
    """

    rule: SnapshotRule | None
    found: SnapshotPolicyRow | None

    @property
    def changes(self) -> tuple[str, ...]:
        """The fields of the specification that it sets right, with what the server had."""
        if self.rule is not None and self.found is not None:
            return tuple(
                f"snapshotPolicy.{name} ({in_words(value)})"
                for name, value in self.rule.differences(self.found).items()
            )
        found = "missing" if self.found is None else f"every {self.found.interval}, not wanted"
        return (f"snapshotPolicy ({found})",)


def snapshot_rule(policy: SnapshotPolicy) -> SnapshotRule:
    """What `policy` asks of the server."""
    return SnapshotRule(
        interval_s=interval_seconds(policy.interval),
        keep_last=policy.keep_last,
        ttl_s=parse_duration(policy.ttl) if policy.ttl else 0.0,
        name_prefix=policy.name_prefix,
        interval=policy.interval,
        ttl=policy.ttl,
    )


def snapshot_step(wanted: SnapshotRule | None, found: SnapshotPolicyRow | None) -> SetSnapshotPolicy | None:
    """The step from `found` to `wanted`, None when the server has what is wanted."""
    if wanted is None:
        return None if found is None else SetSnapshotPolicy(None, found)
    return SetSnapshotPolicy(wanted, found) if found is None or wanted.differences(found) else None


def last_failure(snapshots: Iterable[Snapshot]) -> str:
    """What became of the last of `snapshots`, newest first, that a policy made: empty, or why it failed."""
    done = (one for one in snapshots if one.scheduled and one.state != SnapshotState.CREATING)
    last = next(done, None)
    if last is None or last.state != SnapshotState.FAILED:
        return ""
    return f'"{last.name}" failed' + (f": {last.error}" if last.error else ", the server's log says why")
