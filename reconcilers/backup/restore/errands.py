"""Calls that outlast a pass: each is begun once and asked about by later passes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

Spawn = Callable[[Callable[[], None]], None]


def in_a_thread(work: Callable[[], None]) -> None:
    """Do `work` beside everything else; the end of the program does not wait for it."""
    threading.Thread(target=work, name="errand", daemon=True).start()


@dataclass(slots=True)
class _Errand:
    over: bool = False
    error: Exception | None = None


class Errands:
    """Runs errands by name. Safe for many threads, for different names."""

    def __init__(self, spawn: Spawn = in_a_thread) -> None:
        self._spawn = spawn
        self._lock = threading.Lock()
        self._running: dict[str, _Errand] = {}

    def is_running(self, name: str) -> bool:
        """Whether the errand was begun and its end not told yet."""
        with self._lock:
            return name in self._running

    def run(self, name: str, call: Callable[[], None]) -> bool:
        """Whether `call` is over; it is begun unless it is under way, and forgotten once its end was told.

        Raises what it raised.
        """
        with self._lock:
            errand = self._running.get(name)
            begun = errand is not None
            if errand is None:
                errand = self._running[name] = _Errand()
        if not begun:
            self._spawn(lambda: _do(call, errand))
        with self._lock:
            if not errand.over:
                return False
            del self._running[name]
        if errand.error is not None:
            raise errand.error
        return True


def _do(call: Callable[[], None], errand: _Errand) -> None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whoever asks for the outcome gets it
        errand.error = error
    errand.over = True
