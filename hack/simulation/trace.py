"""What happened in a run: virtual time, actor, event. Its hash tells whether two runs were the same."""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections import deque
from typing import Any, Self

from hack.simulation.scheduler import Scheduler

#: So many of the last lines are kept.
_KEPT = 20_000


_RENEWED = "/leases/dittofs-operator -> 200"


class Trace:
    """Lines with the time of `scheduler`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._start_s = scheduler.now
        self._lines: deque[tuple[float, str, str]] = deque(maxlen=_KEPT)
        self._hash = hashlib.blake2b(digest_size=8)

    def add(self, actor: str, text: str) -> None:
        """One event; a renewed lease is not worth a line."""
        at = self._scheduler.now - self._start_s
        if not text.endswith(_RENEWED):
            self._lines.append((at, actor, text))
        self._hash.update(f"{at:.6f} {actor} {text}\n".encode())

    @property
    def digest(self) -> str:
        """The hash over all lines."""
        return self._hash.hexdigest()

    def last(self, count: int) -> list[str]:
        """The last `count` lines, for people."""
        lines = list(self._lines)[-count:]
        return [f"{at:10.3f}  {actor:<14} {text}" for at, actor, text in lines]


class TraceLogger:
    """A structlog logger, as far as the code under test uses one, that writes into a trace."""

    def __init__(self, trace: Trace, scheduler: Scheduler, bound: dict[str, Any] | None = None) -> None:
        self._trace = trace
        self._scheduler = scheduler
        self._bound = bound or {}

    def bind(self, **fields: Any) -> Self:
        """A logger that repeats `fields`."""
        return type(self)(self._trace, self._scheduler, {**self._bound, **fields})

    def debug(self, event: str, **fields: Any) -> None:
        """Too much for a trace."""

    def info(self, event: str, **fields: Any) -> None:
        """One line."""
        known = {name: value for name, value in self._bound.items() if name != "identity"}
        words = " ".join(f"{name}={value}" for name, value in (known | fields).items())
        self._trace.add(self._scheduler.process.name, f"{event} {words}")

    warning = info
    error = info

    def exception(self, event: str, **fields: Any) -> None:
        """One line, with the exception that is handled."""
        error = sys.exc_info()[1]
        frame = traceback.extract_tb(error.__traceback__)[-1] if error is not None and error.__traceback__ else None
        where = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" if frame is not None else ""
        self.info(event, **fields, exception=f"{type(error).__name__}: {error} at {where}")
