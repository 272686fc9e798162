"""Reads an archive back: whatever comes out of it has passed its hash, and its seal where it is encrypted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.frames import FrameCodec
from dittofs_operator.archive.key import ArchiveKeys
from dittofs_operator.archive.manifest import Loaded, Manifest, load
from dittofs_operator.archive.pipeline import ahead
from dittofs_operator.archive.target import Target, read_manifest


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a frame is, and what it must be."""

    index: int
    part: str
    offset: int
    size: int
    sha256: str


class ArchiveReader:
    """The archive at `target`; raises ArchiveError unless its manifest is whole, and the one that is asked for."""

    def __init__(self, target: Target, *, archive: str, manifest_sha256: str = "") -> None:
        self._target = target
        content = read_manifest(target)
        #: By which the archive is known as a whole.
        self.manifest_sha256 = sha256(content).hexdigest()
        if manifest_sha256 not in ("", self.manifest_sha256):
            raise ArchiveError(
                Reason.ARCHIVE_OTHER,
                f"the manifest at {target.location} has the SHA-256 {self.manifest_sha256}, not {manifest_sha256}: "
                "the archive is not the one that was made; use another",
            )
        self._loaded: Loaded = load(content)
        if self.manifest.id != archive:
            raise ArchiveError(
                Reason.ARCHIVE_OTHER, f"at {target.location} is the archive {self.manifest.id}: put it where it belongs"
            )

    @property
    def manifest(self) -> Manifest:
        """What the archive says of itself."""
        return self._loaded.manifest

    def unlock(self, key: bytes | None) -> ArchiveKeys | None:
        """The keys of the archive, None where it is not encrypted; raises ArchiveError."""
        return self._loaded.unlock(key)

    def check_sizes(self) -> None:
        """Raise ArchiveError unless every part is there, as long as it must be."""
        for part in self.manifest.parts:
            size = self._target.size(part.name)
            if size is None:
                raise self._damaged(part.name, "is missing")
            if size != part.bytes or size != sum(frame for frame, _ in part.frames):
                raise self._damaged(part.name, f"has {size} bytes instead of {part.bytes}")

    def check_hashes(self) -> int:
        """Read every stored byte; the number of them, or ArchiveError at the first frame that is not as written."""
        self.check_sizes()
        return sum(ahead(lambda place: len(self._stored(place)), self._places()))

    def content(self, keys: ArchiveKeys | None) -> Iterator[bytes]:
        """The tar stream, frame by frame; raises ArchiveError instead of a frame that is not as written."""
        codec = FrameCodec(self.manifest.id, self.manifest.compression, keys)
        last = sum(len(part.frames) for part in self.manifest.parts) - 1

        def read(place: _Place) -> bytes:
            content = codec.load(place.index, self._stored(place), max_bytes=self.manifest.frame_bytes)
            before = place.index * self.manifest.frame_bytes
            due = self.manifest.content_bytes - before if place.index == last else self.manifest.frame_bytes
            if content is None or len(content) != due:
                raise self._damaged(place.part, f"frame {place.index} can't be opened although its hash is right")
            return content

        yield from ahead(read, self._places())

    def _places(self) -> Iterator[_Place]:
        index = 0
        for part in self.manifest.parts:
            offset = 0
            for size, digest in part.frames:
                yield _Place(index, part.name, offset, size, digest)
                offset += size
                index += 1

    def _stored(self, place: _Place) -> bytes:
        stored = self._target.read(place.part, place.offset, place.size)
        if sha256(stored).hexdigest() != place.sha256:
            raise self._damaged(place.part, f"frame {place.index}, at byte {place.offset}, has another hash")
        return stored

    def _damaged(self, part: str, what: str) -> ArchiveError:
        return ArchiveError(
            Reason.ARCHIVE_DAMAGED,
            f"the archive at {self._target.location} is damaged: {part} {what}: restore it from a copy, or use another",
        )


class Stream:
    """The frames of an archive as a file that is read from the front, as tarfile wants it."""

    def __init__(self, frames: Iterator[bytes]) -> None:
        self._frames = frames
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        """At most the next `size` bytes, none at the end; raises what the frames raise."""
        if not self._rest:
            self._rest = memoryview(next(self._frames, b""))
        taken = bytes(self._rest[:size])
        self._rest = self._rest[size:]
        return taken
