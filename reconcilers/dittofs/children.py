"""Brings the children of an instance to what is wanted: each is applied if it is ours, and left alone if it is not."""

from __future__ import annotations

import hashlib
import threading

import orjson

from informers.apply import Applied, Outcome
from informers.clock import Clock
from informers.errors import Invalid, NotFound
from informers.resource import Manifest, ObjectKey, Resource, View
from reconcilers import names
from reconcilers.access import ApiClient, Applier
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import PERSISTENT_VOLUME_CLAIM, STATEFUL_SET
from reconcilers.builders.children import Child, unwanted_children
from reconcilers.builders.claims import claimed
from reconcilers.builders.inputs import ObservedClaim
from reconcilers.dittofs.caches import DittoFSCaches
from reconcilers.dittofs.facts import PodFacts, Problem, pod_facts
from reconcilers.dittofs.growth import Growth
from reconcilers.dittofs.observe import is_marked_lost, observed_claim
from reconcilers.dittofs.ownership import Whose, whose
from reconcilers.dittofs.report import Report, first_line
from reconcilers.dittofs.reset import reset_operations


class Children:
    """Applies children, and knows which changes are its own. Safe for many threads, for different instances."""

    def __init__(self, *, caches: DittoFSCaches, client: ApiClient, applier: Applier, clock: Clock) -> None:
        self._caches = caches
        self._client = client
        self._applier = applier
        self._growth = Growth(applier=applier, clock=clock)
        self._lock = threading.Lock()
        #: By uid of the instance, for each child a digest of what was last wanted: tells drift from a new wish.
        self._wanted: dict[str, dict[str, bytes]] = {}
        #: By uid of the instance, the StatefulSet after our last write, and the version of it that we acted on.
        self._written: dict[str, tuple[str, View]] = {}

    def observed_claims(self, instance: DittoFS) -> dict[str, ObservedClaim]:
        """What the claims of `instance` have that exist."""
        keys = {name: child_key(instance, name) for name, _ in claimed(instance)}
        views = {name: self._caches.claims.get(key) for name, key in keys.items()}
        if any(views.values()):
            # One without its labels is in no cache: only the API server knows whether it is really lost.
            views = {name: view or self._read(PERSISTENT_VOLUME_CLAIM, keys[name]) for name, view in views.items()}
        found = {}
        for name, storage in claimed(instance):
            view = views[name]
            if view is not None:
                specified = storage.storage_class_name is not None
                found[name] = observed_claim(view, class_is_specified=specified)
        return found

    def apply(self, instance: DittoFS, child: Child, report: Report, *, first: bool) -> None:
        """Make `child` as wanted. `first`: nothing was made for this instance before, so what is there is adopted."""
        with report.step(str(child)):
            live = self._live(child)
            if live is not None:
                match whose(child.resource, live, instance):
                    case Whose.FOREIGN:
                        report.conflicts.append(str(child))
                        return
                    case Whose.LEAVING:
                        report.leaving.append(str(child))
                        return
                    case Whose.OURS:
                        pass
            elif child.resource == STATEFUL_SET and self._has_foreign_claim(instance, report):
                return  # Its pod would write into somebody else's volume.
            elif is_marked_lost(child.manifest) and (report.failures or report.stale or report.leaving):
                return  # Only once the Services lead nowhere.
            try:
                applied = self._ensure(instance, child, live, report)
            except Invalid as error:
                if child.resource != STATEFUL_SET:
                    raise
                report.config_problems.append(Problem("PodTemplateInvalid", first_line(error.message)))
                return
            report.children[child.resource, child.key] = self._newest(instance, child, live, applied)
            if first and live is not None and child.resource == PERSISTENT_VOLUME_CLAIM:
                report.adopted.append(child.key.name)
            self._tell(instance, child, applied, report)

    def remove_unwanted(self, instance: DittoFS, report: Report) -> None:
        """Delete the children of ours that a disabled part has no longer."""
        for resource, key in unwanted_children(instance):
            view = self._caches.of(resource).get(key)
            if view is None or whose(resource, view, instance) is not Whose.OURS:
                continue
            what = f"{resource.kind} {key.name}"
            with report.step(what):
                try:
                    self._client.delete(resource, key, uid=view["metadata"]["uid"])
                except NotFound:
                    continue
                report.removed.append(what)
            self._knows(instance).pop(what, None)

    def forget(self, uid: str) -> None:
        """Drop what was remembered of an instance that is gone."""
        with self._lock:
            self._wanted.pop(uid, None)
            self._growth.forget(uid)
            self._written.pop(uid, None)

    def _has_foreign_claim(self, instance: DittoFS, report: Report) -> bool:
        return any(report.is_foreign(PERSISTENT_VOLUME_CLAIM, name) for name, _ in claimed(instance))

    def _live(self, child: Child) -> View | None:
        # The caches hold our own labelled objects only: somebody else's of this name is seen live alone.
        return self._caches.of(child.resource).get(child.key) or self._read(child.resource, child.key)

    def _read(self, resource: Resource, key: ObjectKey) -> View | None:
        try:
            return self._client.get(resource, key)
        except NotFound:
            return None

    def _ensure(self, instance: DittoFS, child: Child, live: View | None, report: Report) -> Applied:
        if child.resource == PERSISTENT_VOLUME_CLAIM and live is not None:
            return self._growth.ensure(instance.metadata.uid, child, live, report)
        try:
            return self._applier.ensure(child.resource, child.manifest, live)
        except Invalid:
            operations = [] if live is None else reset_operations(child.manifest, live)
            if not operations:
                raise
        reset = self._client.json_patch(child.resource, child.key, operations, field_manager=names.FIELD_MANAGER)
        applied = self._applier.ensure(child.resource, child.manifest, reset)
        changed = ", ".join(operation["path"].strip("/").replace("/", ".") for operation in operations[1:])
        return Applied(Outcome.UPDATED, applied.object, f"{changed} differs")

    def _newest(self, instance: DittoFS, child: Child, live: View | None, applied: Applied) -> View:
        """The child as it is: while the cache still shows what we acted on, a rollout would else look finished."""
        if child.resource != STATEFUL_SET or live is None:
            return applied.object
        version, uid = str(live["metadata"]["resourceVersion"]), instance.metadata.uid
        with self._lock:
            if applied.outcome in (Outcome.CREATED, Outcome.UPDATED):
                self._written[uid] = (version, applied.object)
            acted_on, written = self._written.get(uid, ("", applied.object))
        return written if acted_on == version else applied.object

    def _tell(self, instance: DittoFS, child: Child, applied: Applied, report: Report) -> None:
        what, wanted = str(child), _digest(child.manifest)
        known = self._knows(instance)
        before, known[what] = known.get(what), wanted
        match applied.outcome:
            case Outcome.UNCHANGED:
                pass
            case Outcome.CONTESTED:
                report.contested.append(f"{what}: {applied.opponent or applied.reason}")
            case Outcome.CREATED if before is None:
                report.created.append(what)
            case Outcome.CREATED:
                report.repaired.append(f"{what} (was gone)")
            case Outcome.UPDATED if before == wanted:
                report.repaired.append(f"{what} ({applied.reason})")
            case Outcome.UPDATED:
                report.updated.append(what)

    def _knows(self, instance: DittoFS) -> dict[str, bytes]:
        with self._lock:
            return self._wanted.setdefault(instance.metadata.uid, {})


def _digest(manifest: Manifest) -> bytes:
    return hashlib.blake2b(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def cached_child(caches: DittoFSCaches, report: Report, resource: Resource, key: ObjectKey) -> View | None:
    """A child as this pass left it, or else as its cache has it."""
    return report.children.get((resource, key)) or caches.of(resource).get(key)


def cached_pod(caches: DittoFSCaches, instance: DittoFS) -> PodFacts | None:
    """What is known of the one pod of `instance`; None when there is none."""
    return pod_facts(caches.pods.get(child_key(instance, names.pod(instance.metadata.name))))


def child_key(instance: DittoFS, name: str) -> ObjectKey:
    """The key of the child of `instance` with this `name`."""
    return ObjectKey(instance.metadata.namespace, name)
