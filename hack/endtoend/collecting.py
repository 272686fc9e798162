"""What helps to understand a failed run, written into a folder: events, objects, logs; of Secrets the names alone."""

from __future__ import annotations

import re
from pathlib import Path

from hack.endtoend.commands import CommandFailed, Run

#: The operator's namespace and those of the tests.
_NAMESPACES = re.compile(r"dittofs-system|test-\d+|acceptance-\d+")
_SHOWN: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("events.txt", ("get", "events", "--all-namespaces", "--sort-by=.metadata.creationTimestamp")),
    ("pods.txt", ("get", "pods", "--all-namespaces", "--output=wide")),
    ("nodes.yaml", ("get", "nodes", "--output=yaml")),
    ("custom.yaml", ("get", "dittofs,dittofsshares,dittofsbackups", "--all-namespaces", "--output=yaml")),
    (
        "objects.yaml",
        (
            "get",
            "deployments,statefulsets,pods,services,configmaps,persistentvolumeclaims,leases,networkpolicies",
            "--all-namespaces",
            "--output=yaml",
        ),
    ),
    ("volumes.yaml", ("get", "persistentvolumes,storageclasses", "--output=yaml")),
    (
        "secrets.txt",
        ("get", "secrets", "--all-namespaces", "--output=custom-columns=:.metadata.namespace,:.metadata.name"),
    ),
)


def collect(run: Run, kubectl: tuple[str, ...], folder: Path) -> None:
    """Write all that can be had into `folder`; what can't be had is told in the file that it would fill."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, arguments in _SHOWN:
        (folder / name).write_text(_ask(run, *kubectl, *arguments))
    listed = _ask(
        run,
        *kubectl,
        "get",
        "pods",
        "--all-namespaces",
        "--no-headers",
        "--output=custom-columns=:.metadata.namespace,:.metadata.name",
    )
    for namespace, pod in (line.split() for line in listed.splitlines() if len(line.split()) == 2):
        if _NAMESPACES.fullmatch(namespace):
            logs = (*kubectl, "logs", f"--namespace={namespace}", pod, "--all-containers", "--prefix")
            (folder / f"{namespace}.{pod}.log").write_text(_ask(run, *logs))
            (folder / f"{namespace}.{pod}.previous.log").write_text(_ask(run, *logs, "--previous"))


def _ask(run: Run, *command: str) -> str:
    try:
        return run(*command)
    except CommandFailed as error:
        return f"{error}\n"
