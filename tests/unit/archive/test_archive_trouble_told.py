"""Whatever is wrong with an archive, its target or its key: the DittoFSBackup says so, and every file stays as it is.

The commands are those of the Jobs, and what is wrong is really so.
"""

from __future__ import annotations

import base64
import json
import resource
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from informers.resource import ObjectKey
from reconcilers.api.resources import PERSISTENT_VOLUME_CLAIM
from tests.support.archive_node import CommandWorld, command_world
from tests.support.archived import KEY, empty_server, server_with_files
from tests.support.scripted_s3 import answering

SEALED = {"encryption": {"keySecretRef": {"name": "seal"}}}
ID = "weekly-uid-weekly"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CommandWorld]:
    (tmp_path / "server").mkdir()
    with command_world(tmp_path) as world:
        world.objects.secrets |= {
            "seal": {"key": base64.b64encode(KEY).decode()},
            "demo-admin": {"password": "of-this-cluster"},
            "s3": {"access-key-id": "AKFIRST", "secret-access-key": "first-secret-key"},
        }
        server_with_files(tmp_path / "claims")
        world.serve("a")
        yield world


def archive(world: CommandWorld) -> None:
    """Have an archive `weekly`, and an instance that is empty by now."""
    assert world.go(world.archive(deletionPolicy="Retain", **SEALED), "Completed", "Failed") == "Completed"
    for folder in ("controlplane", "metadata", "payload"):
        shutil.rmtree(world.claim(folder))
    empty_server(world.root / "claims")
    for view in world.objects.shares.list():
        world.objects.shares.remove(view)
    world.recorder.events.clear()


def restore(world: CommandWorld) -> ObjectKey:
    source = {"archive": {"id": ID, "pvc": {"claimName": "weekly-archive"}}}
    return world.put_backup("again", operation="Restore", restore=source, **SEALED)


def assert_told(world: CommandWorld, key: ObjectKey, reason: str, *, event: str) -> None:
    assert (world.phase(key), world.told(key, "Failed")) == ("Failed", ("True", reason))
    assert world.told(key, "Ready") == ("False", reason)
    warnings = [one for one in world.recorder.events if (one.type, one.reason) == ("Warning", event)]
    assert [one.note.partition(":")[0] for one in warnings] == [reason]
    assert world.held() is None
    assert world.states[-1] == "serving"
    for secret in ("first-secret-key", "of-this-cluster", base64.b64encode(KEY).decode()):
        assert secret not in str((world.recorder.events, world.backup_status(key)))


def test_what_is_whole_comes_back_byte_for_byte(world: CommandWorld) -> None:
    before = world.server_files.files()
    archive(world)

    assert world.go(restore(world), "Completed", "Failed") == "Completed"

    left_out = {"metadata/export/LOCK", "payload/shares/export/gc-state/last-run.json"}
    after = {name: content for name, content in world.server_files.files().items() if "/.restored-" not in name}
    assert after == {name: content for name, content in before.items() if name not in left_out}


def part(world: CommandWorld) -> Path:
    return next((world.archives / ID / "parts").iterdir())


def flip(world: CommandWorld) -> None:
    content = bytearray(part(world).read_bytes())
    content[len(content) // 2] ^= 1
    part(world).write_bytes(content)


def cut(world: CommandWorld) -> None:
    part(world).write_bytes(part(world).read_bytes()[:-1])


def newer(world: CommandWorld) -> None:
    manifest = world.archives / ID / "manifest.json"
    document = json.loads(manifest.read_bytes()) | {"formatVersion": 2}
    del document["sha256"]
    plain = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    document["sha256"] = sha256(plain).hexdigest()
    manifest.write_bytes(json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


def with_shares(world: CommandWorld) -> None:
    for folder in ("controlplane", "metadata", "payload"):
        shutil.rmtree(world.claim(folder))
    server_with_files(world.root / "claims")


#: What happens to an archive or its surroundings, and the reason that is told.
OF_RESTORES: dict[str, tuple[Callable[[CommandWorld], object], str]] = {
    "a flipped bit": (flip, "ArchiveDamaged"),
    "a byte that is cut off": (cut, "ArchiveDamaged"),
    "a part that is gone": (lambda world: part(world).unlink(), "ArchiveDamaged"),
    "no manifest": (lambda world: (world.archives / ID / "manifest.json").unlink(), "ArchiveMissing"),
    "a newer version": (newer, "ArchiveNewer"),
    "another key": (
        lambda world: world.objects.secrets.update(seal={"key": base64.b64encode(bytes(32)).decode()}),
        "KeyWrong",
    ),
    "files where it would go": (with_shares, "NotEmpty"),
}


@pytest.mark.parametrize("case", OF_RESTORES.values(), ids=OF_RESTORES.keys())
def test_an_archive_that_can_t_be_restored_is_told_and_no_file_is_touched(
    world: CommandWorld, case: tuple[Callable[[CommandWorld], object], str]
) -> None:
    arrange, reason = case
    archive(world)
    arrange(world)
    before = world.kept()

    world.go(key := restore(world), "Completed", "Failed")

    assert_told(world, key, reason, event="RestoreFailed")
    assert world.kept() == before


def refused_by_its_bucket(world: CommandWorld, endpoint: str) -> ObjectKey:
    bucket = {"bucket": "archives", "endpoint": endpoint, "credentialsSecretRef": {"name": "s3"}}
    return world.archive(target={"s3": bucket})


@dataclass
class NoRoom:
    """While a command runs, no file grows beyond what the copy of the database takes."""

    limits: tuple[int, int] = (0, 0)

    def begin(self) -> None:
        self.limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (32_000, self.limits[1]))

    def end(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.limits)


def test_a_target_without_room_is_told_and_what_is_on_it_stays(world: CommandWorld) -> None:
    (other := world.archives / "another").mkdir()
    (other / "manifest.json").write_text("{}")
    before, room = world.kept(), NoRoom()
    world.before["bk"] = room.begin
    key = world.archive()

    try:
        world.go(key, "Completed", "Failed")
    finally:
        room.end()

    assert_told(world, key, "TargetFull", event="BackupFailed")
    assert world.told(key, "TargetReady") == ("False", "TargetFull")
    assert world.kept() == before
    assert world.failed == ["weekly"]


def test_a_bucket_that_refuses_is_told_with_its_words(world: CommandWorld) -> None:
    before = world.kept()
    with answering(403, "AccessDenied") as endpoint:
        key = refused_by_its_bucket(world, endpoint)
        world.go(key, "Completed", "Failed")

    assert_told(world, key, "TargetRefused", event="BackupFailed")
    assert world.told(key, "TargetReady") == ("False", "TargetRefused")
    assert "AccessDenied" in world.message(key)
    assert world.kept() == before


def test_a_database_that_is_damaged_is_no_backup(world: CommandWorld) -> None:
    database = world.claim("controlplane") / "controlplane.db"
    database.write_bytes(database.read_bytes()[:1000] + bytes(3000))
    before = world.kept()

    world.go(key := world.archive(), "Completed", "Failed")

    assert_told(world, key, "SourceDamaged", event="BackupFailed")
    assert world.kept() == before


def test_an_archive_that_is_damaged_before_it_was_read_back_is_no_backup_and_stays(world: CommandWorld) -> None:
    world.before["vf"] = lambda: flip(world)

    world.go(key := world.archive(), "Completed", "Failed")

    assert_told(world, key, "ArchiveDamaged", event="BackupFailed")
    assert part(world).exists()


def test_a_key_that_is_gone_is_told_before_the_server_stops(world: CommandWorld) -> None:
    archive(world)
    del world.objects.secrets["seal"]
    before, states = world.kept(), list(world.states)

    for key in (world.archive("monthly", **SEALED), restore(world)):
        world.step(key)

        assert world.told(key, "Ready") == ("False", "TargetSecretMissing")
        assert world.recorder.events[-1].reason == "TargetSecretMissing"
        assert "openssl rand" in world.message(key) or '"seal"' in world.message(key)
    assert (world.kept(), world.states) == (before, states)


@pytest.mark.parametrize("restores", [False, True], ids=["archive", "restore"])
def test_a_key_that_goes_under_way_ends_it_in_minutes_and_the_server_runs(world: CommandWorld, restores: bool) -> None:
    if restores:
        archive(world)
    before = world.kept()
    suffix, event = ("rs", "RestoreFailed") if restores else ("bk", "BackupFailed")
    world.before[suffix] = lambda: world.objects.secrets.pop("seal", None)
    key = restore(world) if restores else world.archive(**SEALED)
    world.go(key, "Completed", "Failed", passes=10)
    assert world.states[-1] == "stopped"

    world.clock.advance(301)
    world.step(key)
    world.has_no_pod(f"{key.name}-{suffix}")
    world.go(key, "Failed", passes=1)

    assert_told(world, key, "JobNotStarted", event=event)
    assert world.kept() == before


def test_a_claim_that_is_gone_is_told_before_the_server_stops(world: CommandWorld) -> None:
    archive(world)
    world.objects.claims.remove(world.objects.get(PERSISTENT_VOLUME_CLAIM, ObjectKey("default", "weekly-archive")))
    states = list(world.states)

    world.step(key := restore(world))

    assert world.told(key, "Ready") == ("False", "TargetNotFound")
    assert world.recorder.events[-1].reason == "TargetNotFound"
    assert world.states == states
