"""The API server: puts the parts together and answers requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import orjson

from hack.localcluster.apiserver import discovery, openapi
from hack.localcluster.apiserver.admission import Admission
from hack.localcluster.apiserver.authentication import is_authorized, kubeconfig
from hack.localcluster.apiserver.bodies import duplicates, media_type, read_object, read_options
from hack.localcluster.apiserver.delete import Deleter
from hack.localcluster.apiserver.http import HttpServer, Request, Response
from hack.localcluster.apiserver.lifecycle import Lifecycle
from hack.localcluster.apiserver.metadata import timestamp
from hack.localcluster.apiserver.options import WriteOptions
from hack.localcluster.apiserver.patch import Patcher
from hack.localcluster.apiserver.read import Reader, collection_metadata, selection
from hack.localcluster.apiserver.registry import Registry
from hack.localcluster.apiserver.routes import is_resource_path, target_of
from hack.localcluster.apiserver.scale import scale_of
from hack.localcluster.apiserver.services import AddressAllocator, Services, sequential_addresses
from hack.localcluster.apiserver.shapes import Shape, shape_of
from hack.localcluster.apiserver.status import (
    Cause,
    PageNotFound,
    StatusError,
    bad_request,
    invalid_options,
    method_not_allowed,
    no_such_path,
    unauthorized,
)
from hack.localcluster.apiserver.storage import Storage
from hack.localcluster.apiserver.target import Target
from hack.localcluster.apiserver.watch import Watcher
from hack.localcluster.apiserver.write import Outcome, Writer

Object = dict[str, Any]

#: What there is in every new cluster.
_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_HEALTH = ("/healthz", "/livez", "/readyz")
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


class ApiServer:
    """A Kubernetes API server on 127.0.0.1, in this process, with its objects in memory.

    `watch_window` is how many changes of each resource are kept for watches and old lists; what is older is Expired.
    `service_address_allocator` gives each new Service its cluster address.
    """

    def __init__(
        self,
        *,
        token: str,
        watch_window: int = 1000,
        bookmark_interval_s: float = 5.0,
        service_address_allocator: AddressAllocator | None = None,
        port: int = 0,
    ) -> None:
        self._token = token
        self._storage = Storage(window=watch_window)
        self._registry = Registry()
        lifecycle = Lifecycle(storage=self._storage, registry=self._registry)
        admission = Admission(
            services=Services(service_address_allocator or sequential_addresses()),
            find_default_class=self._default_class,
            class_grows=self._class_grows,
        )
        self._writer = Writer(storage=self._storage, admission=admission, lifecycle=lifecycle)
        self._patcher = Patcher(storage=self._storage, writer=self._writer)
        self._deleter = Deleter(storage=self._storage, lifecycle=lifecycle)
        self._reader = Reader(self._storage)
        self._watcher = Watcher(
            storage=self._storage, bookmark_interval_s=bookmark_interval_s, is_served=self._is_served
        )
        self._stopping = False
        self._http = HttpServer(self._answer, port=port)
        self._create_namespaces()

    @property
    def url(self) -> str:
        """Where it listens: `http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._http.port}"

    @property
    def kubeconfig(self) -> Object:
        """A kubeconfig for this server, to be written as JSON or YAML."""
        return kubeconfig(self.url, self._token)

    def start(self) -> None:
        """Serve from now on."""
        self._http.start()

    def stop(self) -> None:
        """Serve no more: open watches end, connections are closed."""
        self._stopping = True
        self._storage.wake(closed=True)
        self._http.stop()

    def compact(self) -> None:
        """Forget the history: watches and continue tokens from before now are Expired."""
        self._storage.compact()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answer(self, request: Request) -> Response:
        try:
            return self._route(request)
        except PageNotFound as error:
            return Response(code=error.code, body=error.message.encode(), content_type="text/plain; charset=utf-8")
        except StatusError as error:
            return Response.json(error.body(), code=error.code)
        except Exception as error:  # noqa: BLE001 - a defect here must reach the client as a 500, not as a lost connection
            failed = StatusError(500, "InternalError", f"Internal error occurred: {type(error).__name__}: {error}")
            return Response.json(failed.body(), code=500)

    def _route(self, request: Request) -> Response:
        path = request.path
        if path.split("/", 2)[1] in [health.strip("/") for health in _HEALTH]:
            return Response(body=b"ok", content_type="text/plain; charset=utf-8")
        if path.rstrip("/") == "/version":
            return Response.json(discovery.VERSION)
        if not is_authorized(request.authorization, self._token):
            raise unauthorized()
        if path.startswith("/openapi/"):
            return self._openapi(request)
        if is_resource_path(path):
            return self._resource(request)
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed()
        return self._discovery(request)

    def _discovery(self, request: Request) -> Response:
        parts = request.path.strip("/").split("/")
        if parts[0] not in ("api", "apis"):
            raise PageNotFound
        if len(parts) == 1 and discovery.wants_aggregated(request.accept):
            body = orjson.dumps(discovery.aggregated(self._registry, legacy=parts[0] == "api"))
            return Response(body=body, content_type=discovery.AGGREGATED)
        found: Object | None
        match parts:
            case ["api"]:
                found = discovery.legacy_versions(request.host)
            case ["apis"]:
                found = discovery.group_list(self._registry)
            case ["api", version]:
                found = discovery.resource_list(self._registry, "", version)
            case ["apis", group]:
                found = discovery.group(self._registry, group)
            case [_, group, version]:
                found = discovery.resource_list(self._registry, group, version)
            case _:
                found = None
        if found is None:
            raise no_such_path() if parts[0] == "api" or self._registry.is_builtin(parts[1]) else PageNotFound
        return Response.json(found)

    def _openapi(self, request: Request) -> Response:
        match request.path.strip("/").split("/")[1:]:
            case ["v3"]:
                # the real server leaves the type of this one answer to be guessed
                body = orjson.dumps(openapi.index(self._registry))
                return Response(body=body, content_type="text/plain; charset=utf-8")
            case ["v3", "api", version]:
                body = openapi.document(self._registry, "", version)
            case ["v3", "apis", group, version]:
                body = openapi.document(self._registry, group, version)
            case _:
                body = b""
        return Response(body=body) if body else Response(code=404, content_type="")

    def _resource(self, request: Request) -> Response:
        if request.path.rstrip("/") == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
            return _review(request)
        target = target_of(self._registry, request.path)
        match (request.method, bool(target.name)):
            case ("GET" | "HEAD", True):
                return self._get(target, request)
            case ("GET" | "HEAD", False):
                return self._list(target, request)
            case ("POST", False):
                return self._create(target, request)
            case ("PUT", True):
                body, options = _sent(target, request), _options(request)
                return self._written(target, request, self._writer.replace(target, body, options))
            case ("PATCH", True):
                outcome = self._patcher.patch(
                    target,
                    media_type(request.content_type),
                    request.body,
                    _options(request),
                    named=bool(request.query.text("fieldManager")),
                )
                return self._written(target, request, outcome)
            case ("DELETE", named) if not target.subresource:
                return self._delete(target, request) if named else self._delete_collection(target, request)
            case _:
                raise method_not_allowed()

    def _get(self, target: Target, request: Request) -> Response:
        obj = self._reader.get(target, request.query)
        if target.subresource == "scale":
            return Response.json(scale_of(target.resource, obj))
        return Response.json(_shape(target, request).one(obj))

    def _list(self, target: Target, request: Request) -> Response:
        shape = _shape(target, request)
        if request.query.flag("watch"):
            events = self._watcher.stream(target, request.query, shape, stopping=lambda: self._stopping)
            return Response(stream=_lines(events))
        if request.query.flag("sendInitialEvents"):
            text = "Forbidden: sendInitialEvents is forbidden for list"
            raise invalid_options("ListOptions", Cause("sendInitialEvents", "FieldValueForbidden", text))
        return Response.json(self._reader.list(target, request.query, shape))

    def _create(self, target: Target, request: Request) -> Response:
        if target.resource.namespaced and not target.namespace:
            raise PageNotFound if target.resource.custom else method_not_allowed()
        body, options = _sent(target, request), _options(request)
        return self._written(target, request, self._writer.create(target, body, options))

    def _delete(self, target: Target, request: Request) -> Response:
        options = read_options(request.body, request.content_type)
        return Response.json(self._deleter.delete(target, options, request.query))

    def _delete_collection(self, target: Target, request: Request) -> Response:
        if target.resource.table == ("", "namespaces"):
            raise method_not_allowed()
        options = read_options(request.body, request.content_type)
        chosen = selection(target, request.query)
        gone = self._deleter.delete_collection(target.resource, target.namespace, chosen, options, request.query)
        return Response.json(_shape(target, request).many(gone, collection_metadata(target, self._storage.version)))

    def _written(self, target: Target, request: Request, outcome: Outcome) -> Response:
        shown = outcome.obj if target.subresource == "scale" else _shape(target, request).one(outcome.obj)
        twice = [f'duplicate field "{path}"' for path in _twice(request)]
        return Response.json(shown, code=outcome.code, warnings=(*twice, *outcome.warnings))

    def _is_served(self, target: Target) -> bool:
        resource = target.resource
        return self._registry.find(resource.group, resource.version, resource.plural) is resource

    def _default_class(self) -> str | None:
        _, classes = self._storage.snapshot(("storage.k8s.io", "storageclasses"))
        for (_, name), obj in sorted(classes.items()):
            if (obj["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true":
                return name
        return None

    def _class_grows(self, name: str) -> bool:
        _, classes = self._storage.snapshot(("storage.k8s.io", "storageclasses"))
        return bool(classes.get(("", name), {}).get("allowVolumeExpansion"))

    def _create_namespaces(self) -> None:
        resource = self._registry.find("", "v1", "namespaces")
        if resource is None:
            raise LookupError("namespaces are built in")
        options = WriteOptions(manager="kube-apiserver", dry_run=False, validation="Strict", force=False)
        for name in _NAMESPACES:
            self._writer.create(Target(resource), {"metadata": {"name": name}}, options)


def _sent(target: Target, request: Request) -> Object:
    """The object in the body of a POST or PUT."""
    kind = "Scale" if target.subresource == "scale" else target.resource.kind
    requires_type = target.resource.custom is not None and target.subresource != "scale"
    body = read_object(request.body, request.content_type, kind=kind, requires_type=requires_type)
    if request.query.text("fieldValidation") == "Strict" and (twice := _twice(request)):
        listed = ", ".join(f'duplicate field "{path}"' for path in twice)
        version = str(body.get("apiVersion") or target.resource.version).rsplit("/", 1)[-1]
        text = f'{kind} in version "{version}" cannot be handled as a {kind}: strict decoding error: {listed}'
        raise bad_request(text)
    return body


def _twice(request: Request) -> list[str]:
    """The fields that stand twice in a body that is looked at for that."""
    if media_type(request.content_type) != "application/json" or request.query.text("fieldValidation") == "Ignore":
        return []
    return duplicates(request.body)


def _options(request: Request) -> WriteOptions:
    names = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}
    return WriteOptions.of(request.query, options=names[request.method], user_agent=request.user_agent)


def _shape(target: Target, request: Request) -> Shape:
    return shape_of(target.resource, request.accept, request.query.text("includeObject"))


def _lines(events: Iterator[Object]) -> Iterator[bytes]:
    for event in events:
        yield orjson.dumps(event) + b"\n"


def _review(request: Request) -> Response:
    """Everybody with the token may do everything: access control is not simulated."""
    if request.method != "POST":
        raise method_not_allowed()
    body = read_object(request.body, request.content_type)
    review = {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {"creationTimestamp": timestamp()},
        "spec": body.get("spec") or {},
        "status": {"allowed": True},
    }
    return Response.json(review, code=201)
