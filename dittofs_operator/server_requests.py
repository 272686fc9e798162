"""Counts what the operator asks the servers: the metric dittofs_operator_server_requests_total."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter

from informers.clock import Clock
from reconcilers.server.errors import ServerRefused, ServerUnreachable
from reconcilers.server.http import HttpTransport, Transport
from reconcilers.server.tls import Tls

#: The code of a request that got no whole answer.
UNREACHABLE = "unreachable"


class CountedTransports:
    """Makes transports whose requests are counted together, by method and HTTP status."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "dittofs_operator_server_requests_total",
            "Requests to the REST API of DittoFS servers, by method and HTTP status.",
            ["method", "code"],
            registry=registry,
        )

    def __call__(self, base_url: str, *, host: str, clock: Clock, tls: Tls | None) -> Transport:
        """A transport to the server at `base_url`, addressed as `host`."""
        return _Counted(HttpTransport(base_url, host=host, clock=clock, tls=tls), self._requests)


class _Counted:
    def __init__(self, transport: Transport, requests: Counter) -> None:
        self._transport = transport
        self._requests = requests

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: str = "",
        within_s: float | None = None,
        patience_s: float | None = None,
    ) -> object:
        # A success is counted as 200, whichever of the 2xx it was: the caller is not told either.
        code = "200"
        try:
            return self._transport.call(method, path, body, token=token, within_s=within_s, patience_s=patience_s)
        except ServerRefused as error:
            code = str(error.status)
            raise
        except ServerUnreachable:
            code = UNREACHABLE
            raise
        finally:
            self._requests.labels(method, code).inc()

    def close(self) -> None:
        self._transport.close()
