"""The list of deleted shares whose files are still on the volumes. Pure, but for `PurgeLists`.

It stands on the claim of the metadata, so that it lasts as long as the files do. The share reconciler puts addresses
on it; the DittoFS reconciler has it in the ConfigMap, and takes off what a starting pod said to have removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

from informers.clock import Clock
from informers.errors import Conflict, NotFound
from informers.resource import ObjectKey, View
from reconcilers import names
from reconcilers.access import ApiClient
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import PERSISTENT_VOLUME_CLAIM
from reconcilers.api.storage import MetadataType, PayloadType

#: What the list may take in the ConfigMap, beside config.yaml and shares.yaml; the rest waits for another start.
MAX_BYTES = 48 * 1024
#: Writers of one list that come in between of each other.
_ATTEMPTS = 5
#: A path, as shares may have it, and its generation.
_ADDRESS = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9._-]*)+(~[1-9][0-9]{0,8})?")


@dataclass(frozen=True, slots=True)
class Purge:
    """The addresses whose files are to go, each with a number.

    A number is of milliseconds since 1970, given once and bigger than any before: the pod remembers up to which it has
    removed files, so that a list that comes late never removes what was made at an address since.
    """

    addresses: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    last: int = 0

    @classmethod
    def of(cls, claim: View | None) -> Purge:
        """The list on the `claim` of the metadata; empty when there is none, or what is there is no list."""
        text = ((claim or {}).get("metadata", {}).get("annotations") or {}).get(names.PURGE_ANNOTATION)
        try:
            content = json.loads(text or "{}")
            numbers = {str(address): int(number) for address, number in dict(content.get("addresses") or {}).items()}
            last = max([int(content.get("last") or 0), *numbers.values()])
        except (TypeError, ValueError, AttributeError):
            return cls()
        sound = {address: number for address, number in numbers.items() if _ADDRESS.fullmatch(address) and number > 0}
        return cls(MappingProxyType(sound), last)

    def text(self) -> str:
        """What stands on the claim."""
        content = {"addresses": dict(self.addresses), "last": self.last}
        return json.dumps(content, separators=(",", ":"), sort_keys=True)

    def adding(self, address: str, *, now_ms: int) -> Purge:
        """With `address` on it; one that is there already keeps its number."""
        if address in self.addresses:
            return self
        number = max(self.last + 1, now_ms)
        return Purge(MappingProxyType({**self.addresses, address: number}), number)

    def without(self, addresses: Iterable[str]) -> Purge:
        """Without `addresses`; numbers go on from where they were."""
        gone = set(addresses)
        left = {address: number for address, number in self.addresses.items() if address not in gone}
        return replace(self, addresses=MappingProxyType(left))

    def up_to(self, number: int) -> tuple[str, ...]:
        """The addresses with a number up to `number`, the oldest first."""
        return tuple(address for address in self._ordered() if self.addresses[address] <= number)

    def free_address(self, path: str) -> str:
        """Where a share `path` can be made: the path itself unless files wait there, else `path~2` and so on."""
        generations = range(1, len(self.addresses) + 2)
        return next(free for n in generations if (free := names.address(path, n)) not in self.addresses)

    def file(self, instance: DittoFS, *, in_use: frozenset[str] = frozenset()) -> str:
        """The text for the pod of `instance`: in each line a number and the files that it stands for.

        What lives at an address `in_use` is not given away, whoever put it on the list.
        """
        lines, size = [], 0
        for address in self._ordered():
            if address in in_use:
                continue
            line = " ".join((str(self.addresses[address]), *files(instance, address))) + "\n"
            size += len(line)
            if size > MAX_BYTES:
                break
            lines.append(line)
        return "".join(lines)

    def _ordered(self) -> list[str]:
        return sorted(self.addresses, key=lambda address: self.addresses[address])


def files(instance: DittoFS, address: str) -> tuple[str, ...]:
    """All that the share at `address` has on the volumes of `instance`: first its contents, then its metadata."""
    contents = {PayloadType.FILESYSTEM: names.PAYLOAD_MOUNT, PayloadType.S3: names.CACHE_MOUNT}
    mount = contents.get(instance.spec.payload.type)
    first = () if mount is None else (names.contents_directory(address, mount),)
    match instance.spec.metadata.type:
        case MetadataType.BADGER:
            return (*first, names.badger_directory(address))
        case MetadataType.SQLITE:
            file = names.sqlite_file(address)
            return (*first, file, f"{file}-wal", f"{file}-shm")
        case MetadataType.MEMORY:
            return ()


class PurgeReader(Protocol):
    """Tells which addresses of an instance are taken by files that are still to go."""

    def read(self, instance: DittoFS) -> Purge:
        """The list as the API server has it. Raises a `ClientError`."""


class PurgeLists:
    """Reads and changes the lists where they stand: live, since a cache may not show yet what was put on one."""

    def __init__(self, *, client: ApiClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def read(self, instance: DittoFS) -> Purge:
        """The list as the API server has it; empty without a claim. Raises a `ClientError`."""
        try:
            return Purge.of(self._client.get(PERSISTENT_VOLUME_CLAIM, _claim(instance)))
        except NotFound:
            return Purge()

    def add(self, instance: DittoFS, address: str) -> bool:
        """Have the files at `address` removed; False when there is no volume. Raises a `ClientError`."""
        now_ms = int(self._clock.now().timestamp() * 1000)
        return self._change(instance, lambda purge: purge.adding(address, now_ms=now_ms)) is not None

    def remove(self, instance: DittoFS, addresses: Iterable[str]) -> tuple[str, ...]:
        """Take off what is removed; gives those of `addresses` that stood there. Raises a `ClientError`."""
        gone = tuple(addresses)
        before = self._change(instance, lambda purge: purge.without(gone)) or Purge()
        return tuple(address for address in gone if address in before.addresses)

    def _change(self, instance: DittoFS, change: Callable[[Purge], Purge]) -> Purge | None:
        """The list before the change; None when there is no claim to keep it."""
        if instance.spec.metadata.type is MetadataType.MEMORY:
            return None
        for left in reversed(range(_ATTEMPTS)):
            try:
                live = self._client.get(PERSISTENT_VOLUME_CLAIM, _claim(instance))
                before = Purge.of(live)
                after = change(before)
                if after != before:
                    self._write(live["metadata"]["resourceVersion"], instance, after)
            except NotFound:
                return None
            except Conflict:
                # Other shares of the instance may be deleted at the same time.
                if not left:
                    raise
            else:
                return before
        raise AssertionError("unreachable")

    def _write(self, version: str, instance: DittoFS, purge: Purge) -> None:
        metadata = {"resourceVersion": version, "annotations": {names.PURGE_ANNOTATION: purge.text()}}
        self._client.merge_patch(
            PERSISTENT_VOLUME_CLAIM,
            _claim(instance),
            {"metadata": metadata},
            field_manager=names.SHARES_FIELD_MANAGER,
        )


def _claim(instance: DittoFS) -> ObjectKey:
    return ObjectKey(instance.metadata.namespace, names.metadata_claim(instance.metadata.name))
