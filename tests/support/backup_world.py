"""What a backup reconciler lives in: the world of the shares, and a hand that can kill the operator at any step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from informers.clock import Clock
from informers.resource import Manifest, ObjectKey
from informers.view import thaw
from reconcilers.api.resources import DITTOFS_BACKUP
from reconcilers.backup.caches import BackupCaches
from reconcilers.backup.reconciler import BackupReconciler
from reconcilers.backup.restore.errands import Errands
from reconcilers.server.http import Transport
from reconcilers.server.tls import Tls
from tests.support.dittofs_server import LiveServer, double_dittofs_server
from tests.support.eventually import eventually
from tests.support.share_world import ShareWorld


class Killed(BaseException):
    """The operator died here: no handler of its own may catch it."""


class Interruptible:
    """A transport that asks before each request and tells after it."""

    def __init__(self, transport: Transport, world: BackupWorld) -> None:
        self._transport = transport
        self._world = world

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: str = "",
        within_s: float | None = None,
        patience_s: float | None = None,
    ) -> object:
        def send() -> object:
            answer = self._transport.call(method, path, body, token=token, within_s=within_s, patience_s=patience_s)
            return self._world.altered(method, path, answer)

        return self._world.operation(f"{method} {path}", send)

    def close(self) -> None:
        self._transport.close()


def as_it_is(method: str, path: str, answer: Any) -> Any:
    return answer


def in_the_making(method: str, path: str, answer: Any) -> Any:
    """No snapshot gets ready."""
    return {**answer, "state": "creating"} if method == "GET" and "/snapshots/" in path else answer


class BackupWorld(ShareWorld):
    """One instance `default/demo` with a living server, its shares, and the controller of its backups."""

    def __init__(self, server: LiveServer) -> None:
        #: Every request and write of the reconciler, in order.
        self.operations: list[str] = []
        #: The names of the backups that were counted as failed.
        self.failed: list[str] = []
        #: The operation, counted from 0, that is the operator's last one.
        self.dies_after: int | None = None
        #: What the server's answer to a request is made to be.
        self.altered: Callable[[str, str, Any], Any] = as_it_is
        super().__init__(server)
        #: The operator's own, as it was told.
        self.image = "example.com/dittofs-operator:v1"
        self.backup_caches = BackupCaches(
            instances=self.objects.instances,
            shares=self.objects.shares,
            backups=self.objects.backups,
            jobs=self.objects.jobs,
        )
        for name in ("apply", "json_patch", "create", "delete"):
            setattr(self.objects, name, self._watched(name, getattr(self.objects, name)))
        self.objects.created_at = lambda: self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        self.backups = self.restarted_operator()

    def restarted_operator(self, *, errands: Errands | None = None) -> BackupReconciler:
        """A backup reconciler without memory, whose long calls are over at once unless `errands` has them wait."""
        self.backups = BackupReconciler(
            caches=self.backup_caches,
            client=self.objects,
            recorder=self.recorder,
            sessions=self.sessions,
            credentials=self.credentials,
            clock=self.clock,
            image=self.image,
            failed=lambda view: self.failed.append(view["metadata"]["name"]),
            errands=errands or Errands(lambda work: work()),
        )
        return self.backups

    def serve(self, *names: str, **spec: Any) -> None:
        """Have these shares, declared and on the server."""
        for name in names:
            self.settle(self.put_share(name, **spec))
        self.operations.clear()

    def put_backup(self, name: str = "nightly", *, created: str = "2030-01-02T03:00:00Z", **spec: Any) -> ObjectKey:
        """Create the DittoFSBackup `name`, or change its specification."""
        key = ObjectKey("default", name)
        live = self.objects.backups.get(key)
        manifest: Manifest = (
            thaw(live)
            if live is not None
            else {
                "apiVersion": DITTOFS_BACKUP.api_version,
                "kind": DITTOFS_BACKUP.kind,
                "metadata": {
                    "name": name,
                    "namespace": "default",
                    "uid": f"uid-{name}",
                    "creationTimestamp": created,
                },
            }
        )
        manifest["metadata"]["generation"] = manifest["metadata"].get("generation", 0) + 1
        manifest["spec"] = {"instanceRef": {"name": "demo"}, **spec}
        self.objects.put(manifest)
        return key

    def delete_backup(self, key: ObjectKey) -> None:
        manifest = self.objects.get(DITTOFS_BACKUP, key)
        manifest["metadata"]["deletionTimestamp"] = self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        manifest["metadata"]["generation"] += 1
        self.objects.put(manifest)

    def pass_over(self, key: ObjectKey) -> Any:
        return self.backups.reconcile(key)

    def begun(self, name: str = "nightly", **spec: Any) -> ObjectKey:
        """A backup of the share `a` whose snapshot is recorded, and in the making as far as the operator sees."""
        self.altered = in_the_making
        key = self.put_backup(name, **spec)
        self.until(key, "Running")
        self.on_server("/a")
        self.altered = as_it_is
        return key

    def until(self, key: ObjectKey, phase: str) -> None:
        """Pass after pass until the backup has that phase; the server needs real time, of which little."""

        def reached() -> bool:
            self.pass_over(key)
            found = self.backup_status(key).get("phase")
            assert found == phase, self.backup_status(key)
            return True

        eventually(reached, 10, what=phase)

    def backup_status(self, key: ObjectKey) -> dict[str, Any]:
        status: dict[str, Any] = self.objects.get(DITTOFS_BACKUP, key).get("status") or {}
        return status

    def told(self, key: ObjectKey, kind: str) -> tuple[str, str]:
        found = next(c for c in self.backup_status(key)["conditions"] if c["type"] == kind)
        return found["status"], found["reason"]

    def phase(self, key: ObjectKey) -> str:
        return str(self.backup_status(key).get("phase") or "")

    def made(self) -> list[str]:
        """The names of all backups but schedules, sorted."""
        return sorted(
            view["metadata"]["name"] for view in self.objects.backups.list() if not view["spec"].get("schedule")
        )

    def run_all(self) -> None:
        """Have every backup that was made end."""
        for name in self.made():
            key = ObjectKey("default", name)
            if self.phase(key) not in ("Completed", "Failed"):
                self.until(key, "Completed")

    def backup_exists(self, key: ObjectKey) -> bool:
        return self.objects.backups.get(key) is not None

    def on_server(self, path: str) -> list[str]:
        """The ids of the snapshots of a share, settled."""

        def settled() -> tuple[Any, ...] | None:
            found = self.hand.snapshots(path)
            return None if any(snapshot.state == "creating" for snapshot in found) else (found,)

        (snapshots,) = eventually(settled, what="settled snapshots")
        return [snapshot.id for snapshot in snapshots]

    def operation(self, what: str, act: Callable[[], Any]) -> Any:
        index = len(self.operations)
        self.operations.append(what)
        try:
            return act()
        finally:
            if self.dies_after == index:
                raise Killed

    def _watched(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **keywords: self.operation(name, lambda: method(*args, **keywords))

    def _transport(self, base_url: str, *, host: str, clock: Clock, tls: Tls | None) -> Transport:
        return Interruptible(super()._transport(base_url, host=host, clock=clock, tls=tls), self)


@contextmanager
def backup_world(directory: Path) -> Iterator[BackupWorld]:
    """A BackupWorld whose server keeps its things in the empty `directory`."""
    with double_dittofs_server(directory, container_paths=True) as server:
        for folder in ("data/metadata", "data/payload", "data/cache"):
            (directory / folder).mkdir(parents=True)
        world = BackupWorld(server)
        try:
            yield world
        finally:
            world.close()
