"""A watch of one Lease, for those who wait to lead: each change is a hint to look, and nothing is decided by it.

So an event that is late, lost, invented or never comes does no harm: the elector reads the Lease now and then, anyway.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from informers.backoff import BackoffPolicy, JitteredBackoff
from informers.clock import Clock
from informers.lease import LEASES
from informers.resource import ObjectKey, Resource
from informers.watch import WatchStream

#: The server ends a watch after a random time in this range.
WATCH_TIMEOUT_S = (300.0, 600.0)

#: A standby without its watch is slow to lead, so it is soon there again.
RECONNECT = BackoffPolicy(initial_s=0.5, factor=2.0, cap_s=5.0, jitter=0.5, reset_s=60.0)


class Hints(Protocol):
    """What tells a follower that the Lease may have changed, such as a `LeaseWatch`."""

    def start(self, changed: Callable[[], None]) -> None:
        """Call `changed` from now on, from any thread."""

    def stop(self) -> None:
        """Call it no more; never waits. May be called again."""


class LeaseWatcher(Protocol):
    """The call of `informers.client.Client` that a watch of a Lease makes."""

    def watch(
        self,
        resource: Resource,
        *,
        resource_version: str,
        timeout_s: int,
        namespace: str,
        field_selector: str,
        read_timeout_s: float,
    ) -> WatchStream:
        """A stream of changes."""


class LeaseWatch:
    """See the module. It takes one connection and one thread, both only between `start` and `stop`."""

    def __init__(
        self,
        client: LeaseWatcher,
        key: ObjectKey,
        *,
        clock: Clock,
        random: Random,
        logger: Any,  # noqa: ANN401 - structlog's bound loggers share no type
        silence_s: float = 15.0,
    ) -> None:
        """After `silence_s` without a word the connection is replaced: a lease that lives is renewed more often."""
        self._client = client
        self._key = key
        self._clock = clock
        self._random = random
        self._logger = logger
        self._silence_s = silence_s
        self._condition = threading.Condition()
        self._round = 0
        self._stream: WatchStream | None = None
        self._told = ""

    def start(self, changed: Callable[[], None]) -> None:
        """Call `changed`, which must not block, from a thread whenever the Lease may have changed."""
        with self._condition:
            self._round += 1
            number = self._round
        threading.Thread(target=self._run, args=(changed, number), name="lease-watch", daemon=True).start()

    def stop(self) -> None:
        """Watch no more. Does not wait: the thread ends by itself, at once. May be called again."""
        with self._condition:
            self._round += 1
            stream, self._stream = self._stream, None
            self._condition.notify_all()
        if stream is not None:
            stream.close()

    def _run(self, changed: Callable[[], None], number: int) -> None:
        backoff = JitteredBackoff(RECONNECT, clock=self._clock, random=self._random)
        while self._round == number:
            try:
                self._watch(changed, number)
            except Exception as error:  # noqa: BLE001 - without hints the elector is slower, never wrong
                self._tell(f"{type(error).__name__}: {error}", number)
            self._pause(backoff.next_s(), number)

    def _watch(self, changed: Callable[[], None], number: int) -> None:
        # Without a version the watch begins with the Lease as it is, so nothing is missed between two of them.
        stream = self._client.watch(
            LEASES,
            resource_version="",
            timeout_s=int(self._random.uniform(*WATCH_TIMEOUT_S)),
            namespace=self._key.namespace,
            field_selector=f"metadata.name={self._key.name}",
            read_timeout_s=self._silence_s,
        )
        with self._condition:
            if self._round != number:
                return
            self._stream = stream
        with stream:
            for event in stream:
                if self._round != number:
                    return
                self._told = ""
                if event.type != "BOOKMARK":
                    changed()

    def _tell(self, reason: str, number: int) -> None:
        """Log what ended the watch: once, until it works again or the reason is another."""
        if self._round == number and reason != self._told:
            self._told = reason
            self._logger.warning("watch of the lease ended: a hand-over to this process may be slower", reason=reason)

    def _pause(self, seconds: float, number: int) -> None:
        until = self._clock.monotonic() + seconds
        with self._condition:
            while self._round == number and (left := until - self._clock.monotonic()) > 0:
                self._clock.wait(self._condition, left)
