"""One run: instances and shares are made, rest, and are found again by an operator that was started anew."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

from hack.demo.processes import Operator, operator
from hack.localcluster.cluster import LocalCluster
from hack.scale.figures import NOTHING, Look, look
from informers import configuration
from informers.client import Client
from informers.resource import Manifest, ObjectKey, Resource
from reconcilers.api.resources import CONFIG_MAP, DITTOFS, DITTOFS_SHARE, POD
from reconcilers.share.announcer import DEBOUNCE_S

MANIFESTS = Path(__file__).parents[2] / "manifests"
NAMESPACE = "default"
USER = "scale"
_CRD = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)

#: How many requests the one who makes the objects has under way at once.
_HANDS = 4
_LOOK_S = 0.5


class TooSlow(Exception):
    """A step did not end in its time; the message says which, and how far it came."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much of what; `rest_polls` poll intervals are watched in which nothing happens.

    With `hung` the first server takes connections but answers nobody, from before its first share on.
    """

    instances: int
    shares: int
    poll_s: float = 30.0
    rest_polls: int = 4
    metadata: str = "sqlite"
    hung: bool = False
    limit_s: float = 1800.0

    @property
    def shares_each(self) -> int:
        """Shares of one instance."""
        return self.shares // self.instances


Figures = dict[str, dict[str, float]]


def run(size: Size, directory: Path, *, dfs_binary: Path | None, tell: Callable[[str], None]) -> Figures:
    """What each step took, by its name; the pods run `dfs_binary`, or the double of it. Raises TooSlow."""
    with LocalCluster(directory / "cluster", dfs_binary=dfs_binary) as cluster:
        world = _World(cluster, size, tell)
        try:
            with world.operator(directory / "first.log") as running:
                figures = world.first_life(running)
            with world.operator(directory / "second.log") as running:
                figures["a restart of the operator"] = world.second_life(running)
        finally:
            world.close()
    return figures


class _World:
    def __init__(self, cluster: LocalCluster, size: Size, tell: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._kubeconfig = cluster.kubeconfig
        self._size = size
        self._tell = tell
        self._client = Client(configuration.load(str(cluster.kubeconfig)).configuration, user_agent=USER)
        for path in sorted((MANIFESTS / "crds").glob("*dittofs*.yaml")):
            self._client.create(_CRD, yaml.safe_load(path.read_text()), field_manager=USER)

    def close(self) -> None:
        self._client.close()

    @contextlib.contextmanager
    def operator(self, log: Path) -> Iterator[Operator]:
        flags = (f"--poll-interval={self._size.poll_s:g}s", "--log-level=warning")
        with operator(self._kubeconfig, log, flags=flags) as running:
            self._until("an operator that answers", lambda: _answers(running), running)
            yield running

    def first_life(self, running: Operator) -> Figures:
        size, figures = self._size, Figures()
        before = _look(running)
        self._make(DITTOFS, [self._instance(number) for number in range(size.instances)])
        self._until(f"{size.instances} instances that run", lambda: self._all_are(DITTOFS, "Running"), running)
        figures[f"{size.instances} instances from nothing to Running"] = _look(running).since(before)

        if size.hung:
            pod = self._client.get(POD, ObjectKey(NAMESPACE, f"{_instance_name(0)}-0"))
            self._cluster.silence(pod["status"]["podIP"])
        before = _look(running)
        numbers = itertools.product(range(size.shares_each), range(size.instances))
        self._make(DITTOFS_SHARE, [self._share(instance, share) for share, instance in numbers])
        figures[f"{size.shares} shares created as objects"] = _look(running).since(before)
        ready = size.shares - size.hung * size.shares_each
        self._until(f"{ready} shares that are Ready", lambda: self._all_are(DITTOFS_SHARE, "Ready"), running)
        figures[f"{ready} shares from nothing to Ready"] = _look(running).since(before)
        self._until("all shares in shares.yaml", self._all_are_listed, running)
        figures[f"{size.shares} shares listed in shares.yaml"] = _look(running).since(before)

        # The last word about the shares may be held back that long.
        _pause(DEBOUNCE_S + size.poll_s)
        before = _look(running)
        _pause(size.rest_polls * size.poll_s)
        figures[f"{size.rest_polls} polls at rest"] = _look(running).since(before)
        return figures

    def second_life(self, running: Operator) -> dict[str, float]:
        size = self._size

        def all_were_looked_at() -> bool:
            passes = _look(running).passes
            return passes.get("dittofsshare", 0) >= size.shares and passes.get("dittofs", 0) >= size.instances

        self._until("a look at everything", all_were_looked_at, running)
        return _look(running).since(NOTHING) | {"seconds": time.monotonic() - self._began}

    def _make(self, resource: Resource, manifests: list[Manifest]) -> None:
        with ThreadPoolExecutor(_HANDS) as hands:
            for _ in hands.map(lambda manifest: self._client.create(resource, manifest, field_manager=USER), manifests):
                pass

    def _instance(self, number: int) -> Manifest:
        spec = {"metadata": {"type": self._size.metadata}}
        return _manifest(DITTOFS, _instance_name(number), spec)

    def _share(self, instance: int, share: int) -> Manifest:
        spec = {"instanceRef": {"name": _instance_name(instance)}, "defaultPermission": "read-write"}
        return _manifest(DITTOFS_SHARE, f"share-{instance}-{share}", spec)

    def _all_are(self, resource: Resource, phase: str) -> bool:
        items = [
            item
            for item in self._client.list(resource, namespace=NAMESPACE, limit=0).items
            if not (self._size.hung and (item["spec"].get("instanceRef") or {}).get("name") == _instance_name(0))
        ]
        reached = sum((item.get("status") or {}).get("phase") == phase for item in items)
        if reached < len(items):
            raise _NotYet(f"{reached} of {len(items)}")
        return True

    def _all_are_listed(self) -> bool:
        for number in range(self._size.instances):
            key = ObjectKey(NAMESPACE, f"{_instance_name(number)}-dittofs-config")
            if self._client.get(CONFIG_MAP, key)["data"]["shares.yaml"].count("name:") != self._size.shares_each:
                return False
        return True

    def _until(self, what: str, true: Callable[[], bool], running: Operator) -> None:
        self._began = began = time.monotonic()
        told, state = began, ""
        while True:
            running.check_alive()
            try:
                if true():
                    break
            except _NotYet as error:
                state = str(error)
            now = time.monotonic()
            if now - began > self._size.limit_s:
                raise TooSlow(f"{what}: not within {self._size.limit_s:g} s; {state}")
            if now - told > 10:
                told = now
                self._tell(f"waiting for {what}: {state}")
            _pause(_LOOK_S)
        self._tell(f"{what}, after {time.monotonic() - began:.1f} s")


class _NotYet(Exception):
    pass


def _instance_name(number: int) -> str:
    return f"demo-{number}"


def _manifest(resource: Resource, name: str, spec: Manifest) -> Manifest:
    head = {"apiVersion": resource.api_version, "kind": resource.kind}
    return {**head, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def _look(running: Operator) -> Look:
    return look(running.metrics_address, running.process.pid)


def _answers(running: Operator) -> bool:
    try:
        _look(running)
    except OSError:
        return False
    return True


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)
