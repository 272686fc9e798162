"""One HTTP exchange with the API server: sent once, counted, read whole, its refusal made an exception.

Built on `kubernetes.client.ApiClient` without its models and without its (and urllib3's) hidden retries: who retries
is decided by the caller, except for one repetition after a 401, since bound tokens are replaced while in use.
"""

from __future__ import annotations

import contextlib
import copy
import http.client
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NoReturn, Protocol
from urllib.parse import urlsplit

import orjson
import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException

from informers import deadline
from informers.clock import Clock, SystemClock
from informers.connections import TRANSPORT_ERRORS, asked_before_sending, explain, make_interruptible
from informers.errors import ConfigurationError, DeadlineExceeded, Garbled, Unreachable, api_error
from informers.gate import WriteGate
from informers.resource import Manifest

#: How long opening a connection may take.
CONNECT_TIMEOUT_S = 5.0

#: Connections kept open per host: each watch holds one, each worker uses one.
POOL_SIZE = 64

JSON = "application/json"
APPLY_PATCH = "application/apply-patch+yaml"

#: The client takes a timeout of zero for none.
_LEAST_S = 0.001

Query = list[tuple[str, str]]


class ClientMetrics(Protocol):
    """Counts requests, as rest_client_requests_total does."""

    def request(self, *, code: str, method: str, host: str) -> None:
        """One request was answered with HTTP `code`, or "<error>" when there was no answer."""


class Exchange:
    """Sends requests with one configuration. Threads may share it; every method raises only `ClientError`s.

    `timeout_s` is the longest silence within an answer; `gate` is asked before every request that writes, and again
    when its connection stands. What is sent then is given up before another process may be the leader.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        user_agent: str,
        timeout_s: float,
        gate: WriteGate | None = None,
        metrics: ClientMetrics | None = None,
        clock: Clock | None = None,
    ) -> None:
        own = copy.copy(configuration)
        own.retries = False  # a replayed PUT ends in a false conflict
        own.client_go_retries = False
        own.keep_alive = True
        own.connection_pool_maxsize = POOL_SIZE
        if not own.verify_ssl:
            # The kubeconfig asks for it: a warning with every request would bury what else is logged.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._configuration = own
        self._api = ApiClient(own)
        self._api.user_agent = user_agent
        make_interruptible(self._api.rest_client.pool_manager)
        # A server's URL may hold a password: what comes before the @ is nobody's business but the connection's.
        self._host = urlsplit(own.host).netloc.rpartition("@")[2]
        self._timeout_s = timeout_s
        self._gate = gate
        self._metrics = metrics
        self._clock = clock or SystemClock()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Manifest:
        """The decoded answer to one request; empty when there is none."""
        response = self.open(
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            accept=accept,
            read_timeout_s=self._timeout_s,
        )
        data = _read(response, f"{method} {path}")
        if not data:
            return {}
        answer = _decode(data)
        if answer is None:
            raise Garbled(f"the answer to {method} {path} is no JSON object")
        return answer

    def open(
        self,
        method: str,
        path: str,
        *,
        read_timeout_s: float,
        query: Query | None = None,
        body: object = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> urllib3.BaseHTTPResponse:
        """Sends one request (once more after a 401) and gives the open answer, which is a 2xx; raises otherwise.

        A deadline of this thread's work (`informers.deadline`) bounds `read_timeout_s`; after it nothing is sent.
        """
        left_s = deadline.left_s()
        if left_s is not None:
            if left_s <= 0:
                raise DeadlineExceeded(f"{method} {path} was not sent: the time for this work is over")
            read_timeout_s = min(read_timeout_s, left_s)
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
            if content_type == APPLY_PATCH:
                body = orjson.dumps(body)  # under JSON types the client insists on encoding by itself
        timeout = (min(CONNECT_TIMEOUT_S, read_timeout_s), read_timeout_s)
        response = self._attempt(method, path, query, headers, body, timeout)
        if response.status == http.HTTPStatus.UNAUTHORIZED and self._renew_credentials():
            _read(response, f"{method} {path}")
            response = self._attempt(method, path, query, headers, body, timeout)
        if not 200 <= response.status < 300:
            self._raise(response, f"{method} {path}")
        return response

    def _attempt(
        self,
        method: str,
        path: str,
        query: Query | None,
        headers: Mapping[str, str],
        body: object,
        timeout: tuple[float, float],
    ) -> urllib3.BaseHTTPResponse:
        try:
            request = self._api.param_serialize(
                method,
                path,
                query_params=query or [],
                header_params=dict(headers),
                body=body,
                auth_settings=["BearerToken"],
            )
        except (ConfigurationError, ConfigException, OSError) as error:
            raise Unreachable(f"no credentials for {method} {path}: {explain(error)}") from error
        limit: float | tuple[float, float] = timeout
        asked: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        if method != "GET" and self._gate is not None:
            # in all, from opening a connection to the first byte of the answer
            limit = max(_LEAST_S, min(sum(timeout), self._gate.check()))
            asked = asked_before_sending(self._gate.check)
        try:
            with asked:
                answer = self._api.call_api(*request, _request_timeout=limit)
        except (*TRANSPORT_ERRORS, ApiException, ValueError) as error:
            self._count(method, "<error>")
            # the client wraps what TLS raises in an exception of its own
            cause = error.__context__ if isinstance(error, ApiException) else None
            raise Unreachable(f"{method} {path}: {explain(cause or error)}") from error
        response: urllib3.BaseHTTPResponse = answer.response
        self._count(method, str(response.status))
        return response

    def _renew_credentials(self) -> bool:
        renew = getattr(self._configuration.refresh_api_key_hook, "renew", None)
        if renew is None:
            return False
        try:
            renew(self._configuration)
        except ConfigurationError:
            return False
        return True

    def _raise(self, response: urllib3.BaseHTTPResponse, what: str) -> NoReturn:
        status = _decode(_read(response, what)) or {}
        retry_after_s = self._retry_after_s(response.headers.get("Retry-After"))
        raise api_error(response.status, status, retry_after_s=retry_after_s)

    def _retry_after_s(self, value: str | None) -> float | None:
        """Seconds, from either of the two forms of RFC 9110 10.2.3."""
        if value is None:
            return None
        if value.strip().isdigit():
            return float(value)
        try:
            return max(0.0, (parsedate_to_datetime(value) - self._clock.now()).total_seconds())
        except (ValueError, TypeError):
            return None

    def _count(self, method: str, code: str) -> None:
        if self._metrics is not None:
            self._metrics.request(code=code, method=method, host=self._host)

    def close(self) -> None:
        """Closes the idle connections; those in use end with their calls."""
        self._api.close()  # type: ignore[no-untyped-call]


def _read(response: urllib3.BaseHTTPResponse, what: str) -> bytes:
    try:
        return response.data
    except TRANSPORT_ERRORS as error:
        raise Unreachable(f"{what}: the answer broke off: {explain(error)}") from error


def _decode(data: bytes) -> Manifest | None:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
