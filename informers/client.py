"""The one door to the API server: plain dicts in and out, a timeout on every call, one tree of exceptions.

Each method is one request, sent by `informers.exchange`.
"""

from __future__ import annotations

import http
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import urllib3
from kubernetes.client import Configuration

from informers.clock import Clock
from informers.errors import BadRequest, Garbled
from informers.exchange import APPLY_PATCH, JSON, ClientMetrics, Exchange, Query
from informers.gate import WriteGate
from informers.resource import Manifest, ObjectKey, Resource
from informers.streamed import StreamedLists
from informers.view import thaw
from informers.watch import WatchStream
from informers.writes import note

#: The longest silence on a watch: kube-apiserver sends bookmarks about once a minute.
WATCH_READ_TIMEOUT_S = 70.0

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
METADATA_LIST = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
METADATA_OBJECT = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

Operations = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ObjectList:
    """One page of a list; `continue_token` asks for the next one and is empty on the last."""

    items: list[Manifest]
    resource_version: str
    continue_token: str


class Client:
    """Calls of the API server. Threads may share it; every method raises only `ClientError`s.

    `timeout_s` is the longest silence within an answer; `gate` is asked before every write. With `dry_run` every write
    is only rehearsed by the API server (`dryRun=All`): its answer is what it would be, and nothing changes.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        user_agent: str,
        timeout_s: float = 30.0,
        gate: WriteGate | None = None,
        metrics: ClientMetrics | None = None,
        clock: Clock | None = None,
        dry_run: bool = False,
    ) -> None:
        self._dry_run = dry_run
        self._exchange = Exchange(
            configuration, user_agent=user_agent, timeout_s=timeout_s, gate=gate, metrics=metrics, clock=clock
        )
        self.streamed_lists = StreamedLists()

    def get(self, resource: Resource, key: ObjectKey) -> Manifest:
        """The object named `key`, read from the API server."""
        return self._exchange.call("GET", _path(resource, key))

    def list(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 500,
        continue_token: str = "",
        resource_version: str = "",
        metadata_only: bool = False,
    ) -> ObjectList:
        """One page of at most `limit` objects (0: all); with a `continue_token` the version is that of page one."""
        query = _query(
            labelSelector=label_selector,
            fieldSelector=field_selector,
            limit=str(limit) if limit else "",
            resourceVersion="" if continue_token else resource_version,
        )
        if continue_token:
            query.append(("continue", continue_token))
        accept = METADATA_LIST if metadata_only else JSON
        answer = self._exchange.call(
            "GET", _collection(resource, namespace, all_namespaces=True), query=query, accept=accept
        )
        items = answer.get("items", ()) or []  # null is how Go writes none
        metadata = answer.get("metadata") or {}
        if not isinstance(items, list) or not isinstance(metadata, dict) or "items" not in answer:
            raise Garbled(f"the answer to a list of {resource} is a {answer.get('kind') or 'thing'} without items")
        return ObjectList(
            items=items,
            resource_version=metadata.get("resourceVersion") or "",
            continue_token=metadata.get("continue") or "",
        )

    def watch(
        self,
        resource: Resource,
        *,
        resource_version: str,
        timeout_s: int,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
        read_timeout_s: float = WATCH_READ_TIMEOUT_S,
        send_initial_events: bool = False,
        progress: Callable[[], None] = lambda: None,
    ) -> WatchStream:
        """The changes after `resource_version`, with bookmarks, for `timeout_s` seconds (then the server ends it).

        With `send_initial_events` all that there is comes first, not older than `resource_version`, as events of type
        ADDED, up to a bookmark for which `informers.streamed.ends_initial_events` holds (a streamed list).
        Nothing is sent before the first `next`. Silence of `read_timeout_s` raises `Silent`; `progress` is told of
        whatever comes (see `WatchStream`).
        """
        query = _query(
            watch="true",
            allowWatchBookmarks="true",
            timeoutSeconds=str(timeout_s),
            resourceVersion=resource_version,
            labelSelector=label_selector,
            fieldSelector=field_selector,
            sendInitialEvents="true" if send_initial_events else "",
            resourceVersionMatch="NotOlderThan" if send_initial_events else "",
        )
        path = _collection(resource, namespace, all_namespaces=True)
        accept = METADATA_OBJECT if metadata_only else JSON

        def send() -> urllib3.BaseHTTPResponse:
            return self._exchange.open("GET", path, query=query, accept=accept, read_timeout_s=read_timeout_s)

        return WatchStream(send, timeout_s=timeout_s, description=f"the watch of {resource}", progress=progress)

    def create(self, resource: Resource, manifest: Manifest, *, field_manager: str) -> Manifest:
        """Makes a new object; `AlreadyExists` when there is one of that name."""
        path = _collection(resource, manifest["metadata"].get("namespace") or "")
        answer = self._write("POST", path, manifest, query=_query(fieldManager=field_manager))
        return _noted(resource, None, answer)

    def replace(self, resource: Resource, manifest: Manifest) -> Manifest:
        """Writes the whole object; with a resourceVersion in `manifest`, `Conflict` when it has changed since."""
        key = ObjectKey.of(manifest)
        return _noted(resource, key, self._write("PUT", _path(resource, key), manifest))

    def apply(
        self, resource: Resource, manifest: Manifest, *, field_manager: str, force: bool, subresource: str = ""
    ) -> Manifest:
        """Server-side apply of `manifest`; without `force`, `Conflict` when others own a field with another value."""
        query = _query(fieldManager=field_manager, force="true" if force else "false")
        key = ObjectKey.of(manifest)
        path = _path(resource, key, subresource)
        return _noted(resource, key, self._write("PATCH", path, manifest, query=query, content_type=APPLY_PATCH))

    def json_patch(
        self,
        resource: Resource,
        key: ObjectKey,
        operations: Operations,
        *,
        field_manager: str,
        subresource: str = "",
    ) -> Manifest:
        """RFC 6902; a failed `test` operation raises `Invalid`."""
        query = _query(fieldManager=field_manager)
        path = _path(resource, key, subresource)
        return _noted(resource, key, self._write("PATCH", path, operations, query=query, content_type=JSON_PATCH))

    def merge_patch(
        self, resource: Resource, key: ObjectKey, patch: dict[str, Any], *, field_manager: str, subresource: str = ""
    ) -> Manifest:
        """RFC 7386: null removes a field, lists are replaced."""
        query = _query(fieldManager=field_manager)
        path = _path(resource, key, subresource)
        return _noted(resource, key, self._write("PATCH", path, patch, query=query, content_type=MERGE_PATCH))

    def delete(
        self, resource: Resource, key: ObjectKey, *, uid: str | None = None, propagation: str = "Background"
    ) -> None:
        """Asks for deletion; with `uid`, `Conflict` when the name belongs to another object by now."""
        options: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        _noted(resource, key, self._write("DELETE", _path(resource, key), options), deleted=True)

    def raw_get(self, path: str) -> Manifest:
        """The JSON at `path` of the API server, such as "/version" or discovery."""
        return self._exchange.call("GET", path)

    def close(self) -> None:
        """Closes the idle connections; those in use end with their calls."""
        self._exchange.close()

    def _write(
        self,
        method: str,
        path: str,
        body: object,
        *,
        query: Query | None = None,
        content_type: str = JSON,
    ) -> Manifest:
        parameters = [*(query or ()), *_query(dryRun="All" if self._dry_run else "")]
        return self._exchange.call(method, path, query=parameters, body=thaw(body), content_type=content_type)


def _noted(resource: Resource, key: ObjectKey | None, answer: Manifest, *, deleted: bool = False) -> Manifest:
    note(resource, key, answer, deleted=deleted)
    return answer


def _query(**parameters: str) -> Query:
    return [(name, value) for name, value in parameters.items() if value]


def _collection(resource: Resource, namespace: str, *, all_namespaces: bool = False) -> str:
    if resource.namespaced and not (namespace == "" and all_namespaces):
        namespace = _segment("namespace", namespace)
    return resource.collection_path(namespace)


def _path(resource: Resource, key: ObjectKey, subresource: str = "") -> str:
    namespace = _segment("namespace", key.namespace) if resource.namespaced else ""
    return resource.object_path(ObjectKey(namespace, _segment("name", key.name)), subresource)


def _segment(what: str, value: str) -> str:
    """`value` for use in a path: a name out of a user's object must not become another address."""
    if value in ("", ".", "..") or "/" in value or "%" in value:
        raise BadRequest(http.HTTPStatus.BAD_REQUEST, "BadRequest", f"{value!r} is no {what} of an object")
    return quote(value, safe=":")
