"""A kubelet whose containers are doubles of the DittoFS server, without threads."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from hack.localcluster.controllers.surroundings import is_ready
from hack.localcluster.double.configuration import StartFailed
from hack.localcluster.double.process import Double
from hack.localcluster.double.purge import purge
from hack.localcluster.kubelet.environment import ReferenceMissing, environment
from hack.simulation.network import Connection, Server
from hack.simulation.scheduler import Scheduler
from hack.simulation.servers import DirectClient, DoubleEndpoint
from informers.clock import SystemClock
from informers.errors import ClientError, Conflict, NotFound
from informers.resource import Manifest, ObjectKey, Resource, View
from reconcilers.api.resources import CONFIG_MAP, PERSISTENT_VOLUME_CLAIM, POD, SECRET

#: How long the start of a container takes, and until its next one after a failed one.
_START_S = (0.2, 3.0)
_START_AGAIN_S = 5.0
_KUBELET = "kubelet"


class Present:
    """An informer's store that is never old."""

    def __init__(self, client: DirectClient, resource: Resource) -> None:
        self._client = client
        self._resource = resource
        self.store = self

    def get(self, key: ObjectKey) -> Manifest | None:
        """The object as it is."""
        try:
            return self._client.get(self._resource, key)
        except NotFound:
            return None

    def list(self, namespace: str = "") -> list[Manifest]:
        """The objects as they are."""
        return self._client.list(self._resource, namespace=namespace, limit=0).items


@dataclass(slots=True)
class _Container:
    instance: str
    restarts: int = 0
    starts: bool = False
    server: DoubleEndpoint | None = None


class Kubelet:
    """Runs the pods that `stores` show. `break_connections` ends those to a server that is gone."""

    def __init__(
        self,
        scheduler: Scheduler,
        client: DirectClient,
        stores: Mapping[Resource, Present],
        *,
        directory: Path,
        random: Random,
        trace: Callable[[str, str], None],
        break_connections: Callable[[Callable[[Connection], bool]], None],
    ) -> None:
        self._scheduler = scheduler
        self._client = client
        self._stores = stores
        self._directory = directory
        self._random = random
        self._trace = trace
        self._break_connections = break_connections
        self._containers: dict[str, _Container] = {}
        self._addresses = 0
        #: The ids of shares that somebody changed on their server.
        self.spoiled: set[str] = set()
        #: By uid of the pod, the last words of its container `purge`.
        self._purged: dict[str, str] = {}

    def servers(self) -> dict[str, Double]:
        """The running servers by instance."""
        return {instance: endpoint.double for instance, endpoint in self.endpoints().items()}

    def endpoints(self) -> dict[str, DoubleEndpoint]:
        """Where the running servers answer, by instance."""
        return {c.instance: c.server for c in self._containers.values() if c.server is not None}

    def crash(self, instance: str) -> bool:
        """Let the server's process end; the kubelet starts it again."""
        for uid, container in self._containers.items():
            if container.instance == instance and container.server is not None:
                self._end(container)
                container.restarts += 1
                self._report(uid, ready=False)
                self._start_later(uid, container)
                return True
        return False

    def spoil_share(self, instance: str, path: str) -> None:
        """Change a share on the server of `instance`, as somebody with the password could."""
        double = self.servers().get(instance)
        row = double.rows("shares").get(path) if double is not None else None
        if double is not None and row is not None:
            double.change_share(path, read_only=not row["read_only"], encrypt_data=True)
            self.spoiled.add(row["id"])

    def close(self) -> None:
        """End all servers."""
        for container in self._containers.values():
            self._end(container)

    def run_pods(self) -> None:
        """Start and end what has to."""
        pods = {pod["metadata"]["uid"]: pod for pod in self._stores[POD].list()}
        for uid in [uid for uid in self._containers if uid not in pods]:
            self._end(self._containers.pop(uid))
        for uid, pod in pods.items():
            container = self._containers.get(uid)
            if pod["metadata"].get("deletionTimestamp"):
                if container is not None:
                    self._end(self._containers.pop(uid))
                self._remove(pod)
            elif container is None:
                name = str(pod["metadata"]["name"]).rpartition("-")[0]
                self._containers[uid] = container = _Container(name)
                self._start_later(uid, container)

    def _remove(self, pod: View) -> None:
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        with contextlib.suppress(NotFound, Conflict):
            self._client.delete_with(POD, ObjectKey.of(pod), options)

    def _start_later(self, uid: str, container: _Container, delay_s: float | None = None) -> None:
        if not container.starts:
            container.starts = True
            delay_s = self._random.uniform(*_START_S) if delay_s is None else delay_s
            self._scheduler.at(delay_s, lambda: self._start(uid))

    def _start(self, uid: str) -> None:
        container = self._containers.get(uid)
        pod = next((pod for pod in self._stores[POD].list() if pod["metadata"]["uid"] == uid), None)
        if container is None or pod is None or pod["metadata"].get("deletionTimestamp"):
            return
        container.starts = False
        spec = pod["spec"]["containers"][0]
        try:
            folders = self._folders(pod)
            lookup = _Lookup(self._stores, pod["metadata"]["namespace"])
            variables = environment(spec, pod, lookup, pod_address="")
            mounts = sorted(
                ((mount["mountPath"], folders[mount["name"]]) for mount in spec.get("volumeMounts") or ()), reverse=True
            )
            resolve = _resolver(mounts, self._directory / "root")
            listed = self._purge(pod, folders)
            double = Double(spec["args"], variables, resolve=resolve, now=lambda: SystemClock().now().timestamp())
            _check_purge(listed, double)
        except (ReferenceMissing, StartFailed) as error:
            self._trace("kubelet", f"{container.instance}: {error}")
            self._start_later(uid, container, _START_AGAIN_S)
            return
        container.server = DoubleEndpoint(container.instance, double)
        self._trace("kubelet", f"{container.instance} serves")
        self._report(uid, ready=True)

    def _purge(self, pod: View, folders: Mapping[str, Path]) -> str:
        """What the container `purge` does, once for a pod; gives the list that it had."""
        container = next(iter(pod["spec"].get("initContainers") or ()), None)
        if container is None or pod["metadata"]["uid"] in self._purged:
            return ""
        mounts = sorted(
            ((mount["mountPath"], folders[mount["name"]]) for mount in container["volumeMounts"]), reverse=True
        )
        resolve = _resolver(mounts, self._directory / "root")
        listed = resolve(container["args"][0])
        text = listed.read_text() if listed.is_file() else ""
        self._purged[pod["metadata"]["uid"]] = purge(container["args"], resolve)
        if text:
            self._trace("kubelet", f"purged {text.strip()}")
        return text

    def _folders(self, pod: View) -> dict[str, Path]:
        folders = {}
        namespace, uid = pod["metadata"]["namespace"], pod["metadata"]["uid"]
        for volume in pod["spec"].get("volumes") or ():
            folder = self._directory / "pods" / uid / str(volume["name"])
            if "persistentVolumeClaim" in volume:
                claim = self._stores[PERSISTENT_VOLUME_CLAIM].get(
                    ObjectKey(namespace, volume["persistentVolumeClaim"]["claimName"])
                )
                if claim is None or (claim.get("status") or {}).get("phase") != "Bound":
                    raise ReferenceMissing(f"the claim of volume {volume['name']} is not bound")
                folder = self._directory / "volumes" / claim["spec"]["volumeName"]
            folder.mkdir(parents=True, exist_ok=True)
            if "configMap" in volume:
                found = self._stores[CONFIG_MAP].get(ObjectKey(namespace, volume["configMap"]["name"]))
                if found is None:
                    raise ReferenceMissing(f"the ConfigMap of volume {volume['name']} is not there")
                for name, text in (found.get("data") or {}).items():
                    (folder / name).write_text(text)
                for file in folder.iterdir():
                    if file.name not in (found.get("data") or {}):
                        file.unlink()
            folders[volume["name"]] = folder
        return folders

    def _report(self, uid: str, *, ready: bool) -> None:
        pod = next((pod for pod in self._stores[POD].list() if pod["metadata"]["uid"] == uid), None)
        container = self._containers.get(uid)
        if pod is None or container is None:
            return
        spec = pod["spec"]["containers"][0]
        self._addresses += 1
        now = SystemClock().now().strftime("%Y-%m-%dT%H:%M:%SZ")
        state = {"running": {"startedAt": now}} if ready else {"waiting": {"reason": "CrashLoopBackOff"}}
        said = {"exitCode": 0, "reason": "Completed", "message": self._purged.get(uid, "")}
        status = {
            "phase": "Running",
            "initContainerStatuses": [
                {
                    "name": entry["name"],
                    "image": entry["image"],
                    "imageID": "",
                    "ready": True,
                    "restartCount": 0,
                    "state": {"terminated": said},
                }
                for entry in pod["spec"].get("initContainers") or ()
            ],
            "podIP": f"10.244.0.{self._addresses % 250 + 1}",
            "conditions": [{"type": "Ready", "status": str(ready), "lastTransitionTime": now}],
            "containerStatuses": [
                {
                    "name": spec["name"],
                    "image": spec["image"],
                    "imageID": "",
                    "ready": ready,
                    "restartCount": container.restarts,
                    "state": state,
                }
            ],
        }
        with contextlib.suppress(ClientError):
            self._client.merge_patch(
                POD, ObjectKey.of(pod), {"status": status}, field_manager=_KUBELET, subresource="status"
            )

    def _end(self, container: _Container) -> None:
        server, container.server = container.server, None
        if server is not None:
            server.double.close()
            self._trace("kubelet", f"{container.instance} ended")
            self._break_connections(lambda connection: connection.server is server)

    def behind(self, service: View) -> Server | None:
        """The server that `service` leads to."""
        selector = dict(service["spec"].get("selector") or {})
        for pod in self._stores[POD].list(service["metadata"]["namespace"]):
            labels = pod["metadata"].get("labels") or {}
            container = self._containers.get(pod["metadata"]["uid"])
            if selector.items() <= labels.items() and is_ready(pod) and container is not None:
                return container.server
        return None


def _check_purge(listed: str, double: Double) -> None:
    """Nothing was removed that a share of the server, which now starts, has its metadata in."""
    removed = {path for line in listed.splitlines() for path in line.split()[1:]}
    stores = {row["id"]: json.loads(row["config"] or "{}") for row in double.rows("metadata").values()}
    for share in double.rows("shares").values():
        place = stores.get(share["metadata_store_id"], {}).get("path", "")
        if place in removed:
            raise RuntimeError(f"the files at {place} were removed although the share {share['name']} is there")


class _Lookup:
    def __init__(self, stores: Mapping[Resource, Present], namespace: str) -> None:
        self._stores = stores
        self._namespace = namespace

    def config_map(self, name: str) -> View | None:
        return self._stores[CONFIG_MAP].get(ObjectKey(self._namespace, name))

    def secret(self, name: str) -> View | None:
        return self._stores[SECRET].get(ObjectKey(self._namespace, name))


def _resolver(mounts: list[tuple[str, Path]], root: Path) -> Callable[[str], Path]:
    def resolve(path: str) -> Path:
        for mount, folder in mounts:
            if path == mount or path.startswith(f"{mount}/"):
                return folder / path.removeprefix(mount).lstrip("/")
        return root / path.lstrip("/")

    return resolve
