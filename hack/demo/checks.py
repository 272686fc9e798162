"""What `--once` adds to the demo: a changed spec, a broken child that is repaired, a deletion that leaves no orphan."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console

from hack.demo.processes import DemoFailedError, Kubectl
from hack.demo.progress import Progress, ready
from hack.localcluster.cluster import LocalCluster
from informers.client import Client
from informers.errors import NotFound
from informers.resource import ObjectKey
from reconcilers import names
from reconcilers.api import resources

INSTANCE = "demo"
KEPT = {"PersistentVolumeClaim", "Secret"}


def run(console: Console, kubectl: Kubectl, client: Client, progress: Progress, namespace: str) -> None:
    """Go through the life of the samples; raises DemoFailedError at the first step that goes wrong."""
    _change_the_spec(kubectl, client, progress, namespace)
    console.print("  the Service demo-nfs follows")
    _break_a_child(console, kubectl, client, progress, namespace)
    _delete(console, kubectl, progress, namespace)


def _change_the_spec(kubectl: Kubectl, client: Client, progress: Progress, namespace: str) -> None:
    patch = json.dumps({"spec": {"adapters": {"nfs": {"port": 12049}}}})
    kubectl("patch", "dittofs", INSTANCE, "-n", namespace, "--type=merge", "-p", patch)
    service = ObjectKey(namespace, f"{INSTANCE}-nfs")

    def followed(state: Any) -> bool:
        port = client.get(resources.SERVICE, service)["spec"]["ports"][0]["port"]
        return port == 12049 and all(map(ready, state.values()))

    progress.until("changed spec.adapters.nfs.port to 12049", followed)


def _break_a_child(console: Console, kubectl: Kubectl, client: Client, progress: Progress, namespace: str) -> None:
    service = ObjectKey(namespace, f"{INSTANCE}-nfs")
    old = client.get(resources.SERVICE, service)["metadata"]["uid"]
    kubectl("delete", "service", service.name, "-n", namespace)
    progress.until("deleted the Service demo-nfs by hand", lambda _: _uid_of(client, service) not in (None, old))
    console.print("  made again")
    config = ObjectKey(namespace, names.config_map(INSTANCE))
    good = client.get(resources.CONFIG_MAP, config)["data"]
    broken = json.dumps({"data": {"config.yaml": "broken by hand"}})
    kubectl("patch", "configmap", config.name, "-n", namespace, "--type=merge", "-p", broken)
    progress.until("broke the ConfigMap by hand", lambda _: client.get(resources.CONFIG_MAP, config)["data"] == good)
    console.print("  repaired")


def _uid_of(client: Client, service: ObjectKey) -> str | None:
    try:
        return str(client.get(resources.SERVICE, service)["metadata"]["uid"])
    except NotFound:
        return None


def _delete(console: Console, kubectl: Kubectl, progress: Progress, namespace: str) -> None:
    kubectl("delete", "dittofsshares", "--all", "-n", namespace, "--timeout=30s")
    kubectl("delete", "dittofs", INSTANCE, "-n", namespace, "--timeout=30s")
    kept = _eventually(
        lambda: (found := progress.children(INSTANCE)) and {one.split("/")[0] for one in found} <= KEPT and found,
        "children are left after the deletion of the DittoFS",
        progress,
    )
    console.print(f"deleted everything; kept by default, as data: {', '.join(kept)}", soft_wrap=True)
    selector = f"{names.INSTANCE_LABEL}={INSTANCE}"
    kubectl("delete", "persistentvolumeclaims,secrets", "-n", namespace, "-l", selector, "--timeout=30s")
    _eventually(lambda: not progress.children(INSTANCE), "objects are left", progress)
    pods = kubectl("get", "pods", "-n", namespace, "-o", "name").split()
    if pods:
        raise DemoFailedError(f"pods are left: {pods}")
    console.print("deleted the kept claims and Secrets too: nothing is left")


def _eventually(reached: Callable[[], Any], otherwise: str, progress: Progress, *, timeout_s: float = 20) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := reached()):
        if time.monotonic() > deadline:
            raise DemoFailedError(f"{otherwise}: {progress.children(INSTANCE)}")
        time.sleep(0.1)
    return found


def nothing_runs_on(cluster: LocalCluster) -> None:
    """Raise DemoFailedError when the stopped `cluster` left a process or its folder behind."""
    left = cluster.leftovers()
    if left:
        raise DemoFailedError(f"the local cluster left behind: {', '.join(left)}")
