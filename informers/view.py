"""Deeply read-only JSON: what caches hand out, so that no reader can change what another one sees.

A frozen object is a `Mapping` (not a `dict`) and its lists are tuples; `thaw` gives a copy that may be edited.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


def freeze(value: Any) -> Any:  # noqa: ANN401  # any JSON
    """`value` (plain JSON) made read-only at every depth; the caller must not keep references into it."""
    if isinstance(value, dict):
        return MappingProxyType(
            {key: freeze(item) if isinstance(item, _CONTAINERS) else item for key, item in value.items()}
        )
    if isinstance(value, list):
        return tuple(freeze(item) if isinstance(item, _CONTAINERS) else item for item in value)
    return value


def thaw(value: Any) -> Any:  # noqa: ANN401  # any JSON
    """A copy of `value` out of dicts and lists only, which the caller owns; also copies what was never frozen."""
    if isinstance(value, Mapping):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [thaw(item) for item in value]
    return value


_CONTAINERS = (dict, list)
