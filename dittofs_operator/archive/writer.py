"""Writes a stream as the parts of an archive, without ever holding much of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256

from dittofs_operator.archive.frames import FRAME_BYTES, FrameCodec, StoredFrame
from dittofs_operator.archive.manifest import Part
from dittofs_operator.archive.names import PARTS
from dittofs_operator.archive.pipeline import ahead
from dittofs_operator.archive.target import Target

#: From this size on a part is closed. Small enough that a bucket takes it in one request, which leaves nothing half.
PART_BYTES = 32 << 20


def write_parts(
    stream: Iterable[bytes],
    codec: FrameCodec,
    target: Target,
    *,
    frame_bytes: int = FRAME_BYTES,
    part_bytes: int = PART_BYTES,
) -> tuple[Part, ...]:
    """The parts that `target` got of `stream`; raises ArchiveError.

    In memory are, with t threads, t + 2 frames as they are and as they are stored, and two parts: one that is put at
    the target and one that is filled.
    """
    stored = ahead(lambda numbered: codec.store(*numbered), enumerate(cut(stream, frame_bytes)))
    parts: list[Part] = []
    with ThreadPoolExecutor(1, thread_name_prefix="archive-put") as pool:
        putting: Future[Part] | None = None
        for index, frames in enumerate(_gather(stored, part_bytes)):
            if putting is not None:
                parts.append(putting.result())
            putting = pool.submit(_put, target, index, frames)
        if putting is not None:
            parts.append(putting.result())
    return tuple(parts)


def cut(stream: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The bytes of `stream` in pieces of `size`; the last one has what is left."""
    piece: list[memoryview] = []
    room = size
    for chunk in stream:
        rest = memoryview(chunk)
        while rest:
            piece.append(rest[:room])
            rest = rest[room:]
            room -= len(piece[-1])
            if not room:
                yield b"".join(piece)
                piece, room = [], size
    if piece:
        yield b"".join(piece)


def _gather(frames: Iterable[StoredFrame], part_bytes: int) -> Iterator[list[StoredFrame]]:
    gathered: list[StoredFrame] = []
    for frame in frames:
        gathered.append(frame)
        if sum(len(one.content) for one in gathered) >= part_bytes:
            yield gathered
            gathered = []
    if gathered:
        yield gathered


def _put(target: Target, index: int, frames: list[StoredFrame]) -> Part:
    name = f"{PARTS}/{index:05}"
    target.put(name, [frame.content for frame in frames])
    whole = sha256()
    for frame in frames:
        whole.update(frame.content)
    return Part(
        name=name,
        bytes=sum(len(frame.content) for frame in frames),
        sha256=whole.hexdigest(),
        frames=tuple((len(frame.content), frame.sha256) for frame in frames),
    )
