"""Archives and objects in the bucket of a real S3 server: nothing half looks whole, and what it refuses is told.

Needs versitygw (`make s3`). Skipped without it, unless REQUIRE_REAL=1 turns that into a failure.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore
import pytest

from dittofs_operator.archive.bucket import BucketPlace, BucketTarget
from dittofs_operator.archive.create import create
from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.names import MANIFEST
from dittofs_operator.archive.objects import remove_objects
from dittofs_operator.archive.reader import ArchiveReader
from dittofs_operator.archive.verify import verify
from informers.clock import SystemClock
from reconcilers.remote_store import S3Keys
from tests.support.archived import ID, Server, archive, order, server_with_files
from tests.support.authority import Authority
from tests.support.s3_server import S3Server, s3_server
from tests.support.scripted_s3 import answering

pytestmark = [pytest.mark.integration, pytest.mark.places("local", reason="it needs no cluster")]

BUCKET, PREFIX = "archives", "of/demo"


@pytest.fixture(scope="module")
def authority() -> Authority:
    made = Authority()
    made.issue("localhost")
    return made


@pytest.fixture(scope="module")
def s3(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3"), authority.issued, bucket=BUCKET) as running:
        yield running


@pytest.fixture
def place(s3: S3Server, authority: Authority, tmp_path: Path) -> BucketPlace:
    endpoint = f"https://localhost:{s3.port}"
    return BucketPlace(BUCKET, f"{PREFIX}/{tmp_path.name}/", endpoint, "us-east-1", S3Keys(*s3.keys), authority.text)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return server_with_files(tmp_path / "server")


def target(place: BucketPlace) -> BucketTarget:
    return BucketTarget(place, ID, retry_for_s=0.2)


def names(s3: S3Server, place: BucketPlace) -> list[str]:
    prefix = f"{place.prefix}{ID}/"
    return sorted(name.removeprefix(prefix) for name in s3.objects(BUCKET, prefix))


def test_an_interrupted_upload_looks_like_nothing_and_is_cleared_by_the_next(
    place: BucketPlace, s3: S3Server, server: Server, tmp_path: Path
) -> None:
    class Killed(BaseException):
        pass

    class DiesInTheMiddle(BucketTarget):
        def put(self, name: str, pieces: Sequence[bytes]) -> None:
            if name.endswith("2"):
                raise Killed
            super().put(name, pieces)

    # More parts than there will be: those of another attempt, longer than the next.
    target(place).put("parts/00099", [b"of an older attempt"])
    with pytest.raises(Killed):
        create(order(server.sources(tmp_path / "s1")), DiesInTheMiddle(place, ID))
    assert names(s3, place) == ["parts/00000", "parts/00001"]
    with pytest.raises(ArchiveError) as missing:
        ArchiveReader(target(place), archive=ID)
    assert missing.value.reason is Reason.ARCHIVE_MISSING

    made = archive(server, target(place), tmp_path / "s2")

    assert names(s3, place) == [MANIFEST, *(part.name for part in made.manifest.parts)]
    assert verify(ArchiveReader(target(place), archive=ID, manifest_sha256=made.manifest_sha256), None)


def test_a_removed_archive_is_gone_and_nothing_else(
    place: BucketPlace, s3: S3Server, server: Server, tmp_path: Path
) -> None:
    archive(server, target(place), tmp_path / "scratch")
    BucketTarget(place, f"{ID}-2").put("parts/00000", [b"of another"])

    target(place).remove()
    target(place).remove()

    assert s3.objects(BUCKET, place.prefix) == {f"{place.prefix}{ID}-2/parts/00000"}


def test_damage_in_the_bucket_is_found(place: BucketPlace, s3: S3Server, server: Server, tmp_path: Path) -> None:
    made = archive(server, target(place), tmp_path / "scratch")
    file = s3.folder / "buckets" / BUCKET / place.prefix / ID / made.manifest.parts[1].name
    whole = file.read_bytes()
    for damaged in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:-1]):
        file.write_bytes(damaged)
        with pytest.raises(ArchiveError) as found:
            verify(ArchiveReader(target(place), archive=ID), None)
        assert found.value.reason is Reason.ARCHIVE_DAMAGED


def test_the_objects_of_one_share_are_removed_and_no_others(place: BucketPlace, s3: S3Server) -> None:
    below = s3.folder / "buckets" / BUCKET / place.prefix
    of_share = replace(place, prefix=f"{place.prefix}a%2Fb~2/")
    others = {"a%2Fb/blocks/1", "a%2Fb~2x/blocks/1", "a%2Fb~2/notes", "a%2Fb~2/blocks.txt", "blocks/1"}
    # More than a request can name.
    for name in (*others, "a%2Fb~2/cas/aa/bb/1", *(f"a%2Fb~2/blocks/{number}" for number in range(1100))):
        (below / name).parent.mkdir(parents=True, exist_ok=True)
        (below / name).write_bytes(b"x")

    removed = remove_objects(of_share, until=SystemClock().now() + timedelta(minutes=5), clock=SystemClock())

    assert (removed.objects, removed.kept) == (1101, 2)
    assert s3.objects(BUCKET, place.prefix) == {f"{place.prefix}{name}" for name in others}
    with pytest.raises(ArchiveError, match="the time was over before all was gone"):
        remove_objects(of_share, until=SystemClock().now(), clock=SystemClock())
    with pytest.raises(ArchiveError, match="make the bucket"):
        remove_objects(replace(of_share, bucket="nowhere"), until=SystemClock().now(), clock=SystemClock())


def test_what_comes_while_objects_are_removed_goes_too_unless_it_comes_again_and_again(
    place: BucketPlace, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload that was under way when the server let the share go."""
    of_share = replace(place, prefix=f"{place.prefix}export/")
    folder = s3.folder / "buckets" / BUCKET / of_share.prefix / "blocks"
    folder.mkdir(parents=True)
    (folder / "0").write_bytes(b"x")
    delete, late = obstore.delete, ["1"]

    def deleting(store: obstore.store.S3Store, paths: Sequence[str]) -> None:
        delete(store, paths)
        for name in late[:1]:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / late.pop(0)).write_bytes(name.encode())

    monkeypatch.setattr(obstore, "delete", deleting)
    until = SystemClock().now() + timedelta(minutes=5)

    assert remove_objects(of_share, until=until, clock=SystemClock()).objects == 2
    assert s3.objects(BUCKET, of_share.prefix) == set()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "0").write_bytes(b"x")
    late.extend("123456789")
    with pytest.raises(ArchiveError, match="there again after they were removed"):
        remove_objects(of_share, until=until, clock=SystemClock())


def test_where_uploads_may_still_end_it_looks_again_when_they_have(place: BucketPlace, s3: S3Server) -> None:
    of_share = replace(place, prefix=f"{place.prefix}export/")
    late = s3.folder / "buckets" / BUCKET / of_share.prefix / "blocks" / "late"

    class Later(SystemClock):
        """Time passes by waiting alone, and meanwhile the upload ends."""

        time = datetime(2030, 1, 2, tzinfo=UTC)

        def now(self) -> datetime:
            return self.time

        def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
            late.parent.mkdir(parents=True)
            late.write_bytes(b"x")
            self.time += timedelta(seconds=timeout_s or 0)

    clock = Later()
    later, until = clock.time + timedelta(seconds=90), clock.time + timedelta(minutes=5)

    assert remove_objects(of_share, until=until, clock=clock, last_look_from=later).objects == 1
    assert s3.objects(BUCKET, of_share.prefix) == set()


def begin(there: BucketTarget) -> None:
    there.size(MANIFEST)
    there.begin()
    there.put("parts/00000", [b"x"])


def refusal(place: BucketPlace) -> ArchiveError:
    """Why no archive can be there; in one line, that quotes no key."""
    with pytest.raises(ArchiveError) as refused:
        begin(target(place))
    told = str(refused.value)
    assert "\n" not in told
    assert place.keys.access_key_id not in told
    assert place.keys.secret_access_key not in told
    return refused.value


def test_what_the_service_refuses_is_told_with_its_remedy(place: BucketPlace) -> None:
    keys = place.keys
    for wrong, reason, remedy in (
        (replace(place, bucket="nowhere"), Reason.TARGET_MISSING, "make the bucket"),
        (replace(place, keys=S3Keys(keys.access_key_id, "not-the-key")), Reason.TARGET_REFUSED, "into the Secret"),
        (replace(place, keys=S3Keys("AKNOBODY", "x" * 20)), Reason.TARGET_REFUSED, "into the Secret"),
        (replace(place, region="eu-nowhere-1"), Reason.TARGET_REFUSED, "name the region"),
        (replace(place, authorities=""), Reason.TARGET_UNREACHABLE, "is not trusted"),
        (replace(place, authorities=Authority().text), Reason.TARGET_UNREACHABLE, "is not trusted"),
        (
            replace(place, endpoint=place.endpoint.replace("localhost", "127.0.0.1")),
            Reason.TARGET_UNREACHABLE,
            "of another name",
        ),
        (replace(place, endpoint="https://nowhere.invalid"), Reason.TARGET_UNREACHABLE, "its name is not known"),
        (replace(place, endpoint=f"http://127.0.0.1:{unused_port()}"), Reason.TARGET_UNREACHABLE, "nothing listens"),
    ):
        told = refusal(wrong)
        assert (told.reason, remedy in str(told)) == (reason, True), told


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (403, "AccessDenied", Reason.TARGET_REFUSED),
        (403, "QuotaExceeded", Reason.TARGET_FULL),
        (507, "XMinioStorageFull", Reason.TARGET_FULL),
        (503, "SlowDown", Reason.TARGET_UNREACHABLE),
        (400, "InvalidTag", Reason.TARGET_REFUSED),
    ],
)
def test_codes_of_other_services_are_told_too(place: BucketPlace, status: int, code: str, reason: Reason) -> None:
    with answering(status, code) as endpoint:
        told = refusal(replace(place, endpoint=endpoint, authorities=""))
    assert (told.reason, code in str(told)) == (reason, True)
