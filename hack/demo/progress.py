"""What the demo shows while it waits: one line per custom resource, live on a terminal, else a line per change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from hack.demo.processes import DemoFailedError
from informers.client import Client
from informers.resource import Resource, View
from reconcilers import names
from reconcilers.api import resources

LOOK_EVERY_S = 0.2
MARKS = {"True": "✓", "False": "✗", "Unknown": "·"}

State = Mapping[str, View]


class Progress:
    """Looks at the custom resources of `namespace` and shows each one's phase, conditions and children."""

    def __init__(self, *, client: Client, namespace: str, console: Console, still_alive: Callable[[], None]) -> None:
        self._client = client
        self._namespace = namespace
        self._console = console
        self._still_alive = still_alive
        self._lines: dict[str, str] = {}

    def until(self, what: str, reached: Callable[[State], bool], *, timeout_s: float = 40) -> State:
        """Show lines until `reached` says so of the objects by `Kind/name`; returns them.

        Raises:
            DemoFailedError: not reached in `timeout_s` seconds; the message holds the last lines.
        """
        deadline = time.monotonic() + timeout_s
        pause = threading.Event()
        self._console.print(f"[bold]{what}[/bold]")
        with Live(console=self._console, refresh_per_second=10, transient=False) as live:
            while True:
                self._still_alive()
                state = self._state()
                self._show(live, state)
                if reached(state):
                    return state
                if time.monotonic() > deadline:
                    raise DemoFailedError(
                        f"{what}: not reached in {timeout_s:g} s:\n" + "\n".join(self._lines.values())
                    )
                pause.wait(LOOK_EVERY_S)

    def children(self, instance: str) -> list[str]:
        """The `Kind/name` of every child object of `instance`."""
        selector = f"{names.INSTANCE_LABEL}={instance}"
        return sorted(
            f"{resource.kind}/{item['metadata']['name']}"
            for resource in resources.CHILDREN
            for item in self._list(resource, selector)
        )

    def _state(self) -> dict[str, Any]:
        return {
            f"{resource.kind}/{item['metadata']['name']}": item
            for resource in (resources.DITTOFS, resources.DITTOFS_SHARE)
            for item in self._list(resource)
        }

    def _list(self, resource: Resource, selector: str = "") -> Iterable[View]:
        return self._client.list(resource, namespace=self._namespace, label_selector=selector).items

    def _show(self, live: Live, state: State) -> None:
        lines = {key: self._line(key, item) for key, item in state.items()}
        if self._console.is_terminal:
            live.update(Text("\n".join(lines.values())))
        else:
            for key, line in lines.items():
                if self._lines.get(key) != line:
                    self._console.print(line, highlight=False, soft_wrap=True)
        self._lines = lines

    def _line(self, key: str, item: View) -> str:
        status = item.get("status") or {}
        conditions = " ".join(
            f"{MARKS.get(condition['status'], '?')}{condition['type']}" for condition in status.get("conditions") or ()
        )
        name = item["metadata"]["name"]
        made = f"  children: {len(self.children(name))}" if key.startswith("DittoFS/") else ""
        return f"  {key:<24} {status.get('phase', ''):<18} {conditions}{made}"


def ready(item: View | None) -> bool:
    """Whether the object exists, is Ready, and its status speaks of its newest spec."""
    if item is None:
        return False
    status = item.get("status") or {}
    current = status.get("observedGeneration") == item["metadata"].get("generation")
    return current and any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
