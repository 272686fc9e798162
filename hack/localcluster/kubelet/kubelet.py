"""The kubelet of the one node: a worker for each pod, woken by what the pod is made of."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from hack.localcluster.kubelet.api import KubeletClient
from hack.localcluster.kubelet.container import Pace
from hack.localcluster.kubelet.processes import Launcher, ServerKind
from hack.localcluster.kubelet.tokens import Tokens
from hack.localcluster.kubelet.worker import PodWorker, Recorder, Surroundings
from hack.localcluster.pod_network import PodNetwork
from informers.clock import Clock
from informers.event import Event, states
from informers.informer import SharedInformer
from informers.resource import ObjectKey, View
from reconcilers.api.resources import CONFIG_MAP, PERSISTENT_VOLUME_CLAIM, SECRET

#: The only node there is.
NODE_NAME = "local"

_STOP_TIMEOUT_S = 10.0


class Kubelet:
    """Runs every pod of this node, and those that nobody gave a node unless `bound_only`."""

    def __init__(
        self,
        *,
        client: KubeletClient,
        pods: SharedInformer,
        launcher: Launcher,
        network: PodNetwork,
        data_dir: Path,
        clock: Clock,
        random: Random,
        logger: Any,
        record: Recorder,
        pace: Pace,
        bound_only: bool = False,
    ) -> None:
        self._pods = pods
        self._home_of_unbound = "" if bound_only else NODE_NAME
        self._logger = logger.bind(component="kubelet")
        self._claims_folder = data_dir / "volumes"
        self._informers = {
            resource.kind: SharedInformer(client, resource, clock=clock, random=random, logger=self._logger)
            for resource in (CONFIG_MAP, SECRET, PERSISTENT_VOLUME_CLAIM)
        }
        self._tokens = Tokens(client, clock=clock)
        self._around = Surroundings(
            client=client,
            launcher=launcher,
            network=network,
            clock=clock,
            pace=pace,
            logger=self._logger,
            record=record,
            find_pod=pods.store.get,
            lookup=lambda namespace: _Lookup(namespace, self._informers, self._claims_folder, self._tokens),
            pods_folder=data_dir / "pods",
            logs_folder=data_dir / "logs",
        )
        self._lock = threading.Lock()
        self._workers: dict[ObjectKey, PodWorker] = {}
        self._stopping = False

    @property
    def server_kind(self) -> ServerKind:
        """Which DittoFS server pods get."""
        return self._around.launcher.server_kind

    def start(self) -> None:
        """Run pods from now on."""
        self._around.pods_folder.mkdir(parents=True, exist_ok=True)
        self._around.logs_folder.mkdir(parents=True, exist_ok=True)
        for informer in self._informers.values():
            informer.add_handler(self._wake_namespace, name="kubelet")
            informer.start()
        self._pods.add_handler(self._pod_changed, name="kubelet")

    def stop(self) -> None:
        """Kill all that runs; nothing of it is left when this returns."""
        with self._lock:
            self._stopping = True
            workers = list(self._workers.values())
        for worker in workers:
            worker.halt()
        for worker in workers:
            worker.join(_STOP_TIMEOUT_S)
        for informer in self._informers.values():
            informer.stop()

    def _pod_changed(self, event: Event) -> None:
        self._see_to(ObjectKey.of(states(event)[-1]))

    def _see_to(self, key: ObjectKey) -> None:
        pod = self._pods.store.get(key)
        with self._lock:
            worker = self._workers.get(key)
            if worker is None and pod is not None and not self._stopping and self._is_ours(pod):
                worker = self._workers[key] = PodWorker(pod, self._around, on_end=self._ended)
                worker.start()
        if worker is not None:
            worker.wake()

    def _is_ours(self, pod: View) -> bool:
        phase = (pod.get("status") or {}).get("phase")
        finished = phase in {"Succeeded", "Failed"} and not pod["metadata"].get("deletionTimestamp")
        return pod["spec"].get("nodeName", self._home_of_unbound) == NODE_NAME and not finished

    def _ended(self, worker: PodWorker) -> None:
        with self._lock:
            del self._workers[worker.key]
        self._tokens.forget(worker.uid)
        pod = self._pods.store.get(worker.key)
        # The same uid can only be the cache's memory of the pod that has just ended.
        if pod is not None and pod["metadata"]["uid"] != worker.uid:
            self._see_to(worker.key)

    def _wake_namespace(self, event: Event) -> None:
        namespace = ObjectKey.of(states(event)[-1]).namespace
        with self._lock:
            concerned = [worker for key, worker in self._workers.items() if key.namespace == namespace]
        for worker in concerned:
            worker.wake()


class _Lookup:
    """What the pods of one namespace refer to, out of the caches."""

    def __init__(
        self, namespace: str, informers: Mapping[str, SharedInformer], claims_folder: Path, tokens: Tokens
    ) -> None:
        self._namespace = namespace
        self._informers = informers
        self._claims_folder = claims_folder
        self.token = tokens.token

    def config_map(self, name: str) -> View | None:
        return self._get("ConfigMap", name)

    def secret(self, name: str) -> View | None:
        return self._get("Secret", name)

    def claim_folder(self, name: str) -> Path | None:
        claim = self._get("PersistentVolumeClaim", name)
        volume = claim["spec"].get("volumeName") if claim else None
        if not claim or not volume or (claim.get("status") or {}).get("phase") != "Bound":
            return None
        folder = self._claims_folder / str(volume)
        return folder if folder.is_dir() else None

    def _get(self, kind: str, name: str) -> View | None:
        return self._informers[kind].store.peek(ObjectKey(self._namespace, name))
