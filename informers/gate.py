"""The write gate: what stands between this process and every write, to the API server and to what it manages."""

from __future__ import annotations

from typing import Protocol


class WriteGate(Protocol):
    """Asked before each write; closed as soon as another process may be the leader."""

    def check(self) -> float:
        """Seconds before another process may be the leader, so for which a write sent now may be under way.

        Raises `informers.errors.WriteRefused` when writing is not allowed now. Never blocks.
        """
