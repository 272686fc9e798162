"""The way out when server-side apply can't repair a child: what others left in a list clashes with what ours needs.

A port that somebody renumbered stays beside ours with the same name, which the API server refuses. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from informers.resource import Manifest, View
from informers.view import thaw


def reset_operations(intent: Manifest, live: View) -> list[dict[str, Any]]:
    """The JSON patch that gives each part of the specification that differs exactly our value; empty without one."""
    present = live.get("spec") or {}
    wanted: Mapping[str, Any] = intent.get("spec") or {}
    differing = [part for part, value in wanted.items() if part in present and not _has(present[part], value)]
    if not differing:
        return []
    unchanged = {"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]}
    return [
        unchanged,
        *({"op": "replace", "path": f"/spec/{part}", "value": thaw(wanted[part])} for part in differing),
    ]


def _has(live: object, wanted: object) -> bool:
    """Whether `live` has all of `wanted`, and in its lists nothing else."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(_has(live.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return (
            isinstance(live, Sequence)
            and len(live) == len(wanted)
            and all(_has(one, other) for one, other in zip(live, wanted, strict=True))
        )
    return live == wanted
