"""What goes into an archive: the claims of a stopped server and the objects that describe it, as one tar stream."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from dittofs_operator.archive import tar
from dittofs_operator.archive.control_plane_copy import DATABASE, copy_database
from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.manifest import ResourceName, Tree

OBJECTS = "objects.json"
CONTROL_PLANE, METADATA, PAYLOAD, CACHE = TREES = ("controlplane", "metadata", "payload", "cache")

#: What of a claim is not data of the server: its file system's, ours, locks and what is derived from the rest.
_EVERYWHERE = ("lost+found", ".restore-*", ".restored-*")
LEFT_OUT: Mapping[str, tuple[str, ...]] = {
    METADATA: (*_EVERYWHERE, "*/LOCK", "*.db-shm"),
    PAYLOAD: (*_EVERYWHERE, "shares/*/gc-state"),
    CACHE: (*_EVERYWHERE, "shares/*/gc-state"),
}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the claims of a stopped server are mounted; None where the instance has no such claim."""

    objects: Path
    control_plane: Path | None
    metadata: Path
    payload: Path | None
    cache: Path | None
    #: An empty folder with room for the control-plane database.
    scratch: Path

    @property
    def folders(self) -> tuple[tuple[str, Path], ...]:
        """The claims that are archived as they are, by the name of their tree."""
        named = ((METADATA, self.metadata), (PAYLOAD, self.payload), (CACHE, self.cache))
        return tuple((name, path) for name, path in named if path is not None)


def read_objects(file: Path) -> tuple[Mapping[str, Any], ...]:
    """The Kubernetes objects in `file`, which is a List in JSON; raises ArchiveError."""
    try:
        items = json.loads(file.read_bytes())["items"]
        objects = tuple(item for item in items if item["kind"] and item["metadata"]["name"])
    except OSError as error:
        raise tar.unreadable(file, error) from None
    except (ValueError, KeyError, TypeError):
        raise ArchiveError(
            Reason.SOURCE_UNREADABLE, f"{file} must be a List of Kubernetes objects in JSON: kubectl get -o json"
        ) from None
    return objects


def resource_names(objects: tuple[Mapping[str, Any], ...]) -> tuple[ResourceName, ...]:
    """What the manifest says of them."""
    return tuple(
        ResourceName(kind=one["kind"], namespace=one["metadata"].get("namespace", ""), name=one["metadata"]["name"])
        for one in objects
    )


class TarStream:
    """The bytes of the tar stream, once; what it held is known when it has ended. Raises ArchiveError."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._trees: dict[str, Counter[str]] = {}
        self.bytes = 0

    @property
    def trees(self) -> tuple[Tree, ...]:
        """What was in the folders at the top."""
        return tuple(
            Tree(name=name, files=count["files"], directories=count["directories"], bytes=count["bytes"])
            for name, count in self._trees.items()
        )

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks():
            self.bytes += len(chunk)
            yield chunk

    def _chunks(self) -> Iterator[bytes]:
        yield from tar.file(self._sources.objects, OBJECTS)
        if self._sources.control_plane is not None:
            copy = copy_database(self._sources.control_plane, self._sources.scratch)
            self._count(CONTROL_PLANE, files=1, size=copy.stat().st_size)
            yield from tar.file(copy, f"{CONTROL_PLANE}/{DATABASE}")
        for name, path in self._sources.folders:
            self._count(name)
            yield from self._folder(name, path, PurePosixPath())
        yield tar.END

    def _folder(self, tree: str, top: Path, inside: PurePosixPath) -> Iterator[bytes]:
        try:
            with os.scandir(top / inside) as scanned:
                found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in scanned)
        except OSError as error:
            raise tar.unreadable(top / inside, error) from None
        for last, is_folder in found:
            name = inside / last
            if any(_matches(name, pattern) for pattern in LEFT_OUT[tree]):
                continue
            path = top / name
            if is_folder:
                self._count(tree, directories=1)
                yield from tar.folder(path, f"{tree}/{name}")
                yield from self._folder(tree, top, name)
            else:
                yield from tar.file(path, f"{tree}/{name}")
                self._count(tree, files=1, size=path.stat().st_size)

    def _count(self, tree: str, *, files: int = 0, directories: int = 0, size: int = 0) -> None:
        self._trees.setdefault(tree, Counter()).update(files=files, directories=directories, bytes=size)


def _matches(name: PurePosixPath, pattern: str) -> bool:
    wanted = pattern.split("/")
    return len(name.parts) == len(wanted) and all(map(fnmatchcase, name.parts, wanted))
