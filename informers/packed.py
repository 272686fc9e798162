"""How a store keeps an object: as its JSON text, which takes a fifth of the memory of the parsed object.

It is parsed when it is read. The parsed fields of what was read last stay, within one budget for the whole process, so
that what is read often is parsed once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import orjson

from informers.resource import Manifest, ObjectKey, View

#: Bytes of JSON text whose parsed form is kept; that form takes about six times as much.
PARSED_BYTES = 4 * 1024 * 1024


class PackedView(Mapping[str, Any]):
    """A deeply read-only object whose key, uid and version are known without parsing it. Threads may share it."""

    __slots__ = ("_fields", "_json", "object_key", "resource_version", "uid")

    def __init__(self, obj: View) -> None:
        """Packs `obj`, whose metadata has a name; TypeError when it is not JSON. Nothing of `obj` is kept."""
        metadata = obj["metadata"]
        self.object_key = ObjectKey(metadata.get("namespace", ""), metadata["name"])
        self.uid: str = metadata.get("uid") or ""
        self.resource_version: str = metadata.get("resourceVersion") or ""
        # A copy of exactly its length: orjson's own buffer is twice as long and would leave holes in the memory.
        self._json = bytes(memoryview(orjson.dumps(obj, default=_plain)))
        self._fields: Manifest | None = None

    @property
    def size(self) -> int:
        """Bytes of the JSON text."""
        return len(self._json)

    def __getitem__(self, field: str) -> Any:  # noqa: ANN401  # any JSON
        fields = self._fields or self._parse()
        value = fields[field]
        if isinstance(value, (dict, list)):
            value = fields[field] = _frozen(value)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields or self._parse())

    def __len__(self) -> int:
        return len(self._fields or self._parse())

    def __repr__(self) -> str:
        """Which object it is, and nothing of what is in it."""
        return f"<{self.get('kind', 'object')} {self.object_key} at {self.resource_version or '?'}>"

    def _parse(self) -> Manifest:
        fields: Manifest = orjson.loads(self._json)
        self._fields = fields
        _PARSED.add(self)
        return fields

    def forget(self) -> None:
        """Drop the parsed form; the next read parses again."""
        self._fields = None


class _Parsed:
    """The views that hold their parsed form: the latest, within the budget, and at least one."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._lock = threading.Lock()
        self._views: deque[PackedView] = deque()
        self._size = 0

    def add(self, view: PackedView) -> None:
        """`view` was parsed just now; the longest parsed ones make room for it."""
        with self._lock:
            self._views.append(view)
            self._size += view.size
            while self._size > self._budget and len(self._views) > 1:
                oldest = self._views.popleft()
                self._size -= oldest.size
                if oldest is not view:
                    oldest.forget()


_PARSED = _Parsed(PARSED_BYTES)


def _frozen(value: Any) -> Any:  # noqa: ANN401  # any JSON
    """`value` made read-only in place; two threads may do it to the same one at once, and give the same."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (dict, list)):
                value[key] = _frozen(item)
        return MappingProxyType(value)
    return tuple([_frozen(item) if isinstance(item, (dict, list)) else item for item in value])


def _plain(value: object) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
