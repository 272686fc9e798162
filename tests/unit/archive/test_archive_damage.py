"""No byte of an archive changes unseen, nothing is lost or swapped unseen, and nothing looks whole that is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from dittofs_operator.archive.compression import Compression
from dittofs_operator.archive.create import Archived, create
from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.folder import FolderTarget
from dittofs_operator.archive.manifest import load
from dittofs_operator.archive.names import MANIFEST
from dittofs_operator.archive.verify import verify
from tests.support.archived import FRAME, ID, KEY, Server, order, reader, server_with_files
from tests.support.killed import killed_at

KEYS = pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    return server_with_files(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module", params=["zstd", "none", "encrypted"])
def made(request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """One archive for all tests, which put back what they break."""
    root, scratch = tmp_path_factory.mktemp("target"), tmp_path_factory.mktemp("scratch")
    key = KEY if request.param == "encrypted" else None
    compression = Compression.NONE if request.param == "none" else Compression.ZSTD
    return Archive(
        root, key, create(order(server.sources(scratch), key=key, compression=compression), FolderTarget(root, ID))
    )


class Archive:
    def __init__(self, root: Path, key: bytes | None, archived: Archived) -> None:
        self.root, self.key, self.archived = root, key, archived
        self.files = {path: path.read_bytes() for path in (root / ID).rglob("*") if path.is_file()}

    @property
    def parts(self) -> list[Path]:
        return sorted(path for path in self.files if path.name != MANIFEST)

    def verify(self) -> bool:
        return verify(reader(self.root), self.key)

    def refused(self) -> Reason:
        """Why it is no good any more; what was broken is whole afterwards."""
        try:
            with pytest.raises(ArchiveError) as refused:
                self.verify()
            assert "\n" not in str(refused.value)
            return refused.value.reason
        finally:
            self.restore()

    def restore(self) -> None:
        for path, content in self.files.items():
            path.write_bytes(content)


def test_what_is_whole_verifies(made: Archive) -> None:
    assert made.verify()
    assert len(made.parts) > 3


def damage(content: bytes, random: Random) -> Iterator[bytes]:
    """`content` with a bit changed at the ends and at random, cut, and grown."""
    for at in {0, len(content) - 1, *(random.randrange(len(content)) for _ in range(2))}:
        yield content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :]
    yield content[:-1]
    yield content[: random.randrange(len(content))]
    yield b""
    yield content + b"\0"
    yield content + b"\n"


def test_every_change_of_a_part_is_found(made: Archive) -> None:
    random = Random(2)
    ends = {made.parts[0], made.parts[-1]}
    for part in made.parts:
        for damaged in islice(damage(made.files[part], random), None if part in ends else 1):
            part.write_bytes(damaged)
            assert made.refused() is Reason.ARCHIVE_DAMAGED


def test_every_flipped_byte_of_the_manifest_is_found(made: Archive) -> None:
    content = made.files[made.root / ID / MANIFEST]
    random = Random(3)
    for at in random.sample(range(len(content)), 300):
        flipped = content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :]
        assert refusal(flipped) is Reason.ARCHIVE_DAMAGED
    for damaged in damage(content, random):
        assert refusal(damaged) is Reason.ARCHIVE_DAMAGED


def refusal(manifest: bytes) -> Reason | None:
    try:
        load(manifest)
    except ArchiveError as error:
        return error.reason
    return None


def test_a_missing_part_is_found(made: Archive) -> None:
    for part in made.parts:
        part.unlink()
        assert made.refused() is Reason.ARCHIVE_DAMAGED


def test_swapped_parts_are_found(made: Archive) -> None:
    first, second = made.parts[:2]
    first.write_bytes(made.files[second])
    second.write_bytes(made.files[first])
    assert made.refused() is Reason.ARCHIVE_DAMAGED


def forge(made: Archive, change: Callable[[dict[str, object]], None]) -> None:
    """Change the manifest and give it the checksum that fits, as anybody can."""
    manifest = made.root / ID / MANIFEST
    document = json.loads(made.files[manifest])
    document.pop("sha256")
    change(document)

    def canonical() -> bytes:
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    document["sha256"] = sha256(canonical()).hexdigest()
    manifest.write_bytes(canonical())


def test_swapped_frames_are_found_even_with_a_manifest_that_fits(server: Server, tmp_path: Path) -> None:
    """Encryption binds a frame to its place: who has not the key can't rearrange anything."""
    root = tmp_path / "target"
    root.mkdir()
    made = Archive(root, KEY, create(order(server.sources(tmp_path / "s"), key=KEY), FolderTarget(root, ID)))
    first, second = made.parts[:2]

    def swap(document: dict[str, object]) -> None:
        parts = document["parts"]
        assert isinstance(parts, list)
        parts[0], parts[1] = {**parts[1], "name": parts[0]["name"]}, {**parts[0], "name": parts[1]["name"]}

    forge(made, swap)
    first.write_bytes(made.files[second])
    second.write_bytes(made.files[first])

    assert made.refused() is Reason.ARCHIVE_DAMAGED
    there = reader(root)
    keys = there.unlock(KEY)
    assert keys is not None
    frame = made.files[first][: there.manifest.parts[0].frames[0][0]]
    assert keys.open(ID, 0, frame) is not None
    assert keys.open(ID, 1, frame) is None
    assert keys.open("another", 0, frame) is None


def test_a_manifest_of_somebody_without_the_key_is_not_believed(made: Archive) -> None:
    """It could leave out the last files, or send the restore to another bucket."""
    forge(made, lambda document: document.update(created="2020-01-01T00:00:00+00:00"))
    if made.key is None:
        assert made.verify()
    else:
        assert made.refused() is Reason.ARCHIVE_DAMAGED
    if made.key is not None:
        forge(made, lambda document: document.update(encryption=None))
        assert made.refused() is Reason.KEY_WRONG
    made.restore()


def test_a_newer_version_is_refused_in_words(made: Archive) -> None:
    forge(made, lambda document: document.update(formatVersion=2, novelty=True))
    with pytest.raises(ArchiveError, match=r"format 2.*reads up to 1.*use the version that made it"):
        reader(made.root)
    assert made.refused() is Reason.ARCHIVE_NEWER


def test_another_archive_than_the_one_asked_for_is_refused(made: Archive) -> None:
    with pytest.raises(ArchiveError, match="is not the one that was made") as refused:
        reader(made.root, "0" * 64)
    assert refused.value.reason is Reason.ARCHIVE_OTHER
    assert reader(made.root, made.archived.manifest_sha256).manifest == made.archived.manifest
    forge(made, lambda document: document.update(id="another"))
    assert made.refused() is Reason.ARCHIVE_OTHER


def test_the_wrong_key_is_told_from_damage_and_no_key_checks_what_is_stored(server: Server, tmp_path: Path) -> None:
    create(order(server.sources(tmp_path / "s"), key=KEY), FolderTarget(tmp_path, ID))

    (tmp_path / "plain").mkdir()
    create(order(server.sources(tmp_path / "plain-scratch")), FolderTarget(tmp_path / "plain", ID))
    with pytest.raises(ArchiveError, match="is not encrypted"):
        verify(reader(tmp_path / "plain"), KEY)
    for key, reason in ((bytes(32), Reason.KEY_WRONG), (None, Reason.KEY_MISSING)):
        with pytest.raises(ArchiveError) as refused:
            reader(tmp_path).unlock(key)
        assert refused.value.reason is reason
    assert not verify(reader(tmp_path), None)
    part = tmp_path / ID / "parts" / "00000"
    part.write_bytes(bytes(part.stat().st_size))
    with pytest.raises(ArchiveError) as refused:
        verify(reader(tmp_path), None)
    assert refused.value.reason is Reason.ARCHIVE_DAMAGED


@KEYS
def test_no_two_archives_have_a_frame_in_common_that_is_encrypted(
    server: Server, tmp_path: Path, key: bytes | None
) -> None:
    """The salt of each attempt is another, so no nonce is used twice with one key."""
    firsts = []
    for attempt in ("a", "b"):
        (root := tmp_path / attempt).mkdir()
        create(order(server.sources(tmp_path / f"{attempt}-scratch"), key=key), FolderTarget(root, ID))
        firsts.append((root / ID / "parts" / "00001").read_bytes())
    assert (firsts[0] == firsts[1]) is (key is None)


@pytest.mark.parametrize("dies_at", ["parts/00001", MANIFEST])
def test_an_interrupted_attempt_is_no_archive_and_does_not_hinder_the_next(
    server: Server, tmp_path: Path, dies_at: str
) -> None:
    class Killed(BaseException):
        pass

    class DiesAt(FolderTarget):
        def put(self, name: str, pieces: Sequence[bytes]) -> None:
            if name == dies_at:
                super().put(name, [pieces[0][:50]])
                raise Killed
            super().put(name, pieces)

    with pytest.raises(Killed):
        create(order(server.sources(tmp_path / "s1")), DiesAt(tmp_path, ID))
    with pytest.raises(ArchiveError) as refused:
        reader(tmp_path)
    assert refused.value.reason is Reason.ARCHIVE_MISSING

    create(order(server.sources(tmp_path / "s2")), FolderTarget(tmp_path, ID))

    assert verify(reader(tmp_path), None)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".partial")] == []


def test_killed_before_any_change_of_a_file_a_backup_is_whole_or_nothing_and_the_next_is_whole(
    server: Server, tmp_path: Path
) -> None:
    change, died = 0, True
    while died:
        change += 1
        (root := tmp_path / f"target-{change}").mkdir()
        sources = server.sources(tmp_path / f"s-{change}")

        died = killed_at(change, lambda: create(order(sources, frame=16 * FRAME), FolderTarget(root, ID)))  # noqa: B023
        if (root / ID).exists():
            assert verify(reader(root), None)
        create(order(server.sources(tmp_path / f"s-{change}-again"), frame=16 * FRAME), FolderTarget(root, ID))

        assert verify(reader(root), None)
        assert [path.name for path in root.iterdir()] == [ID]
    assert change > 8, change


def test_an_archive_that_is_whole_is_left_as_it_is(server: Server, tmp_path: Path) -> None:
    first = create(order(server.sources(tmp_path / "s1")), FolderTarget(tmp_path, ID))
    assert create(order(server.sources(tmp_path / "s2"), key=KEY), FolderTarget(tmp_path, ID)) == first
