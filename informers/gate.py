"""The write gate: what stands between this process and every write, to the API server and to what it manages."""

from __future__ import annotations

from typing import Protocol


class WriteGate(Protocol):
    """Asked before each write; closed as soon as another process may be the leader."""

    def check(self) -> None:
        """Return when writing is allowed now; raise `informers.errors.WriteRefused` otherwise. Never blocks."""
