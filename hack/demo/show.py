"""The table at the end of the demo: what was made, how to mount it, how to look around."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from hack.demo.processes import Kubectl, Operator
from hack.demo.progress import Progress


def what_was_made(console: Console, kubectl: Kubectl, progress: Progress, running: Operator, namespace: str) -> None:
    """Print the children, kubectl's view of the custom resources, the mount lines and the addresses."""
    table = Table(title="what the operator made of the samples")
    table.add_column("kind")
    table.add_column("name")
    for child in progress.children("demo"):
        table.add_row(*child.split("/"))
    console.print(table)
    for kind in ("dittofs", "dittofsshares"):
        console.print(kubectl("get", kind, "-n", namespace).rstrip(), soft_wrap=True)
    for share in json.loads(kubectl("get", "dittofsshares", "-n", namespace, "-o", "json"))["items"]:
        console.print(f"mount {share['metadata']['name']}:  {share['status']['mount']}", soft_wrap=True)
    console.print(f"look around:  .venv/bin/kubectl --kubeconfig {kubectl.kubeconfig} get dittofs", soft_wrap=True)
    console.print(f"metrics:      http://{running.metrics_address}/metrics")
    console.print(f"health:       http://{running.health_address}/readyz?verbose")
