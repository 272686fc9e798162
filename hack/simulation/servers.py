"""The API server of the local cluster and doubles of the DittoFS server, called without sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import orjson
from kubernetes.client import Configuration

from hack.localcluster.apiserver import server as api_server_module
from hack.localcluster.apiserver.http import Handle, HttpServer, Request
from hack.localcluster.apiserver.options import Query as RequestQuery
from hack.localcluster.apiserver.server import ApiServer
from hack.localcluster.double import share_options
from hack.localcluster.double.process import Double
from hack.localcluster.double.state import Row
from hack.simulation.http import HttpRequest, HttpResponse
from informers.client import Client
from informers.errors import api_error
from informers.exchange import JSON
from informers.resource import Manifest, ObjectKey, Resource
from reconcilers.server.share_options import told_options
from reconcilers.share.restart import nfs_values, row_values

TOKEN = "simulated"
API_HOST, API_PORT = "kube-apiserver", 6443

#: What the cluster does not act upon.
_NOBODYS_BUSINESS = ("/apis/coordination.k8s.io/", "/apis/events.k8s.io/")

_HTTP_SERVER = "HttpServer"

#: A quiet watch gets a bookmark so often; clients wait for 70 s.
_BOOKMARK_INTERVAL_S = 55.0


class _Listener:
    """Stands for the API server's HTTP server: it only keeps the handler."""

    port = API_PORT

    def __init__(self, handle: Handle, *, port: int = 0) -> None:
        del port
        self.handle = handle


class ApiEndpoint:
    """The API server. `wrote` is called after each request that may have changed something."""

    name = "api"

    def __init__(self, wrote: Callable[[], None]) -> None:
        self._wrote = wrote
        listeners: list[_Listener] = []

        def listen(handle: Handle, *, port: int = 0) -> _Listener:
            listeners.append(_Listener(handle, port=port))
            return listeners[-1]

        real = HttpServer
        setattr(api_server_module, _HTTP_SERVER, listen)
        try:
            self.server = ApiServer(token=TOKEN, bookmark_interval_s=_BOOKMARK_INTERVAL_S)
        finally:
            setattr(api_server_module, _HTTP_SERVER, real)
        self._handle = listeners[0].handle

    def answer(self, request: HttpRequest) -> HttpResponse:
        """The answer to one request."""
        query: dict[str, str] = {}
        for key, value in parse_qsl(request.query, keep_blank_values=True):
            query.setdefault(key, value)
        response = self._handle(
            Request(
                method=request.method,
                path=request.path,
                query=RequestQuery(query),
                accept=request.headers.get("accept", ""),
                content_type=request.headers.get("content-type", ""),
                user_agent=request.headers.get("user-agent", ""),
                authorization=request.headers.get("authorization", ""),
                host=request.headers.get("host", ""),
                body=request.body,
            )
        )
        if request.writes and not request.path.startswith(_NOBODYS_BUSINESS):
            self._wrote()
        headers = {"Content-Type": response.content_type, **response.headers}
        return HttpResponse(response.code, response.body, response.stream, headers)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: object = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Manifest:
        """What `informers.exchange.Exchange.call` does, at once and undisturbed."""
        response = self._handle(
            Request(
                method=method,
                path=path,
                query=RequestQuery(dict(query or ())),
                accept=accept,
                content_type=content_type if body is not None else "",
                user_agent="cluster",
                authorization=f"Bearer {TOKEN}",
                host=API_HOST,
                body=b"" if body is None else orjson.dumps(body),
            )
        )
        is_json = response.content_type == JSON
        answer: Manifest = orjson.loads(response.body) if is_json and response.body else {}
        if not 200 <= response.code < 300:
            raise api_error(response.code, answer)
        if method != "GET":
            self._wrote()
        return answer


class DirectClient(Client):
    """The client of users and of the simulated cluster: no network lies between it and the API server."""

    def __init__(self, endpoint: ApiEndpoint) -> None:
        super().__init__(Configuration(host=f"http://{API_HOST}:{API_PORT}"), user_agent="cluster")
        self._exchange: Any = endpoint

    def delete_with(self, resource: Resource, key: ObjectKey, options: Manifest) -> None:
        """Delete with any DeleteOptions."""
        self._exchange.call("DELETE", resource.object_path(key, ""), body=options)


class DoubleEndpoint:
    """The REST API of one DittoFS server."""

    def __init__(self, instance: str, double: Double) -> None:
        self.name = f"dittofs {instance}"
        self.double = double
        #: By the share's id what it was loaded with, of what the server takes up only then.
        self.in_force: dict[str, Mapping[str, str]] = {}
        self._load()

    def answer(self, request: HttpRequest) -> HttpResponse:
        """The answer to one request."""
        # The paths of shares hold encoded slashes, and the double decodes them itself.
        answer = self.double.answer(
            request.method, request.raw_path, request.headers.get("authorization"), request.body
        )
        self._load()
        body = b"" if answer.status == HTTPStatus.NO_CONTENT else answer.body
        return HttpResponse(answer.status, body, headers=dict(answer.headers))

    def _load(self) -> None:
        for row in self.double.rows("shares").values():
            if row["id"] not in self.in_force:
                self.in_force[row["id"]] = waiting_values(row)


def waiting_values(row: Row) -> Mapping[str, str]:
    """What the `row` of a share says of the fields that a start takes up; defaults are left out."""
    return {**row_values(told_options(share_options.shown(row))), **nfs_values(row["nfs"])}
