"""What archives live in: the world of backups, the other reconcilers' answers to a hold, and Jobs that end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from informers.resource import Manifest, ObjectKey
from informers.view import thaw
from reconcilers.api.resources import JOB, POD
from reconcilers.hold import HELD, Hold, HoldMode, standing
from tests.support.backup_world import BackupWorld, Killed
from tests.support.dittofs_server import LiveServer, double_dittofs_server
from tests.support.share_world import INSTANCE

SHA256 = "ab" * 32
COVERED = {"controlPlane": "Included", "metadata": "Included", "payload": "Included"}
WRITTEN = {"result": "Completed", "manifestSHA256": SHA256, "storedBytes": 20_480, "covered": COVERED}
TARGET: Mapping[str, Any] = {"pvc": {"size": "1Gi"}}


class ArchiveWorld(BackupWorld):
    """One instance whose other reconcilers respect holds at once, and a node that runs Jobs, one step at a time."""

    def __init__(self, server: LiveServer) -> None:
        #: By the end of a Job's name, what it tells; None: it goes on.
        self.tells: dict[str, Mapping[str, Any] | None] = {}
        #: What must never be: said by whoever saw it.
        self.harm: list[str] = []
        #: Names of all Jobs that were made, in order.
        self.jobs_made: list[str] = []
        #: What the server did, as its clients see it.
        self.states: list[str] = ["serving"]
        super().__init__(server)

    def archive(self, name: str = "weekly", **spec: Any) -> ObjectKey:
        return self.put_backup(name, method="Archive", **{"target": TARGET, **spec})

    def held(self) -> Hold | None:
        view = self.objects.instances.get(INSTANCE)
        assert view is not None
        return standing(view, self.objects.backups, now=self.clock.now()).hold

    def surroundings(self) -> None:
        """What the others do between two passes."""
        hold = self.held()
        self._respect(hold)
        for view in self.objects.jobs.list():
            job: Manifest = thaw(view)
            if job["metadata"]["uid"] not in self.jobs_made:
                self.jobs_made.append(job["metadata"]["uid"])
            if not job.get("status"):
                self._run(job, hold)

    def told_jobs(self) -> list[str]:
        return [view["metadata"]["name"] for view in self.objects.jobs.list()]

    def step(self, key: ObjectKey) -> Any:
        self.surroundings()
        result = self.pass_over(key)
        self.surroundings()
        return result

    def go(self, key: ObjectKey, *phases: str, passes: int = 30) -> str:
        """Pass after pass until the backup has one of the phases; gives the one that it has at the end."""
        for _ in range(passes):
            if self.phase(key) in phases:
                break
            self.step(key)
        return self.phase(key)

    def message(self, key: ObjectKey) -> str:
        return str(next(c["message"] for c in self.backup_status(key)["conditions"] if c["type"] == "Ready"))

    def has_pod(
        self, job_name: str, phase: str, *, status: Manifest, container: Mapping[str, Any] | None = None
    ) -> None:
        """Let the one pod of a Job be in `phase`, and the Job have `status`."""
        job = self.objects.get(JOB, ObjectKey("default", job_name))
        self.objects.put({**job, "status": status})
        self.objects.put(
            {
                "kind": POD.kind,
                "apiVersion": POD.api_version,
                "metadata": {
                    "name": f"{job_name}-x",
                    "namespace": "default",
                    "uid": f"pod-{job['metadata']['uid']}",
                    "ownerReferences": [{"kind": JOB.kind, "uid": job["metadata"]["uid"]}],
                },
                "status": {"phase": phase, "containerStatuses": [container] if container else []},
            }
        )

    def has_no_pod(self, job_name: str) -> None:
        """Let the one pod of a Job be gone."""
        self.objects.delete(POD, ObjectKey("default", f"{job_name}-x"))

    def _respect(self, hold: Hold | None) -> None:
        instance: Manifest = thaw(self.objects.instances.get(INSTANCE))
        mode = None if hold is None else hold.mode
        words = "" if hold is None else hold.words()
        stopped = mode is HoldMode.STOP
        known = {"status": "True", "message": words, "lastTransitionTime": "2030-01-02T03:00:00Z"}
        conditions = [
            {**known, "type": "StatefulSetReady", "reason": "Stopped" if stopped else "Ready"},
            {**known, "type": "Available", "reason": HELD if mode else "Healthy"},
        ]
        status = instance["status"]
        if status.get("conditions") != conditions:
            status |= {"conditions": conditions, "apiReachable": not stopped}
            self.objects.put(instance)
            state = "stopped" if stopped else "silent" if mode is HoldMode.ADAPTERS_OFF else "serving"
            self.states += [state] if state != self.states[-1] else []

    def _run(self, job: Manifest, hold: Hold | None) -> None:
        suffix = job["metadata"]["name"].rpartition("-")[2]
        if suffix == "bk" and (hold is None or hold.mode is not HoldMode.STOP):
            self.harm.append(f"{job['metadata']['name']} copies beside a running server")
        told = self.tells.get(suffix, WRITTEN)
        if told is None:
            return
        done = told["result"] == "Completed"
        ended = {"type": "Complete" if done else "Failed", "status": "True"}
        container = {"state": {"terminated": {"message": json.dumps(told)}}}
        name, phase = job["metadata"]["name"], "Succeeded" if done else "Failed"
        self.has_pod(name, phase, status={"conditions": [ended]}, container=container)


@contextmanager
def archive_world(directory: Path) -> Iterator[ArchiveWorld]:
    """An ArchiveWorld whose server keeps its things in the empty `directory`."""
    with double_dittofs_server(directory, container_paths=True) as server:
        for folder in ("data/metadata", "data/payload", "data/cache"):
            (directory / folder).mkdir(parents=True)
        world = ArchiveWorld(server)
        try:
            yield world
        finally:
            world.close()


__all__ = ["COVERED", "SHA256", "TARGET", "WRITTEN", "ArchiveWorld", "Killed", "archive_world"]
