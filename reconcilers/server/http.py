"""One HTTP exchange with a DittoFS server: bounded in time and size, never retried, never redirected.

Errors come as problem+json from handlers and as plain text from the middleware and the router (dittofs-server 3.0).
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson
import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError, SSLError

from informers.clock import Clock
from reconcilers.server.errors import Failure, ServerUnreachable, refused
from reconcilers.server.tls import Tls

CONNECT_TIMEOUT_S = 2.0
#: Longest silence of the server within one answer; it waits itself up to 5 s for an S3 service before it tells of one.
READ_TIMEOUT_S = 8.0
#: Longest whole answer: a server that drips bytes must not hold a worker.
TOTAL_TIMEOUT_S = 15.0
#: A list of a thousand shares is about 1 MB.
RESPONSE_LIMIT_BYTES = 16 * 1024 * 1024

_CHUNK_BYTES = 64 * 1024
_CONNECTIONS = 4


class Transport(Protocol):
    """Sends one request and gives what came back as JSON."""

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
        """The decoded answer, None when it is empty; given up after `within_s` seconds, if the usual limit is longer.

        `patience_s` goes before both: the server may be silent for so long, at work on what was asked.
        Raises ServerUnreachable or a ServerRefused.
        """

    def close(self) -> None:
        """Close the idle connections."""


class HttpTransport:
    """Talks to the server at `base_url` (`http://10.0.0.7:8080`), under the name `host` when one is given."""

    def __init__(
        self,
        base_url: str,
        *,
        host: str = "",
        clock: Clock,
        tls: Tls | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
        response_limit_bytes: int = RESPONSE_LIMIT_BYTES,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme != ("http" if tls is None else "https") or not parts.hostname:
            raise ValueError(f"the address of a server must look like http://10.0.0.7:8080, not {base_url!r}")
        self._clock = clock
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._total_timeout_s = total_timeout_s
        self._response_limit_bytes = response_limit_bytes
        self._headers = {"Accept": "application/json", "User-Agent": "dittofs-operator"}
        if host:
            self._headers["Host"] = host
        if tls is None:
            self._pool = urllib3.HTTPConnectionPool(
                parts.hostname, parts.port or 80, maxsize=_CONNECTIONS, retries=False
            )
        else:
            # The address is an IP address; the certificate is for the name.
            self._pool = urllib3.HTTPSConnectionPool(
                parts.hostname,
                parts.port or 443,
                maxsize=_CONNECTIONS,
                retries=False,
                ssl_context=tls.context(),
                server_hostname=host or None,
            )

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
        """The decoded answer, None when it is empty; given up after `within_s` seconds, if the usual limit is longer.

        `patience_s` goes before both: the server may be silent for so long, at work on what was asked.
        Raises ServerUnreachable or a ServerRefused.
        """
        name = f"{method} {path}"
        total_s = self._total_timeout_s if within_s is None else min(self._total_timeout_s, within_s)
        read_s = self._read_timeout_s
        if patience_s is not None:
            total_s = read_s = patience_s
        deadline = self._clock.monotonic() + total_s
        headers = dict(self._headers)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        encoded = None if body is None else orjson.dumps(body)
        try:
            response = self._pool.urlopen(
                method,
                path,
                body=encoded,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=self._connect_timeout_s, read=read_s, total=total_s),
            )
            try:
                content = self._read(response, name, deadline=deadline, total_s=total_s)
            except BaseException:
                # What is left unread would be taken for the beginning of the next answer.
                response.close()
                raise
            response.release_conn()
        except (HTTPError, OSError) as error:
            failure, words = _told(error)
            raise ServerUnreachable(f"no answer to {name}: {words}", failure=failure) from error
        if not 200 <= response.status < 300:
            detail = _without_secrets(_detail(response.status, content), body, token)
            asked_s = self._retry_after_s(response.headers.get("Retry-After", ""))
            raise refused(response.status, detail, call=name, retry_after_s=asked_s)
        if not content.strip():
            return None
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise ServerUnreachable(f"the answer to {name} is not JSON") from error

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()

    def _read(self, response: urllib3.BaseHTTPResponse, name: str, *, deadline: float, total_s: float) -> bytes:
        content = bytearray()
        for chunk in response.stream(_CHUNK_BYTES):
            content += chunk
            if len(content) > self._response_limit_bytes:
                raise ServerUnreachable(f"the answer to {name} is larger than {self._response_limit_bytes} bytes")
            if self._clock.monotonic() > deadline:
                text = f"the answer to {name} took longer than {total_s:g} s"
                raise ServerUnreachable(text, failure=Failure.TIMED_OUT)
        return bytes(content)

    def _retry_after_s(self, value: str) -> float:
        """What the header Retry-After asks for, in seconds or as a date; 0 when it says nothing."""
        if value.strip().isdecimal():
            return float(value)
        try:
            until = parsedate_to_datetime(value)
        except ValueError:
            return 0.0
        return (until - self._clock.now()).total_seconds() if until.tzinfo is not None else 0.0


def _told(error: Exception) -> tuple[Failure, str]:
    # Not str(error): it holds object addresses, and a text that changes each time means a status write each time.
    if isinstance(error, SSLError):
        return Failure.NO_CONNECTION, f"TLS failed: {_tls_reason(error)}"
    if isinstance(error, ReadTimeoutError):
        return Failure.TIMED_OUT, "timed out"
    if isinstance(error, NewConnectionError):
        return Failure.NO_CONNECTION, "connection refused or no route"
    if isinstance(error, ConnectTimeoutError):
        return Failure.TIMED_OUT, "connecting timed out"
    return Failure.CUT_OFF, "the connection broke off"


def _tls_reason(error: SSLError) -> str:
    cause = error.args[0] if error.args else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    if isinstance(cause, ssl.SSLError):
        return str(cause.reason or "the handshake broke off").lower().replace("_", " ")
    return "the handshake broke off"


#: Fields of requests whose values are told to nobody but the server.
_SECRET_FIELDS = (
    "password", "current_password", "new_password", "refresh_token", "access_key_id", "secret_access_key"
)  # fmt: skip


def _without_secrets(detail: str, body: Mapping[str, Any] | None, token: str) -> str:
    """`detail` without what the request held in confidence, should the server repeat it."""
    confided = {**(body or {}), **_settings_of_store(body)}
    for secret in (token, *(str(confided.get(field) or "") for field in _SECRET_FIELDS)):
        if secret:
            detail = detail.replace(secret, "…")
    return detail


def _settings_of_store(body: Mapping[str, Any] | None) -> Mapping[str, Any]:
    config = (body or {}).get("config")
    settings = orjson.loads(config) if isinstance(config, str) else None
    return settings if isinstance(settings, dict) else {}


def _detail(status: int, content: bytes) -> str:
    text = content.decode("utf-8", "replace").strip()
    try:
        problem = orjson.loads(text)
    except orjson.JSONDecodeError:
        problem = None
    if isinstance(problem, dict):
        words = [str(problem[field]) for field in ("detail", "hint") if problem.get(field)]
        errors = problem.get("errors")
        if isinstance(errors, dict):
            words += [f"{field}: {reason}" for field, reason in sorted(errors.items())]
        text = "; ".join(words) or str(problem.get("title") or problem.get("error") or "")
    return text or f"HTTP status {status} without a text"
