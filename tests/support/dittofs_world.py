"""What a DittoFS reconciler lives in: the API server of hack/, caches as fresh as each pass, a server that can start.

Pods are made by hand, so that each test decides how far the world is.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import structlog
import yaml
from kubernetes.client import Configuration

from hack.localcluster.apiserver.server import ApiServer
from hack.localcluster.double.process import DoubleServer
from informers.apply import Applier
from informers.client import Client
from informers.clock import Clock
from informers.errors import AlreadyExists, NotFound
from informers.exchange import Exchange
from informers.projection import Projection
from informers.resource import Manifest, ObjectKey, Resource, View
from informers.result import Result
from informers.store import Store
from reconcilers import names
from reconcilers.api import resources
from reconcilers.api.resources import (
    CONFIG_MAP,
    DITTOFS,
    DITTOFS_BACKUP,
    DITTOFS_SHARE,
    NETWORK_POLICY,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    POSTGRES_CLUSTER,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    SERVICE_MONITOR,
    STATEFUL_SET,
)
from reconcilers.dittofs.caches import DITTOFS_INDEXERS, DittoFSCaches
from reconcilers.dittofs.reconciler import DittoFSReconciler
from reconcilers.server.credentials import CredentialsSource
from reconcilers.server.http import HttpTransport, Transport
from reconcilers.server.session import Credentials, ServerSession, Sessions
from reconcilers.server.tls import Tls
from reconcilers.share.caches import SHARE_INDEXERS
from tests.support.clock import FakeClock

NAMESPACE = "storage"
DEMO = ObjectKey(NAMESPACE, "demo")
CRDS = Path(__file__).parents[2] / "manifests" / "crds"
DEFINITIONS = Path(__file__).parent / "definitions"
POLL_S = 30.0
CRD = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
USER = "somebody-else"


@dataclass
class Recorder:
    events: list[tuple[str, str]] = field(default_factory=list)

    def normal(self, regarding: View, reason: str, note: str, action: str = "Reconcile") -> None:
        self.events.append((reason, note))

    def warning(self, regarding: View, reason: str, note: str, action: str = "Reconcile") -> None:
        self.events.append((reason, note))

    def reasons(self) -> list[str]:
        return [reason for reason, _ in self.events]

    def note(self, reason: str) -> str:
        return next(note for found, note in self.events if found == reason)


class CountingExchange(Exchange):
    """The real exchange; remembers what was sent to which object, and fails writes to those in `refused`."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration, user_agent="operator", timeout_s=30.0)
        self.requests: list[str] = []
        #: By the end of a path, what every write to it raises.
        self.refused: dict[str, Exception] = {}
        #: What every request raises, while it is set.
        self.outage: Exception | None = None
        #: By the end of a path, what somebody else does just before the first write to it arrives.
        self.meanwhile: dict[str, Callable[[], None]] = {}

    def open(self, method: str, path: str, **options: Any) -> Any:
        self.requests.append(f"{method} {path}")
        if self.outage is not None:
            raise self.outage
        if method != "GET":
            self._before_write(path.partition("?")[0])
        return super().open(method, path, **options)

    def _before_write(self, path: str) -> None:
        for ending in [ending for ending in self.meanwhile if path.endswith(ending)]:
            self.meanwhile.pop(ending)()
        for ending, error in self.refused.items():
            if path.endswith(ending):
                raise error


class CountingClient(Client):
    """The real client over a `CountingExchange`."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration, user_agent="operator")
        self._exchange.close()
        self._exchange = exchange = CountingExchange(configuration)
        self.requests, self.refused = exchange.requests, exchange.refused
        self.exchange = exchange


class World:
    def __init__(self, server: ApiServer, directory: Path, clock: FakeClock) -> None:
        self.url = server.url
        configuration = Configuration(host=server.url)
        configuration.api_key["authorization"] = "Bearer token"
        self.clock = clock
        self.client = Client(configuration, user_agent="test")
        self.operator = CountingClient(configuration)
        self.recorder = Recorder()
        self.directory = directory
        self.server: DoubleServer | None = None
        self._starts = 0
        logger = structlog.get_logger()
        self.stores: dict[Resource, Store] = {
            resource: Store(indexers=_INDEXERS.get(resource), logger=logger) for resource in _WATCHED
        }
        self.calls: list[str] = []
        #: How somebody with the right certificates reaches the server by TLS.
        self.tls: Tls | None = None
        self.sessions = Sessions(clock=clock, transport_factory=self._transport)
        #: Types that this cluster does not have.
        self.absent: set[Resource] = {POSTGRES_CLUSTER, SERVICE_MONITOR}
        self.reconciler = self.restarted()
        self.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        for definition in _definitions():
            self.create(CRD, definition)

    def restarted(self) -> DittoFSReconciler:
        """A reconciler that remembers nothing, as after a restart of the operator."""
        self.reconciler = DittoFSReconciler(
            caches=DittoFSCaches(
                dittofs=self.stores[DITTOFS],
                shares=self.stores[DITTOFS_SHARE],
                backups=self.stores[DITTOFS_BACKUP],
                config_maps=self.stores[CONFIG_MAP],
                secrets=self.stores[SECRET],
                service_accounts=self.stores[SERVICE_ACCOUNT],
                network_policies=self.stores[NETWORK_POLICY],
                claims=self.stores[PERSISTENT_VOLUME_CLAIM],
                stateful_sets=self.stores[STATEFUL_SET],
                services=self.stores[SERVICE],
                pods=self.stores[POD],
                postgres_clusters=_OptionalStore(self, POSTGRES_CLUSTER),
                service_monitors=_OptionalStore(self, SERVICE_MONITOR),
            ),
            client=self.operator,
            applier=Applier(self.operator, names.FIELD_MANAGER, clock=self.clock),
            recorder=self.recorder,
            sessions=self.sessions,
            credentials=CredentialsSource(self.operator, self.stores[SECRET]),
            clock=self.clock,
            poll_interval_s=POLL_S,
        )
        return self.reconciler

    def install(self, resource: Resource) -> None:
        """Somebody else's operator brings a type to this cluster."""
        definition = yaml.load((DEFINITIONS / f"{resource.plural}.yaml").read_text(), Loader=yaml.CSafeLoader)
        self.create(CRD, definition)
        self.absent.discard(resource)

    # --- what the operator does

    def reconcile(self, *, sync: bool = True) -> Result:
        """One pass, on caches that show the present."""
        if sync:
            self.sync()
        return self.reconciler.reconcile(DEMO)

    def sync(self) -> None:
        for resource, store in self.stores.items():
            if resource in self.absent:
                continue
            metadata_only = resource == SECRET
            selector = names.MANAGED_SELECTOR if resource in _FILTERED else ""
            page = self.client.list(resource, metadata_only=metadata_only, label_selector=selector)
            projection = Projection(resource, metadata_only=metadata_only, field_manager=names.FIELD_MANAGER)
            store.replace([projection.view(item) for item in page.items], page.resource_version)

    def requests_of(self, *, passes: int = 1) -> list[str]:
        """What is sent in so many passes."""
        self.operator.requests.clear()
        for _ in range(passes):
            self.reconcile()
        return list(self.operator.requests)

    # --- what others do

    def create(self, resource: Resource, manifest: Manifest) -> Manifest:
        head = {"apiVersion": resource.api_version, "kind": resource.kind}
        return self.client.create(resource, {**head, **manifest}, field_manager=USER)

    def create_dittofs(self, **spec: Any) -> Manifest:
        return self.create(DITTOFS, {"metadata": {"name": "demo", "namespace": NAMESPACE}, "spec": spec})

    def change(self, resource: Resource, name: str, patch: dict[str, Any], *, subresource: str = "") -> Manifest:
        key = ObjectKey(NAMESPACE, name)
        return self.client.merge_patch(resource, key, patch, field_manager=USER, subresource=subresource)

    def change_spec(self, **spec: Any) -> None:
        self.change(DITTOFS, "demo", {"spec": spec})

    def delete(self, resource: Resource, name: str) -> None:
        self.client.delete(resource, ObjectKey(NAMESPACE, name))

    def create_secret(self, name: str, **data: str) -> None:
        encoded = {key.replace("_", "-"): base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self.create(SECRET, {"metadata": {"name": name, "namespace": NAMESPACE}, "data": encoded})

    def change_secret(self, name: str, **data: str) -> None:
        encoded = {key.replace("_", "-"): base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self.change(SECRET, name, {"data": encoded})

    # --- how the world is

    def get(self, resource: Resource, name: str) -> Manifest:
        return self.client.get(resource, ObjectKey(NAMESPACE, name))

    def exists(self, resource: Resource, name: str) -> bool:
        try:
            self.get(resource, name)
        except NotFound:
            return False
        return True

    def secret(self, name: str, key: str) -> str:
        return base64.b64decode(self.get(SECRET, name)["data"][key]).decode()

    def children(self) -> set[str]:
        found = set()
        for resource in resources.CHILDREN:
            page = self.client.list(resource, namespace=NAMESPACE, label_selector=names.MANAGED_SELECTOR)
            found |= {f"{resource.kind} {item['metadata']['name']}" for item in page.items}
        return found

    @property
    def status(self) -> Mapping[str, Any]:
        status: Mapping[str, Any] = self.get(DITTOFS, "demo").get("status") or {}
        return status

    def condition(self, kind: str) -> tuple[str, str]:
        entry = next(entry for entry in self.status["conditions"] if entry["type"] == kind)
        return entry["status"], entry["reason"]

    def message(self, kind: str) -> str:
        return str(next(entry for entry in self.status["conditions"] if entry["type"] == kind)["message"])

    # --- what the cluster does

    def roll_out(self, **pod_status: Any) -> None:
        """The StatefulSet's controller and the kubelet catch up: the pod runs the template as it is now."""
        live = self.get(STATEFUL_SET, "demo")
        template = live["spec"]["template"]
        revision = "demo-" + hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        replicas = live["spec"]["replicas"]
        with suppress(NotFound):
            pod = self.get(POD, "demo-0")
            if not replicas or pod["metadata"]["labels"]["controller-revision-hash"] != revision:
                self.delete(POD, "demo-0")
        if replicas:
            self._make_pod(template, revision)
            self.set_pod(**pod_status)
        counts = {"replicas": replicas, "readyReplicas": replicas, "updateRevision": revision}
        generation = live["metadata"]["generation"]
        status = {"status": {**counts, "observedGeneration": generation}}
        self.change(STATEFUL_SET, "demo", status, subresource="status")

    def set_pod(self, *, ready: bool = True, **container: Any) -> None:
        image = self.get(POD, "demo-0")["spec"]["containers"][0]["image"]
        status = {
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [
                {"name": "dittofs", "ready": ready, "restartCount": 0, "image": image, "imageID": "", **container}
            ],
        }
        self.change(POD, "demo-0", {"status": status}, subresource="status")

    def _make_pod(self, template: Manifest, revision: str) -> None:
        labels = {**template["metadata"]["labels"], "controller-revision-hash": revision}
        metadata = {"name": "demo-0", "namespace": NAMESPACE, "labels": labels}
        with suppress(AlreadyExists):
            self.create(POD, {"metadata": metadata, "spec": template["spec"]})

    def start_server(self) -> None:
        """The container's process starts, with what the children give it."""
        config = self.get(CONFIG_MAP, "demo-dittofs-config")["data"]["config.yaml"]
        (self.directory / "etc/dittofs").mkdir(parents=True, exist_ok=True)
        (self.directory / "etc/dittofs/config.yaml").write_text(config)
        for folder in ("controlplane", "metadata", "payload", "cache"):
            (self.directory / "data" / folder).mkdir(parents=True, exist_ok=True)
        self.mount_secrets()
        container = self.get(STATEFUL_SET, "demo")["spec"]["template"]["spec"]["containers"][0]
        environment = {}
        for variable in container["env"]:
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            environment[variable["name"]] = (
                self.secret(reference["name"], reference["key"]) if reference else variable["value"]
            )
        # The server tells its starts apart by whole seconds, of which a pod takes some to be replaced.
        self._starts += 1
        started_at = float(self._starts)
        self.server = DoubleServer(
            container["args"],
            environment,
            resolve=lambda path: self.directory / path.lstrip("/"),
            now=lambda: started_at,
        )

    def mount_secrets(self) -> None:
        """The kubelet writes what the pod's Secrets hold now."""
        pod = self.get(STATEFUL_SET, "demo")["spec"]["template"]["spec"]
        folders = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        for volume in pod["volumes"]:
            if "secret" not in volume:
                continue
            folder = self.directory / folders[volume["name"]].lstrip("/")
            folder.mkdir(parents=True, exist_ok=True)
            for item in volume["secret"]["items"]:
                (folder / item["path"]).write_text(self.secret(volume["secret"]["secretName"], item["key"]))

    def stop_server(self) -> None:
        if self.server is not None:
            self.server.stop()
            self.server = None

    def run(self, **spec: Any) -> None:
        """A DittoFS that serves, and that the operator is done with."""
        self.create_dittofs(**spec)
        self.reconcile()
        self.roll_out()
        self.start_server()
        self.settle()
        self.operator.requests.clear()
        self.recorder.events.clear()

    def session(self, password: str = "") -> ServerSession:
        """A session of somebody who knows the admin password (by default the one in force)."""
        credentials = Credentials("admin", password or self.secret("demo-admin", "password"))
        return ServerSession(_Network(self, "", self.tls), credentials, clock=self.clock)

    def count_calls(self) -> list[str]:
        """From now on, every call that is made to the server."""
        self.calls.clear()
        return self.calls

    def settle(self) -> None:
        for _ in range(3):
            self.reconcile()
            self.clock.advance(6)

    def _transport(self, base_url: str, *, host: str, clock: Clock, tls: Tls | None) -> Transport:
        return _Network(self, host, tls)


@dataclass(frozen=True)
class _OptionalStore:
    """What the operator knows of a type that a cluster may lack."""

    world: World
    resource: Resource

    @property
    def absent(self) -> bool:
        return self.resource in self.world.absent

    def get(self, key: ObjectKey) -> View | None:
        return self.world.stores[self.resource].get(key)

    def by_index(self, index: str, value: str) -> tuple[View, ...]:
        return self.world.stores[self.resource].by_index(index, value)


class _Network:
    """What a Service does: the same address leads to whatever server runs now."""

    def __init__(self, world: World, host: str, tls: Tls | None = None) -> None:
        self._world = world
        self._host = host
        self._tls = tls

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
        self._world.calls.append(f"{method} {path}")
        # Nobody listens on port 1 when no server runs.
        port = self._world.server.port if self._world.server is not None else 1
        url = f"http{'s' if self._tls else ''}://127.0.0.1:{port}"
        transport = HttpTransport(url, host=self._host, clock=self._world.clock, tls=self._tls)
        try:
            return transport.call(method, path, body, token=token, within_s=within_s, patience_s=patience_s)
        finally:
            transport.close()

    def close(self) -> None:
        pass


@cache
def _definitions() -> tuple[Manifest, ...]:
    return tuple(yaml.load(path.read_text(), Loader=yaml.CSafeLoader) for path in sorted(CRDS.iterdir()))


@contextmanager
def dittofs_world(directory: Path) -> Iterator[World]:
    clock = FakeClock()
    with ApiServer(token="token") as server:
        world = World(server, directory, clock)
        try:
            yield world
        finally:
            world.stop_server()
            world.sessions.close()
            world.client.close()
            world.operator.close()


_WATCHED = (
    DITTOFS,
    DITTOFS_SHARE,
    DITTOFS_BACKUP,
    *resources.CHILDREN,
    POD,
    POSTGRES_CLUSTER,
    SERVICE_MONITOR,
)
_FILTERED = frozenset({*resources.CHILDREN, SERVICE_MONITOR, POD} - {SECRET})
_INDEXERS: Mapping[Resource, Any] = {DITTOFS: DITTOFS_INDEXERS, DITTOFS_SHARE: SHARE_INDEXERS}
