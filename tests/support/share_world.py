"""What a share reconciler lives in: caches that follow every write at once, a double of the server, virtual time."""

from __future__ import annotations

import base64
import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonpatch
import structlog

from informers.client import ObjectList
from informers.clock import Clock, SystemClock
from informers.errors import AlreadyExists, Conflict, Invalid, NotFound
from informers.resource import Manifest, ObjectKey, Resource, View
from informers.result import Backoff
from informers.store import Store
from informers.view import freeze, thaw
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import (
    CONFIG_MAP,
    DITTOFS,
    DITTOFS_BACKUP,
    DITTOFS_SHARE,
    JOB,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    SERVICE_ACCOUNT,
)
from reconcilers.backup.caches import BACKUP_INDEXERS
from reconcilers.dittofs.caches import DITTOFS_INDEXERS
from reconcilers.jobs import Jobs
from reconcilers.purge import Purge
from reconcilers.server.http import HttpTransport, Transport
from reconcilers.server.session import Credentials, ServerSession, Sessions
from reconcilers.server.tls import Tls
from reconcilers.share.announcer import SharesAnnouncer
from reconcilers.share.caches import SHARE_INDEXERS, ShareCaches
from reconcilers.share.reconciler import ShareReconciler
from tests.support.clock import FakeClock
from tests.support.dittofs_server import PASSWORD, LiveServer, double_dittofs_server

INSTANCE = ObjectKey("default", "demo")
CLAIM = ObjectKey("default", "demo-metadata")
POLL_S = 30.0


def failed(reason: str) -> Backoff:
    """What a pass gives for a share that is not in sync: another look within a poll, however often it failed."""
    return Backoff(reason, at_most_s=POLL_S)


@dataclass
class Event:
    type: str
    reason: str
    note: str


@dataclass
class Recorder:
    events: list[Event] = field(default_factory=list)

    def normal(self, regarding: View, reason: str, note: str, action: str = "Reconcile") -> None:
        self.events.append(Event("Normal", reason, note))

    def warning(self, regarding: View, reason: str, note: str, action: str = "Reconcile") -> None:
        self.events.append(Event("Warning", reason, note))

    def reasons(self) -> list[str]:
        return [event.reason for event in self.events]


class Objects:
    """Takes the writes that the share reconciler makes, as the API server would, and shows them in the caches."""

    def __init__(self) -> None:
        logger = structlog.get_logger()
        self.shares = Store(indexers=SHARE_INDEXERS, logger=logger)
        self.instances = Store(indexers=DITTOFS_INDEXERS, logger=logger)
        self.claims = Store(logger=logger)
        self.backups = Store(indexers=BACKUP_INDEXERS, logger=logger)
        self.jobs = Store(logger=logger)
        self._others = {kind.kind: Store(logger=logger) for kind in (CONFIG_MAP, SERVICE_ACCOUNT, POD)}
        self.writes: list[str] = []
        #: By name, the values of Secrets.
        self.secrets: dict[str, dict[str, str]] = {}
        #: The time that the API server gives what is made.
        self.created_at: Callable[[], str] = lambda: "2030-01-02T03:00:00Z"
        self._version = 0

    def put(self, manifest: Manifest) -> View:
        """Store `manifest` as somebody's write."""
        self._version += 1
        manifest["metadata"]["resourceVersion"] = str(self._version)
        view: View = freeze(manifest)
        self._cache(manifest["kind"]).put(view)
        return view

    def get(self, resource: Resource, key: ObjectKey) -> Manifest:
        if resource == SECRET and key.name in self.secrets:
            data = {name: base64.b64encode(value.encode()).decode() for name, value in self.secrets[key.name].items()}
            return {"metadata": {"name": key.name}, "data": data}
        view = self._cache(resource.kind).get(key) if resource != SECRET else None
        if view is None:
            raise NotFound(404, "NotFound", f"{key} not found")
        manifest: Manifest = thaw(view)
        return manifest

    def list(self, resource: Resource, *, namespace: str = "", label_selector: str = "") -> ObjectList:
        return ObjectList([thaw(view) for view in self._cache(resource.kind).list(namespace)], "1", "")

    def apply(
        self, resource: Resource, manifest: Manifest, *, field_manager: str, force: bool, subresource: str = ""
    ) -> Manifest:
        live = self.get(resource, ObjectKey.of(manifest))
        assert subresource == "status"
        assert force
        live["status"] = manifest["status"]
        return self._written(f"apply {subresource}", live)

    def create(self, resource: Resource, manifest: Manifest, *, field_manager: str) -> Manifest:
        key = ObjectKey.of(manifest)
        if self._cache(resource.kind).get(key) is not None:
            raise AlreadyExists(409, "AlreadyExists", f"{key} exists")
        given = {"uid": f"uid-{key.name}", "generation": 1, "creationTimestamp": self.created_at()}
        made: Manifest = {**copy.deepcopy(manifest), "metadata": {**given, **manifest["metadata"]}}
        return self._written("create", made)

    def delete(
        self, resource: Resource, key: ObjectKey, *, uid: str | None = None, propagation: str = "Background"
    ) -> None:
        live = self.get(resource, key)
        if uid not in (None, live["metadata"]["uid"]):
            raise Conflict(409, "Conflict", f"{key} is another object")
        if not live["metadata"].get("finalizers"):
            self._cache(resource.kind).remove(freeze(live))
            self.writes.append("delete (gone)")
            return
        live["metadata"].setdefault("deletionTimestamp", self.created_at())
        self._written("delete", live)

    def json_patch(
        self,
        resource: Resource,
        key: ObjectKey,
        operations: list[dict[str, Any]],
        *,
        field_manager: str,
        subresource: str = "",
    ) -> Manifest:
        live = self.get(resource, key)
        try:
            patched: Manifest = jsonpatch.apply_patch(live, operations)
        except jsonpatch.JsonPatchTestFailed as error:
            raise Invalid(422, "Invalid", str(error)) from error
        if patched["metadata"].get("deletionTimestamp") and not patched["metadata"].get("finalizers"):
            self._cache(resource.kind).remove(freeze(patched))
            self.writes.append("json patch (gone)")
            return patched
        return self._written("json patch", patched)

    def merge_patch(
        self, resource: Resource, key: ObjectKey, patch: dict[str, Any], *, field_manager: str, subresource: str = ""
    ) -> Manifest:
        live = self.get(resource, key)
        if (
            patch["metadata"].get("resourceVersion", live["metadata"]["resourceVersion"])
            != live["metadata"]["resourceVersion"]
        ):
            raise Conflict(409, "Conflict", "the object has been modified")
        live["metadata"].setdefault("annotations", {}).update(patch["metadata"]["annotations"])
        return self._written(f"merge patch by {field_manager}", live)

    def _written(self, what: str, manifest: Manifest) -> Manifest:
        self.writes.append(what)
        written: Manifest = thaw(self.put(manifest))
        return written

    def _cache(self, kind: str) -> Store:
        stores = {
            DITTOFS.kind: self.instances,
            DITTOFS_SHARE.kind: self.shares,
            DITTOFS_BACKUP.kind: self.backups,
            PERSISTENT_VOLUME_CLAIM.kind: self.claims,
            JOB.kind: self.jobs,
            **self._others,
        }
        return stores[kind]


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    body: Any


class RecordingTransport:
    """Passes every call on and remembers it."""

    def __init__(self, transport: Transport, calls: list[Call]) -> None:
        self._transport = transport
        self._calls = calls

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
        self._calls.append(Call(method, path, body))
        return self._transport.call(method, path, body, token=token, within_s=within_s, patience_s=patience_s)

    def close(self) -> None:
        self._transport.close()


@dataclass
class FixedCredentials:
    credentials: Credentials = field(default_factory=lambda: Credentials("admin", PASSWORD))

    def get(self, instance: DittoFS) -> Credentials:
        return self.credentials


class ShareWorld:
    """One instance `default/demo` with a living server, and the two controllers of its shares."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.clock = FakeClock()
        self.objects = Objects()
        self.recorder = Recorder()
        self.credentials = FixedCredentials()
        self.caches = ShareCaches(
            instances=self.objects.instances, shares=self.objects.shares, backups=self.objects.backups
        )
        #: What the reconciler asked the server, in order.
        self.calls: list[Call] = []
        self.sessions = Sessions(clock=self.clock, transport_factory=self._transport)
        #: The operator's own, for its Jobs; empty: it was not told.
        self.image = ""
        self.announcer = SharesAnnouncer(caches=self.caches, client=self.objects, clock=self.clock)
        self.reconciler = self.restarted()
        #: Somebody else's session with the server, for looking and for meddling.
        self.hand = self._session()
        self.put_instance()
        self.objects.put(
            {"kind": PERSISTENT_VOLUME_CLAIM.kind, "metadata": {"name": CLAIM.name, "namespace": "default"}}
        )

    def _session(self) -> ServerSession:
        transport = HttpTransport(self.server.url, clock=SystemClock())
        return ServerSession(transport, Credentials("admin", PASSWORD), clock=SystemClock())

    def start_server_again(self, *, later_s: float = 60.0) -> None:
        """End the server and start it anew, so that its time of start is another one."""
        assert self.server.again is not None
        self.hand.close()
        self.server = self.server.again(later_s)
        self.hand = self._session()
        self.put_instance()

    def seem_started_again(self, *, later_s: float) -> None:
        """Let the server tell another time of start, as after a start at which nobody had to connect anew."""
        assert self.server.double is not None
        self.server.double._started_at = time.time() + later_s

    def _transport(self, base_url: str, *, host: str, clock: Clock, tls: Tls | None) -> Transport:
        return RecordingTransport(HttpTransport(base_url, host=host, clock=clock, tls=tls), self.calls)

    def restarted(self) -> ShareReconciler:
        """A reconciler without memory, as after a restart of the operator."""
        self.reconciler = ShareReconciler(
            caches=self.caches,
            client=self.objects,
            recorder=self.recorder,
            sessions=self.sessions,
            credentials=self.credentials,
            clock=self.clock,
            poll_interval_s=POLL_S,
            jobs=Jobs(jobs=self.objects.jobs, client=self.objects),
            image=self.image,
        )
        return self.reconciler

    def put_instance(
        self, *, spec: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None, **status: Any
    ) -> None:
        host, _, port = self.server.url.removeprefix("http://").partition(":")
        base = {
            "apiReachable": True,
            "endpoints": {
                "api": {"host": "demo-api.default.svc", "clusterIP": host, "address": host, "port": int(port)},
                "nfs": {"host": "demo-nfs.default.svc", "clusterIP": "10.0.0.8", "address": "192.0.2.9", "port": 2049},
            },
        }
        defaults = {"database": {"sqlite": {}}, "metadata": {"type": "badger"}}
        self.objects.put(
            {
                "apiVersion": DITTOFS.api_version,
                "kind": DITTOFS.kind,
                "metadata": {"name": "demo", "namespace": "default", "uid": "i1", "generation": 1, **(metadata or {})},
                "spec": {**defaults, **(spec or {})},
                "status": {**base, **status},
            }
        )

    def drop_instance(self) -> None:
        view = self.objects.instances.get(INSTANCE)
        assert view is not None
        self.objects.instances.remove(view)

    def put_share(self, name: str = "export", *, created: str = "2030-01-02T03:00:00Z", **spec: Any) -> ObjectKey:
        """Create the DittoFSShare `name`, or change its specification."""
        key = ObjectKey("default", name)
        live = self.objects.shares.get(key)
        manifest: Manifest = (
            thaw(live)
            if live is not None
            else {
                "apiVersion": DITTOFS_SHARE.api_version,
                "kind": DITTOFS_SHARE.kind,
                "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "creationTimestamp": created},
            }
        )
        manifest["metadata"]["generation"] = manifest["metadata"].get("generation", 0) + 1
        manifest["spec"] = {"instanceRef": {"name": "demo"}, **spec}
        self.objects.put(manifest)
        return key

    def delete_share(self, key: ObjectKey) -> None:
        manifest = self.objects.get(DITTOFS_SHARE, key)
        manifest["metadata"]["deletionTimestamp"] = self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        manifest["metadata"]["generation"] += 1
        self.objects.put(manifest)

    def settle(self, key: ObjectKey) -> Any:
        """Pass after pass until one writes nothing; its result."""
        for _ in range(5):
            before = len(self.objects.writes)
            result = self.reconciler.reconcile(key)
            if len(self.objects.writes) == before:
                return result
        raise AssertionError(f"still writing: {self.objects.writes}")

    def status(self, key: ObjectKey) -> dict[str, Any]:
        status: dict[str, Any] = self.objects.get(DITTOFS_SHARE, key)["status"]
        return status

    def condition(self, key: ObjectKey, kind: str) -> tuple[str, str]:
        found = next(c for c in self.status(key)["conditions"] if c["type"] == kind)
        return found["status"], found["reason"]

    def purge(self) -> Purge:
        """The list of deleted shares whose files are still there."""
        return Purge.of(self.objects.claims.get(CLAIM))

    def exists(self, key: ObjectKey) -> bool:
        return self.objects.shares.get(key) is not None

    def close(self) -> None:
        self.sessions.close()
        self.hand.close()


@contextmanager
def share_world(directory: Path) -> Iterator[ShareWorld]:
    """A ShareWorld whose server keeps its things in the empty `directory`."""
    with double_dittofs_server(directory, container_paths=True) as server:
        for folder in ("data/metadata", "data/payload", "data/cache"):
            (directory / folder).mkdir(parents=True)
        world = ShareWorld(server)
        try:
            yield world
        finally:
            world.close()
