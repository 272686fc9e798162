"""The garbage collector: what lost all of its owners is deleted in the background, of every type that is served."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from hack.localcluster.controllers.surroundings import Surroundings
from hack.localcluster.resources import CUSTOM_RESOURCE_DEFINITION
from informers.errors import ClientError, Conflict, NotFound
from informers.event import Deleted, Event, states
from informers.informer import SharedInformer
from informers.resource import ObjectKey, Resource, View
from informers.workqueue import WorkQueue

_OWNER_INDEX = "owner"

#: Nobody's owner and nobody's dependent in practice, but by far the most frequent objects.
_IGNORED_PLURALS = frozenset({"events"})


@dataclass(frozen=True, slots=True)
class _Dependent:
    resource: Resource
    key: ObjectKey


#: The other entry of the queue: look which types are served.
_DISCOVER = "discover"


class GarbageCollector:
    """Watches the metadata of everything; one thread decides."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._queue: WorkQueue[_Dependent | str] = WorkQueue(
            clock=around.clock, metrics=around.metrics.queue("garbage-collector")
        )
        self._informers: dict[Resource, SharedInformer] = {}
        self._kinds: dict[tuple[str, str], Resource] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="garbage-collector", daemon=True)

    def start(self) -> None:
        """Begin to collect."""
        definitions = self._around.informer(CUSTOM_RESOURCE_DEFINITION)
        definitions.add_handler(lambda _: self._queue.add(_DISCOVER), name="garbage-collector")
        self._queue.add(_DISCOVER)
        self._thread.start()

    def stop(self) -> None:
        """Stop; all threads are gone when this returns."""
        self._queue.shut_down()
        self._thread.join()
        for informer in self._informers.values():
            informer.stop()

    def _run(self) -> None:
        while (entry := self._queue.get()) is not None:
            try:
                if isinstance(entry.key, _Dependent):
                    self._collect(entry.key)
                else:
                    self._discover()
                self._queue.forget(entry.key)
            except ClientError as error:
                delay = self._queue.add_rate_limited(entry.key)
                self._around.logger.warning("garbage collection failed", reason=str(error), retry_in_s=delay)
            finally:
                self._queue.done(entry.key)

    def _discover(self) -> None:
        served = set(self._served())
        with self._lock:
            vanished = [self._informers.pop(resource) for resource in set(self._informers) - served]
            fresh = served - set(self._informers)
            for resource in fresh:
                self._kinds[(resource.group, resource.kind)] = resource
                informer = SharedInformer(
                    self._around.client,
                    resource,
                    metadata_only=True,
                    indexers={_OWNER_INDEX: _owner_uids},
                    clock=self._around.clock,
                    random=self._around.random,
                    logger=self._around.logger,
                )
                self._informers[resource] = informer
                informer.add_handler(self._handler(resource), name="garbage-collector")
                informer.start()
        for informer in vanished:
            informer.stop()

    def _served(self) -> Iterable[Resource]:
        client = self._around.client
        versions = [("", "v1", "/api/v1")]
        for group in client.raw_get("/apis")["groups"]:
            version = group["preferredVersion"]["version"]
            versions.append((group["name"], version, f"/apis/{group['name']}/{version}"))
        for group_name, version, path in versions:
            for row in client.raw_get(path)["resources"]:
                listable = {"list", "watch", "delete"} <= set(row["verbs"])
                if "/" not in row["name"] and listable and row["name"] not in _IGNORED_PLURALS:
                    yield Resource(group_name, version, row["name"], row["kind"], namespaced=row["namespaced"])

    def _handler(self, resource: Resource) -> _Handler:
        return _Handler(self, resource)

    def see(self, resource: Resource, event: Event) -> None:
        """Queue what an event may have made garbage: the object itself, or what it owned."""
        last = states(event)[-1]
        if _owner_uids(last) and not isinstance(event, Deleted):
            self._queue.add(_Dependent(resource, ObjectKey.of(last)))
        # Not only of a Deleted: a quick successor of the same name shows as an update of another uid.
        gone = {view["metadata"]["uid"] for view in states(event)}
        if not isinstance(event, Deleted):
            gone.discard(last["metadata"]["uid"])
        for uid in gone:
            self._queue_dependents(uid)

    def _queue_dependents(self, uid: str) -> None:
        with self._lock:
            informers = list(self._informers.items())
        for resource, informer in informers:
            if not informer.has_synced:
                continue  # its objects will come as added, and be looked at for their owners then
            for dependent in informer.store.by_index(_OWNER_INDEX, uid):
                self._queue.add(_Dependent(resource, ObjectKey.of(dependent)))

    def _collect(self, dependent: _Dependent) -> None:
        informer = self._informers.get(dependent.resource)
        view = informer.store.peek(dependent.key) if informer is not None else None
        if view is None or view["metadata"].get("deletionTimestamp"):
            return
        references = view["metadata"].get("ownerReferences") or ()
        if not references or any(self._exists(reference, dependent.key.namespace) for reference in references):
            return
        uid = view["metadata"]["uid"]
        try:
            self._around.client.delete(dependent.resource, dependent.key, uid=uid, propagation="Background")
        except (NotFound, Conflict):
            return
        self._around.logger.info("garbage collected", resource=str(dependent.resource), object=str(dependent.key))

    def _exists(self, reference: View, namespace: str) -> bool:
        group = reference["apiVersion"].rpartition("/")[0]
        resource = self._kinds.get((group, reference["kind"]))
        if resource is None:
            # A type that was never served here: nobody can say that the owner is gone.
            return True
        key = ObjectKey(namespace if resource.namespaced else "", reference["name"])
        informer = self._informers.get(resource)
        cached = informer.store.peek(key) if informer is not None else None
        if cached is not None and cached["metadata"]["uid"] == reference["uid"]:
            return True
        try:
            live = self._around.client.get(resource, key)
        except NotFound:
            return False
        return bool(live["metadata"]["uid"] == reference["uid"])


class _Handler:
    def __init__(self, collector: GarbageCollector, resource: Resource) -> None:
        self._collector = collector
        self._resource = resource

    def __call__(self, event: Event) -> None:
        self._collector.see(self._resource, event)


def _owner_uids(view: View) -> tuple[str, ...]:
    return tuple(reference["uid"] for reference in view["metadata"].get("ownerReferences") or ())
