"""A frame: so many bytes of the tar stream, compressed, sealed and hashed by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from dittofs_operator.archive.compression import Compression, NotOneFrame, compress, decompress
from dittofs_operator.archive.key import ArchiveKeys

#: Of the tar stream, per frame.
FRAME_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A frame as it is at the target."""

    content: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class FrameCodec:
    """How the frames of one archive are stored."""

    archive: str
    compression: Compression
    keys: ArchiveKeys | None

    def store(self, index: int, content: bytes) -> StoredFrame:
        """What to keep of the `content` of frame `index`."""
        stored = compress(content, self.compression)
        if self.keys is not None:
            stored = self.keys.seal(self.archive, index, stored)
        return StoredFrame(stored, sha256(stored).hexdigest())

    def load(self, index: int, stored: bytes, *, max_bytes: int) -> bytes | None:
        """The content of frame `index`; None when `stored` is nothing that `store` made for it."""
        opened = stored if self.keys is None else self.keys.open(self.archive, index, stored)
        if opened is None:
            return None
        try:
            return decompress(opened, self.compression, max_bytes=max_bytes)
        except NotOneFrame:
            return None
