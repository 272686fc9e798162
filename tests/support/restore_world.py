"""What a restore lives in: the world of backups, shares with content, and both of their controllers at work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from informers.resource import ObjectKey
from reconcilers.api.backup import DittoFSBackup
from reconcilers.api.resources import DITTOFS, DITTOFS_BACKUP
from reconcilers.hold import annotation
from tests.support.backup_world import BackupWorld, Killed
from tests.support.crd_admission import admit
from tests.support.dittofs_server import LiveServer, double_dittofs_server
from tests.support.share_world import INSTANCE

#: Passes of all controllers that a restore may take.
MOST_ROUNDS = 60


class RestoreWorld(BackupWorld):
    """One instance with shares whose content is seen, and a completed backup of them."""

    def __init__(self, server: LiveServer, directory: Path) -> None:
        self._directory = directory
        super().__init__(server)

    def write(self, share: str, text: str) -> None:
        """Make `text` all that the share at the path of that name has."""
        (self._folder(share) / "content").write_text(text)

    def read(self, share: str) -> str:
        return (self._folder(share) / "content").read_text()

    def kept(self, *shares: str, name: str = "kept", text: str = "good", **spec: Any) -> None:
        """Have these shares, and a backup of them that was completed while they had `text`; then they get another."""
        self.serve(*shares, **spec)
        for share in shares:
            self.write(share, text)
        self.until(self.put_backup(name), "Completed")
        for share in shares:
            self.write(share, "bad")
        self.operations.clear()
        self.recorder.events.clear()

    def put_restore(self, name: str = "back", *, source: str = "kept", accept: bool = True, **spec: Any) -> ObjectKey:
        restore = {"backupRef": {"name": source}, "acceptNonDurable": accept}
        return self.put_backup(name, operation="Restore", restore=restore, **spec)

    def round(self, key: ObjectKey) -> None:
        """A pass over the backup and over all shares."""
        self.pass_over(key)
        if self.backup_exists(key):
            admit(DittoFSBackup, self.objects.get(DITTOFS_BACKUP, key))
        for share in self.objects.shares.list():
            self.reconciler.reconcile(ObjectKey.of(share))

    def drive(self, key: ObjectKey, *, rounds: int = MOST_ROUNDS) -> str:
        """Passes of everybody until the restore has ended; its phase. The shares are looked at once more."""
        for _ in range(rounds):
            self.round(key)
            if not self.backup_exists(key) or self.phase(key) in ("Completed", "Failed"):
                self.round(key)
                return self.phase(key) if self.backup_exists(key) else "gone"
            self.clock.advance(0.1)
        raise AssertionError(self.backup_status(key))

    def drive_some(self, key: ObjectKey, *, rounds: int = 8) -> None:
        """So many passes of everybody."""
        for _ in range(rounds):
            self.round(key)
            self.clock.advance(0.1)

    def die_and_come_back(self, key: ObjectKey, after: int) -> bool:
        """Let everything go its way until the operator dies after so many operations, then until the end.

        False when it had ended before.
        """
        self.operations.clear()
        self.dies_after = after
        try:
            self.drive(key)
        except Killed:
            pass
        else:
            self.dies_after = None
            return False
        self.dies_after = None
        self.restarted_operator()
        self.restarted()
        self.drive(key)
        return True

    def hold_text(self) -> str:
        return annotation(self.objects.get(DITTOFS, INSTANCE))

    def enabled(self, share: str) -> bool:
        row = self.hand.share(f"/{share}")
        assert row is not None
        return row.enabled

    def touches(self) -> list[str]:
        """What was changed on the server and of the instance since the operations were cleared."""
        return [
            operation
            for operation in self.operations
            if operation.startswith(("POST", "PUT", "PATCH", "DELETE")) and "/auth/" not in operation
        ]

    def _folder(self, share: str) -> Path:
        return self._directory / "data/payload/shares" / share


@contextmanager
def restore_world(directory: Path) -> Iterator[RestoreWorld]:
    """A RestoreWorld whose server keeps its things in the empty `directory`."""
    with double_dittofs_server(directory, container_paths=True) as server:
        for folder in ("data/metadata", "data/payload", "data/cache"):
            (directory / folder).mkdir(parents=True)
        world = RestoreWorld(server, directory)
        try:
            yield world
        finally:
            world.close()
