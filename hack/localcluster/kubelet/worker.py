"""The life of one pod, in one thread: set up, run, report, take down. Wakes on events and deadlines, never polls."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from hack.localcluster.kubelet.api import KubeletClient
from hack.localcluster.kubelet.container import Container, Pace, StartRefused
from hack.localcluster.kubelet.environment import ReferenceMissing, environment
from hack.localcluster.kubelet.processes import Launch, Launcher, Process
from hack.localcluster.kubelet.status import pod_status
from hack.localcluster.kubelet.volumes import PodVolumes, VolumeLookup, VolumeUnavailable, mounts_of
from hack.localcluster.pod_network import PodNetwork
from informers.clock import Clock
from informers.errors import ClientError, Conflict, NotFound
from informers.resource import ObjectKey, View
from reconcilers.api.resources import POD

FIELD_MANAGER = "kubelet"
_DEFAULT_GRACE_S = 30.0


class Recorder(Protocol):
    """Where events go."""

    def __call__(self, pod: View, kind: str, reason: str, note: str) -> None:
        """`kind` is Normal or Warning."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all workers share."""

    client: KubeletClient
    launcher: Launcher
    network: PodNetwork
    clock: Clock
    pace: Pace
    logger: Any
    record: Recorder
    find_pod: Callable[[ObjectKey], View | None]
    lookup: Callable[[str], VolumeLookup]
    pods_folder: Path
    logs_folder: Path


class PodWorker:
    """Runs the pod that `pod` was when the worker was made, by uid; a successor of its name needs a new worker."""

    def __init__(self, pod: View, around: Surroundings, *, on_end: Callable[[PodWorker], None]) -> None:
        self.key = ObjectKey.of(pod)
        self.uid: str = pod["metadata"]["uid"]
        self._pod = pod
        self._around = around
        self._on_end = on_end
        self._changed = threading.Condition()
        self._woken = True
        self._halted = False
        self._folder = around.pods_folder / self.uid
        self._volumes = PodVolumes(self._folder / "volumes")
        self._address = ""
        self._published: object = None
        self._reported: dict[str, Any] = {}
        self._kill_at: float | None = None
        self._complaint = ""
        self._init = self._containers("initContainers")
        self._main = self._containers("containers")
        self._logger = around.logger.bind(namespace=self.key.namespace, pod=self.key.name)
        self._thread = threading.Thread(target=self._run, name=f"pod {self.key}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Something may have changed: look again."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def halt(self) -> None:
        """The cluster ends: kill what runs and tell nobody; `join` waits for it."""
        with self._changed:
            self._halted = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> None:
        """Wait for the end."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        clock = self._around.clock
        try:
            while not self._halted:
                try:
                    again = self._step(clock.monotonic())
                except ClientError as error:
                    self._logger.warning("the pod can't be reported on", reason=str(error))
                    again = clock.monotonic() + self._around.pace.retry_s
                except Exception:
                    # Whatever it is, the pod goes on: a thread that dies would leave its processes alone.
                    self._logger.exception("the pod's worker failed")
                    again = clock.monotonic() + self._around.pace.retry_s
                if again == _FINISHED:
                    return
                self._rest(again)
        finally:
            self._clean_up()
            self._on_end(self)

    def _rest(self, until: float | None) -> None:
        clock = self._around.clock
        with self._changed:
            while not self._woken and not self._halted:
                left = None if until is None else until - clock.monotonic()
                if left is not None and left <= 0:
                    break
                clock.wait(self._changed, left)
            self._woken = False

    def _step(self, now: float) -> float | None:
        live = self._around.find_pod(self.key)
        gone = live is None or live["metadata"]["uid"] != self.uid
        if not gone and live is not None:
            self._pod = live
        metadata = self._pod["metadata"]
        if gone or metadata.get("deletionTimestamp"):
            return self._take_down(now, gone=gone)
        unschedulable = self._unschedulable()
        again: float | None = None
        if not unschedulable:
            if not self._address:
                self._address = self._around.network.join()
            again = self._run_containers(now)
        self._report(unschedulable)
        return again

    def _run_containers(self, now: float) -> float | None:
        lookup = self._around.lookup(self.key.namespace)
        try:
            folders = self._volumes.prepare(self._pod, lookup)
        except VolumeUnavailable as error:
            self._complain("FailedMount", str(error))
            if not any(container.running for container in (*self._init, *self._main)):
                return now + self._around.pace.retry_s
            # A running pod keeps what it has, as the kubelet's volume manager does.
            folders = None
        policy = self._pod["spec"].get("restartPolicy", "Always")
        wall = datetime.now(UTC)
        dues = []
        for container in self._init:
            repeat = policy != "Never" and not (container.process and container.process.exit_code == 0)
            dues.append(container.step(now=now, wall=wall, restarts=repeat, start=self._starter(container, folders)))
            if not container.ended or (container.last_end or {}).get("exitCode") != 0:
                return _earliest(dues)
        for container in self._main:
            code = container.process.exit_code if container.process else None
            repeat = policy == "Always" or (policy == "OnFailure" and code != 0)
            dues.append(container.step(now=now, wall=wall, restarts=repeat, start=self._starter(container, folders)))
        self._publish()
        return _earliest(dues)

    def _starter(self, container: Container, folders: dict[str, Path] | None) -> Callable[[], Process]:
        def start() -> Process:
            lookup = self._around.lookup(self.key.namespace)
            if folders is None:
                raise StartRefused("CreateContainerConfigError", self._complaint)
            try:
                mounts = mounts_of(container.spec, folders)
                values = environment(container.spec, self._pod, lookup, pod_address=self._address)
            except (ReferenceMissing, VolumeUnavailable) as error:
                raise StartRefused("CreateContainerConfigError", str(error)) from error
            folder = self._folder / "containers" / container.name
            return self._around.launcher.start(
                Launch(
                    container.spec,
                    self._pod,
                    values,
                    mounts,
                    self._address,
                    folder,
                    self._log(container.name),
                    self.wake,
                )
            )

        return start

    def _publish(self) -> None:
        """Let the Services reach the pod: by the first container that has ports."""
        route = next((c.process.route for c in self._main if c.process and c.process.route), None)
        if route == self._published:
            return
        self._published = route
        if route is None:
            self._around.network.withdraw(self._address)
        else:
            self._around.network.publish(self._address, route)

    def _take_down(self, now: float, *, gone: bool) -> float | None:
        containers = [*self._init, *self._main]
        grace_s = self._grace_s(gone=gone)
        if self._kill_at is None:
            self._kill_at = now + grace_s
            self._terminate(containers)
        elif not gone:
            # A second deletion may have shortened the grace period.
            self._kill_at = min(self._kill_at, now + grace_s)
        for container in containers:
            if container.process is not None and now >= self._kill_at:
                container.process.kill()
            container.observe_end(now=now, wall=datetime.now(UTC))
        ended = not any(container.running for container in containers)
        if not gone:
            self._report_end(ended=ended)
        return _FINISHED if ended else self._kill_at

    def _terminate(self, containers: list[Container]) -> None:
        for container in containers:
            if container.process is not None:
                self._record("Normal", "Killing", f"Stopping container {container.name}")
                container.process.terminate()

    def _report_end(self, *, ended: bool) -> None:
        try:
            self._report("")
            if ended:
                self._around.client.delete_now(self.key, uid=self.uid)
        except (NotFound, Conflict):
            return  # gone already, or the name is another pod's by now

    def _grace_s(self, *, gone: bool) -> float:
        metadata, spec = self._pod["metadata"], self._pod["spec"]
        given = metadata.get("deletionGracePeriodSeconds") if not gone else None
        chosen = given if given is not None else spec.get("terminationGracePeriodSeconds")
        return float(_DEFAULT_GRACE_S if chosen is None else chosen)

    def _unschedulable(self) -> str:
        lookup = self._around.lookup(self.key.namespace)
        for volume in self._pod["spec"].get("volumes") or ():
            claim = volume.get("persistentVolumeClaim")
            if claim and lookup.claim_folder(claim["claimName"]) is None and not self._address:
                return f'persistentvolumeclaim "{claim["claimName"]}" not found or not bound'
        return ""

    def _report(self, unschedulable: str) -> None:
        initialized = all(c.ended and (c.last_end or {}).get("exitCode") == 0 for c in self._init)
        for container in self._main:
            if self._init and not initialized and not container.running:
                container.waiting = ("PodInitializing", "")
        status = pod_status(
            self._pod,
            containers=[container.status() for container in self._main],
            init_containers=[container.status() for container in self._init],
            initialized=initialized,
            unschedulable=unschedulable,
            address=self._address,
            previous=self._reported,
            now=datetime.now(UTC),
        )
        # Compared with what was said last, not with the cache: that one may not have heard it yet.
        if status != self._reported:
            self._around.client.merge_patch(
                POD, self.key, {"status": status}, field_manager=FIELD_MANAGER, subresource="status"
            )
            self._reported = status

    def _complain(self, reason: str, note: str) -> None:
        if note != self._complaint:
            self._complaint = note
            self._record("Warning", reason, note)

    def _record(self, kind: str, reason: str, note: str) -> None:
        self._around.record(self._pod, kind, reason, note)

    def _containers(self, field: str) -> list[Container]:
        grace_s, pace = self._grace_s(gone=True), self._around.pace
        specs = self._pod["spec"].get(field) or ()
        return [
            Container(spec, grace_s=grace_s, pace=pace, record=self._record, log=self._log(spec["name"]))
            for spec in specs
        ]

    def _log(self, container: str) -> Path:
        return self._around.logs_folder / f"{self.key.namespace}_{self.key.name}_{container}.log"

    def _clean_up(self) -> None:
        for container in (*self._init, *self._main):
            if container.process is not None:
                container.process.kill()
        if self._address:
            self._around.network.leave(self._address)
        shutil.rmtree(self._folder, ignore_errors=True)


#: What `_step` says when the pod is no more.
_FINISHED = -1.0


def _earliest(dues: list[float | None]) -> float | None:
    return min((due for due in dues if due is not None), default=None)
