"""What the server does in a share by itself: it keeps deleted files for a while, and takes snapshots."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from reconcilers.api.common import ApiModel
from reconcilers.api.scalars import OptionalDuration, Size, parse_duration
from reconcilers.api.schema import Rule, atomic_list, validated

MAX_PATTERNS = 64
MAX_PATTERN_LENGTH = 128
#: A hundred years.
MAX_RETENTION_DAYS = 36500
MAX_SNAPSHOTS = 10000

#: What the server knows instead of a duration, in seconds.
INTERVAL_WORDS = {"@hourly": 3600.0, "@daily": 86400.0, "@weekly": 604800.0}

_DURATION = "self.matches('^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$')"
# What Go's path.Match takes, without the slash, which no name has: a class needs an end, and - and ] a backslash in it.
_RANGE = r"([^\\\]\-/]|\\[^/])(-([^\\\]\-/]|\\[^/]))?"
_FIRST_RANGE = r"([^\\\]\-\^/]|\\[^/])(-([^\\\]\-/]|\\[^/]))?"
_GLOB = rf"^([^\\\[/]|\\[^/]|\[(\^{_RANGE}|{_FIRST_RANGE})({_RANGE})*\])+$"


def interval_seconds(interval: str) -> float:
    """The seconds of the interval `interval` of a snapshot policy; ValueError when it is none."""
    return INTERVAL_WORDS.get(interval) or parse_duration(interval)


def _checked_interval(text: str) -> str:
    interval_seconds(text)
    return text


#: A pattern that names of files match, such as `*.tmp`.
Glob = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_PATTERN_LENGTH,
            **validated(
                Rule(
                    f"self.matches(r'{_GLOB}')",
                    "must be a pattern for names of files such as *.tmp, ~$* or [Tt]humbs.db: close each [, write a "
                    "backslash before [ and \\ themselves and before - and ] inside brackets, and use no /",
                )
            ),
        }
    ),
]

#: How often a snapshot is taken, kept as written; `interval_seconds` gives its value.
Interval = Annotated[
    str,
    AfterValidator(_checked_interval),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": 32,
            **validated(
                Rule(
                    f"self in [{', '.join(repr(word) for word in INTERVAL_WORDS)}] || "
                    f"({_DURATION} && duration(self) >= duration('1m'))",
                    "must be @hourly, @daily, @weekly or a duration of at least 1m such as 6h or 24h (units ms, s, m, "
                    "h; days are not known)",
                )
            ),
        }
    ),
]


class Trash(ApiModel):
    """Where deleted files go: the folder #recycle of the share, from which their owners can take them back."""

    enabled: Annotated[
        bool,
        Field(
            description="Whether deleted files are kept. Set to false it EMPTIES the bin: all that is in it is lost. "
            "In force at once."
        ),
    ] = True
    retention_days: Annotated[
        int,
        Field(
            ge=0,
            le=MAX_RETENTION_DAYS,
            description="After how many days a deleted file goes for good; 0: never. The server looks once an hour.",
        ),
    ] = 0
    max_size: Annotated[
        Size | None,
        Field(
            description="How much the bin may hold, such as 10Gi: beyond it what was deleted first goes for good. The "
            "server looks once an hour. Absent: no limit but those of the share."
        ),
    ] = None
    restrict_to_admin: Annotated[
        bool,
        Field(
            description="Whether only administrators may empty the bin. The server keeps and shows this; DittoFS "
            "v0.29.0 itself lets nobody but administrators empty it through its API, and does not look at it for "
            "clients."
        ),
    ] = False
    exclude_patterns: Annotated[
        tuple[Glob, ...],
        Field(
            description="Files whose name matches one of these are deleted for good at once, such as *.tmp or ~$*. "
            "In force at once.",
            json_schema_extra=atomic_list(max_items=MAX_PATTERNS),
        ),
    ] = ()


class SnapshotPolicy(ApiModel):
    """When the server takes snapshots of the share by itself, and which of those it removes."""

    interval: Annotated[
        Interval,
        Field(
            description="How long after a snapshot the next one is taken: a duration of at least 1m, @hourly, @daily "
            "or @weekly. The first one is taken within a minute; a change of the interval counts from the last one."
        ),
    ] = "24h"
    keep_last: Annotated[
        int,
        Field(
            ge=0,
            le=MAX_SNAPSHOTS,
            description="How many of its snapshots are kept, the newest; 0: any number. Those made in another way "
            "don't count, and are never removed.",
        ),
    ] = 7
    ttl: Annotated[
        OptionalDuration,
        Field(description="After what time its snapshots are removed, such as 720h, even if fewer; empty: never."),
    ] = ""
    name_prefix: Annotated[
        str,
        Field(
            min_length=1,
            max_length=64,
            pattern="^[A-Za-z0-9_-]+$",
            description="What the names of its snapshots begin with; the time in UTC follows.",
        ),
    ] = "scheduled"
