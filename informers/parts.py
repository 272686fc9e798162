"""What a manager needs of the parts that it starts and stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from informers.election import Step
from informers.resource import Resource


class Informer(Protocol):
    """What the manager needs of an informer."""

    @property
    def resource(self) -> Resource:
        """What it watches."""

    @property
    def has_synced(self) -> bool:
        """Whether the first list is in."""

    @property
    def last_error(self) -> str:
        """Verb, resource and reason of what fails; empty when all is well."""

    @property
    def unready_reason(self) -> str | None:
        """Why what it holds isn't fit to act on; None when it is."""

    def start(self) -> None:
        """Begin to list and watch."""

    def stop(self, timeout_s: float) -> bool:
        """End; whether all of it had ended in time."""


class Elector(Protocol):
    """What the manager needs of `informers.election.LeaseElector`."""

    @property
    def is_leader(self) -> bool:
        """Whether this process may write now."""

    @property
    def running(self) -> bool:
        """Whether its thread runs."""

    @property
    def write_until(self) -> float:
        """When the gate closes unless the lease is renewed."""

    def start(self, listener: Callable[[Step], None]) -> None:
        """Campaign in a thread, until the lease is lost."""

    def stop(self, timeout_s: float) -> bool:
        """End, and release the lease if it is ours."""

    def health_error(self) -> str | None:
        """What is wrong with the thread."""


class Recorder(Protocol):
    """What the manager needs of `informers.events.EventRecorder`."""

    def start(self) -> None:
        """Begin to write."""

    def stop(self, timeout_s: float) -> bool:
        """Write what waits."""
