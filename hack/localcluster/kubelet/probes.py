"""Probes of containers: how one is made, and what a series of results means."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from informers.resource import View

#: Opens a connection to a port of the pod within a number of seconds; OSError when nobody listens.
Connect = Callable[[int, float], socket.socket]


class Verdict(Enum):
    """What the results so far say."""

    UNDECIDED = "undecided"
    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """A probe with the API's defaults filled in; `handler` is the probe as written."""

    handler: View
    initial_delay_s: float
    period_s: float
    timeout_s: float
    success_threshold: int
    failure_threshold: int


def parse(probe: View) -> ProbeSpec:
    """Read a probe out of a container's spec."""
    return ProbeSpec(
        handler=probe,
        initial_delay_s=float(probe.get("initialDelaySeconds") or 0),
        period_s=float(probe.get("periodSeconds") or 10),
        timeout_s=float(probe.get("timeoutSeconds") or 1),
        success_threshold=int(probe.get("successThreshold") or 1),
        failure_threshold=int(probe.get("failureThreshold") or 3),
    )


class ProbeSeries:
    """Counts the results of one probe of one container run, and says when the next one is due.

    While the probe has not succeeded, it is also tried every `eager_s` seconds: such an attempt can only bring
    success forward. Failures count once per period, as in a real cluster, so that thresholds mean the same time.
    """

    def __init__(self, spec: ProbeSpec, *, started: float, eager_s: float) -> None:
        self.spec = spec
        self.verdict = Verdict.UNDECIDED
        self.message = ""
        self._eager_s = eager_s
        self._due = started + spec.initial_delay_s
        self._counted_due = self._due
        self._successes = 0
        self._failures = 0

    @property
    def due(self) -> float:
        """When the next attempt is due, on the monotonic clock of `started`."""
        return self._due

    def record(self, *, now: float, success: bool, message: str) -> None:
        """Take the result of the attempt made at `now`."""
        counted = now >= self._counted_due
        if counted:
            self._counted_due = now + self.spec.period_s
        if success:
            self._failures = 0
            self._successes += 1
            if self._successes >= self.spec.success_threshold:
                self.verdict = Verdict.SUCCESS
        else:
            self._successes = 0
            self.message = message
            self._failures += counted
            if self._failures >= self.spec.failure_threshold:
                self.verdict = Verdict.FAILURE
        eager = self.verdict is not Verdict.SUCCESS
        self._due = min(self._counted_due, now + self._eager_s) if eager else self._counted_due


def attempt(spec: ProbeSpec, container: View, connect: Connect) -> tuple[bool, str]:
    """Make one probe; whether it succeeded, and the kubelet's words when not."""
    if "httpGet" in spec.handler:
        return _http_get(spec, container, connect)
    if "tcpSocket" in spec.handler:
        try:
            connect(port_number(spec.handler["tcpSocket"]["port"], container), spec.timeout_s).close()
        except OSError as error:
            return False, f"dial tcp: {error}"
        return True, ""
    return False, "the local cluster can't make this kind of probe"


def port_number(port: int | str, container: View) -> int:
    """The number of a port that is given by number or by name; OSError for an unknown name."""
    if isinstance(port, int):
        return port
    for declared in container.get("ports") or ():
        if declared.get("name") == port:
            return int(declared["containerPort"])
    raise OSError(f"couldn't find port: {port}")


def _http_get(spec: ProbeSpec, container: View, connect: Connect) -> tuple[bool, str]:
    action = spec.handler["httpGet"]
    try:
        port = port_number(action["port"], container)
        connection = _Connection("localhost", port, timeout=spec.timeout_s)
        connection.sock = connect(port, spec.timeout_s)
        if action.get("scheme") == "HTTPS":
            # As the kubelet does: a probe asks whether somebody serves, not who.
            connection.sock = _UNVERIFIED.wrap_socket(connection.sock)
        try:
            headers = {header["name"]: header["value"] for header in action.get("httpHeaders") or ()}
            connection.request("GET", action.get("path") or "/", headers={"Connection": "close", **headers})
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        return False, f'Get "{action.get("path") or "/"}": {error}'
    return 200 <= status < 400, f"HTTP probe failed with statuscode: {status}"


_UNVERIFIED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_UNVERIFIED.check_hostname = False
_UNVERIFIED.verify_mode = ssl.CERT_NONE


class _Connection(http.client.HTTPConnection):
    sock: Any
