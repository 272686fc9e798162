"""Archives by a schedule: all on one claim, and what retention lets go is off it before its object goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from informers.resource import ObjectKey
from reconcilers.api.resources import DITTOFS_BACKUP
from tests.support.archive_node import CommandWorld, command_world
from tests.support.archived import server_with_files

# The world's clock starts at 2030-01-02 03:04:05.
FIRST, SECOND = (ObjectKey("default", f"nightly-20300102-0{hour}0000") for hour in (4, 5))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CommandWorld]:
    (tmp_path / "server").mkdir()
    with command_world(tmp_path) as world:
        server_with_files(tmp_path / "claims")
        world.serve("a")
        yield world


def there(world: CommandWorld) -> list[str]:
    return sorted(path.name for path in world.claim("nightly-archive").iterdir())


def test_archives_of_a_schedule_are_on_one_claim_and_old_ones_go_before_their_objects(world: CommandWorld) -> None:
    key = world.archive("nightly", schedule="@hourly", retention={"keepLast": 1}, compression="none")
    world.step(key)
    for made in (FIRST, SECOND):
        world.clock.advance(3600)
        world.step(key)
        assert world.go(made, "Completed", "Failed") == "Completed"
    archives = [world.backup_status(made)["archiveID"] for made in (FIRST, SECOND)]
    assert there(world) == sorted(archives)
    assert world.objects.get(DITTOFS_BACKUP, SECOND)["spec"]["compression"] == "none"

    world.step(key)
    assert world.backup_exists(FIRST)
    for _ in range(5):
        # Its data goes first: the object is there for as long as any of it is.
        assert world.backup_exists(FIRST) or there(world) == archives[1:]
        world.step(FIRST)

    assert not world.backup_exists(FIRST)
    assert there(world) == archives[1:]
    assert world.backup_exists(SECOND)
    assert world.recorder.reasons().count("RetentionPruned") == 1
    assert world.backup_status(key)["lastBackupRef"] == {"name": SECOND.name}
