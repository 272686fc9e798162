"""Sessions: one login per instance, shared by every reconciler; renewed before it ends and after a 401.

Access tokens are stateless on the server (dittofs-server 4.1), so a session outlives a changed password until it ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from informers.clock import Clock
from informers.gate import WriteGate
from informers.resource import ObjectKey
from reconcilers.server.calls import API
from reconcilers.server.client import ServerClient
from reconcilers.server.errors import LoginRefused, Reaction, ServerError, ServerRefused, repeated, treatment
from reconcilers.server.http import HttpTransport, Transport
from reconcilers.server.rows import Tokens
from reconcilers.server.tls import Tls

#: Part of a token's life after which it is renewed.
RENEW_AT = 0.8
#: Life of a token whose answer names none, in seconds.
_UNTOLD_LIFE_S = 60.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """What to log in with. The password shows in no `repr`."""

    username: str
    password: str = field(repr=False)
    #: How to reach the server by TLS; None: it speaks plain HTTP.
    tls: Tls | None = None


class TransportFactory(Protocol):
    """Makes the connection to one server."""

    def __call__(self, base_url: str, *, host: str, clock: Clock, tls: Tls | None) -> Transport:
        """A transport to the server at `base_url`, addressed as `host`."""


class ServerSession(ServerClient):
    """The calls to one server under one login; with a `gate`, every call that changes something asks it first."""

    def __init__(
        self, transport: Transport, credentials: Credentials, *, clock: Clock, gate: WriteGate | None = None
    ) -> None:
        super().__init__(_LoggedIn(transport, credentials, clock=clock, gate=gate))
        self._transport = transport

    def close(self) -> None:
        """Close the idle connections; the session stays usable."""
        self._transport.close()


class Sessions:
    """The sessions of all instances. Safe for many threads."""

    def __init__(
        self, *, clock: Clock, gate: WriteGate | None = None, transport_factory: TransportFactory = HttpTransport
    ) -> None:
        self._clock = clock
        self._gate = gate
        self._transport_factory = transport_factory
        self._lock = threading.Lock()
        self._open: dict[ObjectKey, tuple[_Address, ServerSession]] = {}

    def get(self, instance: ObjectKey, *, base_url: str, host: str, credentials: Credentials) -> ServerSession:
        """The session of `instance`: the one at hand, or a new one when anything about it changed. Sends nothing."""
        address = _Address(base_url, host, credentials)
        with self._lock:
            known = self._open.get(instance)
            if known is not None and known[0] == address:
                return known[1]
            transport = self._transport_factory(base_url, host=host, clock=self._clock, tls=credentials.tls)
            session = ServerSession(transport, credentials, clock=self._clock, gate=self._gate)
            self._open[instance] = (address, session)
        if known is not None:
            known[1].close()
        return session

    def forget(self, instance: ObjectKey) -> None:
        """Drop the session of an instance that is gone."""
        with self._lock:
            known = self._open.pop(instance, None)
        if known is not None:
            known[1].close()

    def close(self) -> None:
        """Drop every session."""
        with self._lock:
            known, self._open = self._open, {}
        for _, session in known.values():
            session.close()


@dataclass(frozen=True, slots=True)
class _Address:
    base_url: str
    host: str
    credentials: Credentials


class _LoggedIn:
    """Puts the token on each request. Held through a login, its lock makes many callers log in once.

    A server that asks to be left alone, or that kept a caller waiting in vain, gets no request for so long: who would
    send one is told the same at once, so that it doesn't hold one worker after the other.
    """

    def __init__(self, transport: Transport, credentials: Credentials, *, clock: Clock, gate: WriteGate | None) -> None:
        self._transport = transport
        self._gate = gate
        self._credentials = credentials
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: Tokens | None = None
        self._renew_at = 0.0
        #: Until when the server is spared, and why.
        self._spared: tuple[float, ServerError] | None = None

    def call_openly(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> object:
        """A request that needs no login, and changes nothing."""
        return self._transport.call(method, path, body)

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        patience_s: float | None = None,
    ) -> object:
        """A request under the login; on a 401 it logs in again and repeats it once.

        Raises WriteRefused for a request that would change something while another process may be the leader.
        """
        token = self._token()
        try:
            return self._send(method, path, body, token, patience_s)
        except ServerRefused as error:
            if treatment(error).reaction is not Reaction.LOGIN_AGAIN:
                raise
        return self._send(method, path, body, self._token(spoiled=token), patience_s)

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, token: str, patience_s: float | None
    ) -> object:
        # A write must have ended before another process may lead and write itself; one that outlasts any lease is
        # such that the other one can send it as well.
        within_s = self._gate.check() if self._gate is not None and method != "GET" else None
        return self._exchange(method, path, body, token=token, within_s=within_s, patience_s=patience_s)

    def _exchange(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        *,
        token: str = "",
        within_s: float | None = None,
        patience_s: float | None = None,
    ) -> object:
        started = self._clock.monotonic()
        spared = self._spared
        if spared is not None and started < spared[0]:
            raise repeated(spared[1], retry_after_s=spared[0] - started)
        try:
            return self._transport.call(method, path, body, token=token, within_s=within_s, patience_s=patience_s)
        except ServerError as error:
            # A write may be slow by itself, as the stop of an adapter is; a read or a login is not.
            told = isinstance(error, ServerRefused)
            if treatment(error).reaction is Reaction.SPARE and (told or method == "GET" or not token):
                now = self._clock.monotonic()
                error.retry_after_s = error.retry_after_s or now - started
                self._spared = now + error.retry_after_s, error
            raise

    def _token(self, *, spoiled: str = "") -> str:
        with self._lock:
            tokens = self._tokens
            if tokens is not None and tokens.access == spoiled:
                tokens = self._tokens = None
            if tokens is None:
                return self._keep(self._log_in)
            if self._clock.monotonic() >= self._renew_at:
                return self._keep(lambda: self._refresh(tokens))
            return tokens.access

    def _keep(self, obtain: Callable[[], Tokens]) -> str:
        asked_at = self._clock.monotonic()
        tokens = obtain()
        self._tokens = tokens
        self._renew_at = asked_at + RENEW_AT * (tokens.expires_in_s or _UNTOLD_LIFE_S)
        return tokens.access

    def _refresh(self, tokens: Tokens) -> Tokens:
        if not tokens.refresh:
            return self._log_in()
        try:
            return Tokens.parse(self._exchange("POST", f"{API}/auth/refresh", {"refresh_token": tokens.refresh}))
        except ServerRefused:
            return self._log_in()

    def _log_in(self) -> Tokens:
        self._tokens = None
        body = {"username": self._credentials.username, "password": self._credentials.password}
        try:
            return Tokens.parse(self._exchange("POST", f"{API}/auth/login", body))
        except ServerRefused as error:
            if error.status in _BAD_LOGIN:
                raise LoginRefused(error.status, error.detail, call=error.call) from None
            raise


#: Answers to a login that mean the credentials: malformed, wrong, account disabled.
_BAD_LOGIN = frozenset({400, 401, 403})
