"""The one door to the API server: plain dicts in and out, a timeout on every call, one tree of exceptions.

Built on `kubernetes.client.ApiClient` without its models and without its (and urllib3's) hidden retries: who retries
is decided by the caller, except for one repetition after a 401, since bound tokens are replaced while in use.
"""

from __future__ import annotations

import copy
import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn, Protocol
from urllib.parse import quote, urlsplit

import orjson
import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException

from informers.clock import Clock, SystemClock
from informers.connections import TRANSPORT_ERRORS, explain, make_interruptible
from informers.errors import BadRequest, ConfigurationError, Garbled, Unreachable, api_error
from informers.gate import WriteGate
from informers.resource import Manifest, ObjectKey, Resource
from informers.view import thaw
from informers.watch import WatchStream

#: How long opening a connection may take.
CONNECT_TIMEOUT_S = 5.0

#: The longest silence on a watch: kube-apiserver sends bookmarks about once a minute.
WATCH_READ_TIMEOUT_S = 70.0

#: Connections kept open per host: each watch holds one, each worker uses one.
POOL_SIZE = 64

JSON = "application/json"
APPLY_PATCH = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
METADATA_LIST = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
METADATA_OBJECT = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

Query = list[tuple[str, str]]
Operations = list[dict[str, Any]]


class ClientMetrics(Protocol):
    """Counts requests, as rest_client_requests_total does."""

    def request(self, *, code: str, method: str, host: str) -> None:
        """One request was answered with HTTP `code`, or "<error>" when there was no answer."""


@dataclass(frozen=True, slots=True)
class ObjectList:
    """One page of a list; `continue_token` asks for the next one and is empty on the last."""

    items: list[Manifest]
    resource_version: str
    continue_token: str


class Client:
    """Calls of the API server. Threads may share it; every method raises only `ClientError`s.

    `timeout_s` is the longest silence within an answer; `gate` is asked before every write.
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
    ) -> None:
        own = copy.copy(configuration)
        own.retries = False  # a replayed PUT ends in a false conflict
        own.client_go_retries = False
        own.keep_alive = True
        own.connection_pool_maxsize = POOL_SIZE
        if not own.verify_ssl:
            # The kubeconfig asks for it: a warning with every request would bury what else is logged.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._configuration = own
        self._api = ApiClient(own)
        self._api.user_agent = user_agent
        make_interruptible(self._api.rest_client.pool_manager)
        # A server's URL may hold a password: what comes before the @ is nobody's business but the connection's.
        self._host = urlsplit(own.host).netloc.rpartition("@")[2]
        self._timeout_s = timeout_s
        self._gate = gate
        self._metrics = metrics
        self._clock = clock or SystemClock()

    def get(self, resource: Resource, key: ObjectKey) -> Manifest:
        """The object named `key`, read from the API server."""
        return self._call("GET", _path(resource, key))

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
        answer = self._call("GET", _collection(resource, namespace, all_namespaces=True), query=query, accept=accept)
        if "items" not in answer:
            raise Garbled(f"the answer to a list of {resource} is a {answer.get('kind') or 'thing'} without items")
        metadata = answer.get("metadata") or {}
        return ObjectList(
            items=answer["items"] or [],
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
    ) -> WatchStream:
        """The changes after `resource_version`, with bookmarks, for `timeout_s` seconds (then the server ends it).

        Nothing is sent before the first `next`. Silence of `read_timeout_s` raises `Unreachable`.
        """
        query = _query(
            watch="true",
            allowWatchBookmarks="true",
            timeoutSeconds=str(timeout_s),
            resourceVersion=resource_version,
            labelSelector=label_selector,
            fieldSelector=field_selector,
        )
        path = _collection(resource, namespace, all_namespaces=True)
        accept = METADATA_OBJECT if metadata_only else JSON

        def send() -> urllib3.BaseHTTPResponse:
            return self._send("GET", path, query=query, accept=accept, read_timeout_s=read_timeout_s)

        return WatchStream(send, timeout_s=timeout_s, description=f"the watch of {resource}")

    def create(self, resource: Resource, manifest: Manifest, *, field_manager: str) -> Manifest:
        """Makes a new object; `AlreadyExists` when there is one of that name."""
        path = _collection(resource, manifest["metadata"].get("namespace") or "")
        return self._write("POST", path, manifest, query=_query(fieldManager=field_manager))

    def replace(self, resource: Resource, manifest: Manifest) -> Manifest:
        """Writes the whole object; with a resourceVersion in `manifest`, `Conflict` when it has changed since."""
        return self._write("PUT", _path(resource, ObjectKey.of(manifest)), manifest)

    def apply(
        self, resource: Resource, manifest: Manifest, *, field_manager: str, force: bool, subresource: str = ""
    ) -> Manifest:
        """Server-side apply of `manifest`; without `force`, `Conflict` when others own a field with another value."""
        query = _query(fieldManager=field_manager, force="true" if force else "false")
        path = _path(resource, ObjectKey.of(manifest), subresource)
        return self._write("PATCH", path, manifest, query=query, content_type=APPLY_PATCH)

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
        return self._write("PATCH", _path(resource, key, subresource), operations, query=query, content_type=JSON_PATCH)

    def merge_patch(
        self, resource: Resource, key: ObjectKey, patch: dict[str, Any], *, field_manager: str, subresource: str = ""
    ) -> Manifest:
        """RFC 7386: null removes a field, lists are replaced."""
        query = _query(fieldManager=field_manager)
        return self._write("PATCH", _path(resource, key, subresource), patch, query=query, content_type=MERGE_PATCH)

    def delete(
        self, resource: Resource, key: ObjectKey, *, uid: str | None = None, propagation: str = "Background"
    ) -> None:
        """Asks for deletion; with `uid`, `Conflict` when the name belongs to another object by now."""
        options: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        self._write("DELETE", _path(resource, key), options)

    def raw_get(self, path: str) -> Manifest:
        """The JSON at `path` of the API server, such as "/version" or discovery."""
        return self._call("GET", path)

    def close(self) -> None:
        """Closes the idle connections; those in use end with their calls."""
        self._api.close()  # type: ignore[no-untyped-call]

    def _write(
        self,
        method: str,
        path: str,
        body: object,
        *,
        query: Query | None = None,
        content_type: str = JSON,
    ) -> Manifest:
        return self._call(method, path, query=query, body=thaw(body), content_type=content_type)

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Manifest:
        response = self._send(
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            accept=accept,
            read_timeout_s=self._timeout_s,
        )
        data = _read(response, f"{method} {path}")
        if not data:
            return {}
        answer = _decode(data)
        if answer is None:
            raise Garbled(f"the answer to {method} {path} is no JSON object")
        return answer

    def _send(
        self,
        method: str,
        path: str,
        *,
        read_timeout_s: float,
        query: Query | None = None,
        body: object = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> urllib3.BaseHTTPResponse:
        """Sends one request (once more after a 401) and gives the open answer, which is a 2xx; raises otherwise."""
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
            if content_type == APPLY_PATCH:
                body = orjson.dumps(body)  # under JSON types the client insists on encoding by itself
        timeout = (min(CONNECT_TIMEOUT_S, read_timeout_s), read_timeout_s)
        response = self._attempt(method, path, query, headers, body, timeout)
        if response.status == http.HTTPStatus.UNAUTHORIZED and self._renew_credentials():
            _read(response, f"{method} {path}")
            response = self._attempt(method, path, query, headers, body, timeout)
        if not 200 <= response.status < 300:
            self._raise(response, f"{method} {path}")
        return response

    def _attempt(
        self,
        method: str,
        path: str,
        query: Query | None,
        headers: Mapping[str, str],
        body: object,
        timeout: tuple[float, float],
    ) -> urllib3.BaseHTTPResponse:
        try:
            request = self._api.param_serialize(
                method,
                path,
                query_params=query or [],
                header_params=dict(headers),
                body=body,
                auth_settings=["BearerToken"],
            )
        except (ConfigurationError, ConfigException, OSError) as error:
            raise Unreachable(f"no credentials for {method} {path}: {explain(error)}") from error
        if method != "GET" and self._gate is not None:
            self._gate.check()
        try:
            answer = self._api.call_api(*request, _request_timeout=timeout)
        except (*TRANSPORT_ERRORS, ApiException, ValueError) as error:
            self._count(method, "<error>")
            # the client wraps what TLS raises in an exception of its own
            cause = error.__context__ if isinstance(error, ApiException) else None
            raise Unreachable(f"{method} {path}: {explain(cause or error)}") from error
        response: urllib3.BaseHTTPResponse = answer.response
        self._count(method, str(response.status))
        return response

    def _renew_credentials(self) -> bool:
        renew = getattr(self._configuration.refresh_api_key_hook, "renew", None)
        if renew is None:
            return False
        try:
            renew(self._configuration)
        except ConfigurationError:
            return False
        return True

    def _raise(self, response: urllib3.BaseHTTPResponse, what: str) -> NoReturn:
        status = _decode(_read(response, what)) or {}
        retry_after_s = self._retry_after_s(response.headers.get("Retry-After"))
        raise api_error(response.status, status, retry_after_s=retry_after_s)

    def _retry_after_s(self, value: str | None) -> float | None:
        """Seconds, from either of the two forms of RFC 9110 10.2.3."""
        if value is None:
            return None
        if value.strip().isdigit():
            return float(value)
        try:
            return max(0.0, (parsedate_to_datetime(value) - self._clock.now()).total_seconds())
        except (ValueError, TypeError):
            return None

    def _count(self, method: str, code: str) -> None:
        if self._metrics is not None:
            self._metrics.request(code=code, method=method, host=self._host)


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


def _read(response: urllib3.BaseHTTPResponse, what: str) -> bytes:
    try:
        return response.data
    except TRANSPORT_ERRORS as error:
        raise Unreachable(f"{what}: the answer broke off: {explain(error)}") from error


def _decode(data: bytes) -> Manifest | None:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
