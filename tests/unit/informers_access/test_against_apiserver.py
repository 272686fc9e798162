"""The access half against the local API server: what the scripted tests assume is what a server does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
import structlog

from hack.localcluster.apiserver.server import ApiServer
from informers.apply import Applier, Outcome, difference
from informers.client import Client
from informers.clock import SystemClock
from informers.configuration import load
from informers.errors import AlreadyExists, Conflict, Expired, NotFound
from informers.event import Added, Deleted, Event, Updated
from informers.informer import SharedInformer
from informers.resource import Manifest, ObjectKey, Resource
from informers.store import NotSynced, NotWatched
from informers.view import thaw
from tests.support.scripted_server import LIMIT_S

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")
SERVICES = Resource("", "v1", "services", "Service")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
US = "operator"


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer(token="t0k", bookmark_interval_s=0.2) as running:
        yield running


@pytest.fixture
def connected(api: ApiServer, tmp_path: Path) -> Iterator[Client]:
    path = tmp_path / "kubeconfig"
    path.write_bytes(orjson.dumps(api.kubeconfig))
    client = Client(load(str(path), environment={}).configuration, user_agent="test")
    yield client
    client.close()


def config_map(name: str, **data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data}


def service() -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "nfs", "namespace": "default", "labels": {"app": "demo"}},
        "spec": {"ports": [{"name": "nfs", "port": 2049, "targetPort": 12049}], "selector": {"app": "demo"}},
    }


def stateful_set() -> Manifest:
    container = {
        "name": "dfs",
        "image": "dfs:1",
        "args": ["start"],
        "env": [{"name": "A", "value": "1"}],
        "ports": [{"name": "nfs", "containerPort": 12049}],
        "resources": {"requests": {"memory": "1Gi"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "demo", "namespace": "default"},
        "spec": {
            "replicas": 1,
            "serviceName": "demo",
            "selector": {"matchLabels": {"app": "demo"}},
            "template": {
                "metadata": {"labels": {"app": "demo"}},
                "spec": {
                    "containers": [container],
                    "volumes": [{"name": "data", "emptyDir": {}}],
                    "tolerations": [{"key": "a", "operator": "Exists"}],
                },
            },
        },
    }


class Mirror:
    """Builds a copy of the collection from the events alone, and waits for it to become something."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.events: list[Event] = []
        self.changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self.changed:
            self.events.append(event)
            match event:
                case Added(object=view) | Updated(new=view):
                    self.objects[view["metadata"]["name"]] = view
                case Deleted(object=view):
                    self.objects.pop(view["metadata"]["name"], None)
            self.changed.notify_all()

    def until(self, **data: Any) -> None:
        def equal() -> bool:
            return {name: view.get("data") for name, view in self.objects.items()} == data

        with self.changed:
            assert self.changed.wait_for(equal, LIMIT_S), self.objects


def informer(client: Client, resource: Resource, **options: Any) -> SharedInformer:
    return SharedInformer(
        client, resource, clock=SystemClock(), random=Random(0), logger=structlog.get_logger(), **options
    )


def test_a_handler_mirrors_the_collection_through_changes_cuts_and_expired_versions(
    api: ApiServer, connected: Client
) -> None:
    mirror = Mirror()
    watching = informer(connected, CONFIG_MAPS, label_selector="test=mirror")
    watching.add_handler(mirror, name="mirror")

    def put(name: str, **data: str) -> None:
        manifest = config_map(name, **data)
        manifest["metadata"]["labels"] = {"test": "mirror"}
        connected.apply(CONFIG_MAPS, manifest, field_manager=US, force=True)

    put("a", k="1")
    watching.start()
    mirror.until(a={"k": "1"})
    put("b", k="2")
    put("a", k="3")
    mirror.until(a={"k": "3"}, b={"k": "2"})
    connected.delete(CONFIG_MAPS, ObjectKey("default", "a"))
    mirror.until(b={"k": "2"})
    api.compact()
    put("c", k="4")
    mirror.until(b={"k": "2"}, c={"k": "4"})

    assert watching.stop(5)


def test_a_metadata_informer_never_holds_the_content_of_a_secret(connected: Client) -> None:
    secret = {**config_map("s"), "kind": "Secret", "stringData": {"password": "hidden"}}
    del secret["data"]
    connected.create(SECRETS, secret, field_manager=US)
    mirror = Mirror()
    watching = informer(connected, SECRETS, metadata_only=True)
    watching.add_handler(mirror, name="mirror")
    watching.start()
    mirror.until(s=None)
    connected.merge_patch(SECRETS, ObjectKey("default", "s"), {"metadata": {"labels": {"x": "y"}}}, field_manager=US)
    with mirror.changed:
        assert mirror.changed.wait_for(lambda: "labels" in mirror.objects["s"]["metadata"], LIMIT_S)

    assert set(mirror.objects["s"]) == {"apiVersion", "kind", "metadata"}
    assert mirror.objects["s"]["kind"] == "Secret"
    assert watching.stop(5)


def test_a_large_collection_comes_in_pages(connected: Client) -> None:
    for number in range(7):
        manifest = config_map(f"page-{number}")
        manifest["metadata"]["labels"] = {"test": "pages"}
        connected.create(CONFIG_MAPS, manifest, field_manager=US)

    first = connected.list(CONFIG_MAPS, label_selector="test=pages", limit=3)
    rest = connected.list(CONFIG_MAPS, label_selector="test=pages", limit=10, continue_token=first.continue_token)

    names = [item["metadata"]["name"] for item in (*first.items, *rest.items)]
    assert names == [f"page-{number}" for number in range(7)]
    assert rest.continue_token == ""


def test_refusals_have_the_kinds_that_callers_rely_on(api: ApiServer, connected: Client) -> None:
    connected.create(CONFIG_MAPS, config_map("here"), field_manager=US)
    with pytest.raises(AlreadyExists):
        connected.create(CONFIG_MAPS, config_map("here"), field_manager=US)
    with pytest.raises(NotFound):
        connected.get(CONFIG_MAPS, ObjectKey("default", "not-here"))
    with pytest.raises(Conflict):
        connected.delete(CONFIG_MAPS, ObjectKey("default", "here"), uid="another")
    stale = connected.get(CONFIG_MAPS, ObjectKey("default", "here"))
    connected.replace(CONFIG_MAPS, {**stale, "data": {"new": "x"}})
    with pytest.raises(Conflict):
        connected.replace(CONFIG_MAPS, {**stale, "data": {"new": "y"}})
    api.compact()
    with pytest.raises(Expired):
        list(connected.watch(CONFIG_MAPS, resource_version="1", timeout_s=1))


@pytest.mark.parametrize(("resource", "make"), [(SERVICES, service), (STATEFUL_SETS, stateful_set)])
def test_what_the_server_merged_counts_as_applied_and_steady_passes_send_nothing(
    connected: Client, resource: Resource, make: Any
) -> None:
    applier = Applier(connected, US)
    created = applier.ensure(resource, make(), None)
    live = connected.get(resource, ObjectKey.of(make()))

    assert created.outcome is Outcome.CREATED
    assert difference(make(), live, field_manager=US) is None
    assert Applier(connected, US).ensure(resource, make(), live).outcome is Outcome.UNCHANGED
    connected.delete(resource, ObjectKey.of(make()))


def test_drift_and_dropped_fields_are_repaired_and_named(connected: Client) -> None:
    applier = Applier(connected, US)
    key = ObjectKey("default", "demo")
    applier.ensure(STATEFUL_SETS, stateful_set(), None)
    drift = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "evil:1"}]
    connected.json_patch(STATEFUL_SETS, key, drift, field_manager="kubectl")

    repaired = applier.ensure(STATEFUL_SETS, stateful_set(), connected.get(STATEFUL_SETS, key))

    assert (repaired.outcome, repaired.reason) == (
        Outcome.UPDATED,
        "spec.template.spec.containers[name=dfs].image differs",
    )
    less = stateful_set()
    del less["spec"]["template"]["spec"]["containers"][0]["env"]
    dropped = applier.ensure(STATEFUL_SETS, less, connected.get(STATEFUL_SETS, key))
    assert dropped.reason == "spec.template.spec.containers[name=dfs].env is ours but no longer wanted"
    assert "env" not in dropped.object["spec"]["template"]["spec"]["containers"][0]
    connected.delete(STATEFUL_SETS, key)


def test_an_object_that_was_replaced_by_another_of_the_same_name_is_not_overwritten(connected: Client) -> None:
    applier = Applier(connected, US)
    made = applier.ensure(CONFIG_MAPS, config_map("twin", k="1"), None).object
    connected.delete(CONFIG_MAPS, ObjectKey("default", "twin"))
    connected.create(CONFIG_MAPS, config_map("twin", k="theirs"), field_manager="somebody")

    with pytest.raises(Conflict):
        applier.ensure(CONFIG_MAPS, config_map("twin", k="2"), made)

    assert thaw(connected.get(CONFIG_MAPS, ObjectKey("default", "twin")))["data"] == {"k": "theirs"}


def test_t92_an_informer_of_some_namespaces_holds_what_they_and_its_selector_let_in(
    api: ApiServer, connected: Client
) -> None:
    def put(name: str, namespace: str, team: str) -> None:
        manifest = config_map(name, k=namespace)
        manifest["metadata"] |= {"namespace": namespace, "labels": {"team": team}}
        connected.apply(CONFIG_MAPS, manifest, field_manager=US, force=True)

    for namespace in ("left", "middle", "right"):
        spec = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        connected.create(Resource("", "v1", "namespaces", "Namespace", namespaced=False), spec, field_manager=US)
        put(f"early-{namespace}", namespace, "red")
    mirror = Mirror()
    watching = informer(connected, CONFIG_MAPS, namespaces=("left", "right"), label_selector="team=red")
    watching.add_handler(mirror, name="mirror")
    with pytest.raises(NotSynced, match="missing: left, right"):
        watching.store.list("left")

    watching.start()
    mirror.until(**{"early-left": {"k": "left"}, "early-right": {"k": "right"}})
    assert all(isinstance(event, Added) and event.initial for event in mirror.events)
    put("late", "right", "red")
    put("blue", "right", "blue")
    put("outside", "middle", "red")
    put("last", "left", "red")
    connected.delete(CONFIG_MAPS, ObjectKey("left", "early-left"))
    mirror.until(**{"early-right": {"k": "right"}, "late": {"k": "right"}, "last": {"k": "left"}})

    assert [key.name for key in sorted(watching.store.keys())] == ["last", "early-right", "late"]
    assert watching.store.get(ObjectKey("left", "early-left")) is None
    with pytest.raises(NotWatched, match="configmaps of namespace middle are not watched, only those of left, right"):
        watching.store.get(ObjectKey("middle", "outside"))
    assert watching.unready_reason is None
    assert watching.stop(5)


def test_t92_namespaces_that_no_api_server_can_serve_are_refused(connected: Client) -> None:
    for namespaces, reason in ((("a", "a"), "named twice"), (("A",), "is no name of a namespace")):
        with pytest.raises(ValueError, match=reason):
            informer(connected, CONFIG_MAPS, namespaces=namespaces)
    with pytest.raises(ValueError, match="nodes have no namespace"):
        informer(connected, Resource("", "v1", "nodes", "Node", namespaced=False), namespaces=("a",))
