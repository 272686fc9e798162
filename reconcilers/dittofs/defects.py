"""What is wrong with a DittoFS, each with what a person can do: the condition Degraded. Pure."""

from __future__ import annotations

from reconcilers.api.dittofs_status import DittoFSCondition
from reconcilers.conditions import Condition, false, true
from reconcilers.dittofs.bucket import NO_BUCKET
from reconcilers.dittofs.facts import Problem, ServerState
from reconcilers.dittofs.observed import Observed

#: Each badger store has caches of its own. Unused they cost next to nothing (docs/memory.md), but beyond this many
#: shares they may fill more memory than a pod is likely to have.
MAX_BADGER_SHARES = 16

#: The server ends with this when a share directory still has the block layout of an old release: no restart helps.
LEGACY_LAYOUT_EXIT_CODE = 78

#: How many of a kind a message names.
NAMES_SHOWN = 5


def degraded(observed: Observed) -> Condition:
    """The condition: True with each defect, the gravest first."""
    found = [Problem(reason, text) for reason, text in _defects(observed) if text]
    if not found:
        return false(DittoFSCondition.DEGRADED, "AsDeclared")
    return true(DittoFSCondition.DEGRADED, found[0].reason, "; ".join(problem.message for problem in found))


def _defects(observed: Observed) -> tuple[tuple[str, str], ...]:
    """Each reason of Degraded with its message, empty when it does not apply; the first that applies names it."""
    server, config, bucket = observed.server, observed.config_problem, observed.bucket or NO_BUCKET
    return (
        ("NameConflict", _conflicts(observed)),
        ("AdminLockedOut", server.message if server.state is ServerState.LOCKED_OUT else ""),
        ("LegacyBlockLayout", LEGACY_LAYOUT_REMEDY if has_legacy_layout(observed) else ""),
        ("CacheLost", bucket.lost_cache),
        ("BucketShared", bucket.sharing),
        ("CacheTooSmall", bucket.small_caches),
        ("BucketRefused", observed.bucket_problem),
        (config.reason if config else "ConfigInvalid", config.message if config else ""),
        ("ApplyFailed", "; ".join(observed.failures)),
        ("Contested", _contested(observed)),
        *((matter.reason, matter.message) for matter in observed.not_given),
        ("SettingsNotApplied", "; ".join(observed.setting_problems[:NAMES_SHOWN])),
        ("AccountsNotApplied", "; ".join(observed.account_problems[:NAMES_SHOWN])),
        ("SharesNotLoaded", _missing(observed.missing_shares)),
        ("TooManyBadgerStores", _badger_advice(observed)),
        ("CacheOvercommitted", bucket.overcommitment),
        ("SharesFileTruncated", SHARES_FILE_REMEDY if observed.shares_file_truncated else ""),
    )


SHARES_FILE_REMEDY = (
    "the declared shares are more than a ConfigMap holds: shares.yaml lists them in short and can't rebuild the server "
    "alone, the DittoFSShares can; keep those backed up, or spread them over more instances"
)
LEGACY_LAYOUT_REMEDY = (
    "the server ended with code 78: a share directory still has the block layout of a release before v0.16; "
    "run the older release's migration on the payload claim first"
)


def has_legacy_layout(observed: Observed) -> bool:
    """Whether the server ended since its directories are of an old release."""
    pod = observed.pod
    return pod is not None and not pod.ready and pod.exit_code == LEGACY_LAYOUT_EXIT_CODE


def _conflicts(observed: Observed) -> str:
    if not observed.conflicts:
        return ""
    names = ", ".join(observed.conflicts)
    return f"not ours, so left untouched: {names}; rename or remove it, or choose another name for this DittoFS"


def _contested(observed: Observed) -> str:
    if not observed.contested:
        return ""
    listed = "; ".join(observed.contested)
    return f"changed back by somebody else each time, so set right once a minute only ({listed}): stop the other one"


def _missing(paths: tuple[str, ...]) -> str:
    if not paths:
        return ""
    more = f" and {len(paths) - NAMES_SHOWN} more" if len(paths) > NAMES_SHOWN else ""
    return f"declared shares that the server could not load: {', '.join(paths[:NAMES_SHOWN])}{more}"


def _badger_advice(observed: Observed) -> str:
    shares = observed.declared_shares
    if not observed.badger_cache_mb or shares <= MAX_BADGER_SHARES:
        return ""
    caches_mb = shares * observed.badger_cache_mb
    return (
        f"the caches of {shares} shares with a badger store each may take {caches_mb} MiB: more than "
        f"{MAX_BADGER_SHARES} shares belong on a DittoFS with metadata.type sqlite"
    )
