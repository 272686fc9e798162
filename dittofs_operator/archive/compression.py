"""The compression of a frame: each is compressed by itself, so that one can be read without the others."""

from __future__ import annotations

import sys
from enum import StrEnum

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: What zstd's own command line takes, fast and good enough.
LEVEL = 3


class Compression(StrEnum):
    """How frames are made smaller."""

    ZSTD = "zstd"
    NONE = "none"


class NotOneFrame(Exception):
    """The bytes are no whole compressed frame of the right size."""


def compress(content: bytes, compression: Compression) -> bytes:
    """`content` as it is stored, with zstd as one frame of zstd."""
    match compression:
        case Compression.ZSTD:
            return zstd.compress(content, level=LEVEL)
        case Compression.NONE:
            return content


def decompress(stored: bytes, compression: Compression, *, max_bytes: int) -> bytes:
    """The content of `stored`, never more than `max_bytes`; raises NotOneFrame."""
    match compression:
        case Compression.ZSTD:
            decompressor = zstd.ZstdDecompressor()
            try:
                content = decompressor.decompress(stored, max_length=max_bytes)
                if not decompressor.eof:
                    # What is exactly as long as it may be needs one more look to be seen to end.
                    content += decompressor.decompress(b"", max_length=1)
            except zstd.ZstdError as error:
                raise NotOneFrame(str(error)) from None
            if not decompressor.eof or decompressor.unused_data:
                raise NotOneFrame("it does not end where it should")
        case Compression.NONE:
            content = stored
    if len(content) > max_bytes:
        raise NotOneFrame("it is longer than it may be")
    return content
