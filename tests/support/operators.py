"""The operator as the scenarios see it: two replicas, of which one leads, however they run."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from hack.localcluster.kubelet.api import KubeletClient
from informers import configuration
from informers.client import Client
from informers.errors import NotFound
from informers.resource import Manifest, ObjectKey, Resource
from reconcilers.api.resources import LEASE, POD
from tests.support.acceptance import PATIENCE_S, USER
from tests.support.eventually import eventually
from tests.support.operator_process import OperatorProcess, operator_process
from tests.support.place import Place

NAMESPACE = "dittofs-system"
_OPERATOR = ObjectKey(NAMESPACE, "dittofs-operator")
_DEPLOYMENT = Resource("apps", "v1", "deployments", "Deployment")
#: Short, since a killed leader is followed no sooner; long enough for two busy cores.
_LEASE = ("--lease-duration=8s", "--renew-deadline=6s", "--retry-period=1s")


class OperatorName(StrEnum):
    """How the operator of the scenarios runs, by the word of `--operator`."""

    PROCESS = "process"
    INSTALLED = "installed"


class Operators(Protocol):
    """Two replicas of the operator."""

    def leader(self) -> str:
        """The identity of the one that holds the Lease; empty while none does."""
        ...

    def kill_leader(self) -> None:
        """End the leader without a warning; the other one has taken over when this returns."""
        ...

    def restart(self) -> None:
        """Give way to new replicas one by one, as an upgrade does; one of the new ones leads when this returns."""
        ...


class _Leading:
    """Who leads, by the Lease."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def leader(self) -> str:
        try:
            lease = self._client.get(LEASE, _OPERATOR)
        except NotFound:
            return ""
        return str(lease["spec"].get("holderIdentity") or "")

    def _until_another_leads(self, former: str) -> None:
        eventually(lambda: self.leader() not in ("", former), PATIENCE_S, what=f"a leader after {former}")


class OperatorProcesses(_Leading):
    """Processes of this machine, with the identity of the operator's ServiceAccount."""

    def __init__(self, client: Client, place: Place, logs: Path, stack: contextlib.ExitStack) -> None:
        super().__init__(client)
        self._place = place
        self._logs = logs
        self._stack = stack
        self._running: list[OperatorProcess] = []
        self._started = 0

    def start(self) -> None:
        """Start both; one leads when this returns."""
        for _ in range(2):
            self._start_one()
        eventually(lambda: any(one.leads() for one in self._running), PATIENCE_S, what="a leader")

    def kill_leader(self) -> None:
        former = self.leader()
        leader = next(one for one in self._running if one.leads())
        leader.signal(signal.SIGKILL)
        leader.wait()
        self._running.remove(leader)
        self._until_another_leads(former)
        self._start_one()

    def restart(self) -> None:
        for former in list(self._running):
            self._start_one()
            former.signal(signal.SIGTERM)
            assert former.wait() == 0, former.log_tail()
            self._running.remove(former)
        eventually(lambda: any(one.leads() for one in self._running), PATIENCE_S, what="a leader")

    def _start_one(self) -> None:
        self._started += 1
        log = self._logs / f"operator-{self._started}.log"
        running: AbstractContextManager[OperatorProcess] = operator_process(
            self._place.operator_kubeconfig, log, lease_namespace=NAMESPACE, flags=_LEASE
        )
        process = self._stack.enter_context(running)
        process.until_ready()
        self._running.append(process)


class InstalledOperator(_Leading):
    """The pods of the Deployment that manifests/ installs."""

    def __init__(self, client: Client, place: Place) -> None:
        super().__init__(client)
        self._place = place

    def start(self) -> None:
        """Wait until it is rolled out and one leads."""
        self._until_rolled_out()
        eventually(lambda: self.leader() != "", PATIENCE_S, what="a leader")

    def kill_leader(self) -> None:
        former = self.leader()
        # An identity is a host name, which is a pod's name, and a random part.
        key = ObjectKey(NAMESPACE, former.partition("_")[0])
        node = KubeletClient(configuration.load(str(self._place.kubeconfig)).configuration, user_agent=USER)
        with contextlib.closing(node):
            node.delete_now(key, uid=self._client.get(POD, key)["metadata"]["uid"])
        self._until_another_leads(former)
        self._until_rolled_out()

    def restart(self) -> None:
        former = self.leader()
        stamp = {"tests/restarted-at": str(time.time())}
        patch = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
        self._client.merge_patch(_DEPLOYMENT, _OPERATOR, patch, field_manager=USER)
        self._until_rolled_out()
        self._until_another_leads(former)

    def _until_rolled_out(self) -> None:
        eventually(
            lambda: _is_rolled_out(self._client.get(_DEPLOYMENT, _OPERATOR)), PATIENCE_S, what="the rollout of it"
        )


def is_installed(client: Client) -> bool:
    """Whether the cluster has the operator's Deployment, with or without pods."""
    try:
        client.get(_DEPLOYMENT, _OPERATOR)
    except NotFound:
        return False
    return True


@contextlib.contextmanager
def processes(client: Client, place: Place, logs: Path) -> Iterator[Operators]:
    """Two processes of the operator, ended with the block."""
    with contextlib.ExitStack() as stack:
        made = OperatorProcesses(client, place, logs, stack)
        made.start()
        yield made


def installed(client: Client, place: Place) -> Operators:
    """The operator that the cluster has."""
    made = InstalledOperator(client, place)
    made.start()
    return made


def _is_rolled_out(deployment: Manifest) -> bool:
    status, wanted = deployment.get("status") or {}, deployment["spec"]["replicas"]
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return status.get("observedGeneration") == deployment["metadata"]["generation"] and counts == [wanted] * 3
