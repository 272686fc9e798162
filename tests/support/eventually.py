"""Waits for what happens in other threads and processes, with a deadline and a message that says what was seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from informers.errors import ClientError

Value = TypeVar("Value")

POLL_S = 0.02


def eventually(predicate: Callable[[], Value | None], timeout_s: float = 10.0, *, what: str = "") -> Value:
    """Call `predicate` until its value is true, and return that; AssertionError with the last value after `timeout_s`.

    A ClientError, an OSError (nobody listens yet) or an AssertionError of the predicate counts as "not yet".
    """
    deadline = time.monotonic() + timeout_s
    while True:
        seen: object
        try:
            seen = value = predicate()
            if value:
                return value
        except (ClientError, OSError, AssertionError) as error:
            seen = error
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or 'it'} did not happen within {timeout_s:g} s; last seen: {seen!r}")
        time.sleep(POLL_S)  # the only place where tests wait: for another thread or process, never for the clock
