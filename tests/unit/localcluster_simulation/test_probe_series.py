"""What a series of probe results means, in a time that the tests move."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from hack.localcluster.kubelet.probes import ProbeSeries, Verdict, attempt, parse, port_number

PROBE = {"httpGet": {"path": "/health", "port": "api"}, "periodSeconds": 10, "failureThreshold": 3}
CONTAINER = {"ports": [{"name": "api", "containerPort": 8080}]}


def series(**probe: Any) -> ProbeSeries:
    return ProbeSeries(parse({**PROBE, **probe}), started=100.0, eager_s=0.5)


def test_the_first_attempt_waits_for_the_initial_delay() -> None:
    assert series(initialDelaySeconds=7).due == 107.0


def test_failures_count_once_a_period_however_often_it_is_tried() -> None:
    probe = series()
    now = 100.0
    while probe.verdict is Verdict.UNDECIDED:
        probe.record(now=now, success=False, message="no")
        now = probe.due
    assert now == pytest.approx(120.5)
    assert probe.verdict is Verdict.FAILURE


def test_success_comes_as_early_as_the_eager_attempt() -> None:
    probe = series()
    probe.record(now=100.0, success=False, message="no")
    assert probe.due == 100.5
    probe.record(now=100.5, success=True, message="")
    assert probe.verdict is Verdict.SUCCESS


def test_after_success_it_is_tried_once_a_period() -> None:
    probe = series()
    probe.record(now=100.0, success=True, message="")
    assert probe.due == 110.0


def test_a_single_failure_leaves_a_success_in_place() -> None:
    probe = series()
    probe.record(now=100.0, success=True, message="")
    probe.record(now=110.0, success=False, message="no")
    assert probe.verdict is Verdict.SUCCESS


def test_several_successes_can_be_asked_for() -> None:
    probe = series(successThreshold=2)
    probe.record(now=100.0, success=True, message="")
    assert probe.verdict is Verdict.UNDECIDED


def test_ports_are_found_by_number_and_by_name() -> None:
    assert port_number(8080, {}) == 8080
    assert port_number("api", CONTAINER) == 8080
    with pytest.raises(OSError, match="couldn't find port: nfs"):
        port_number("nfs", CONTAINER)


def answering(status: bytes) -> Any:
    def connect(port: int, timeout_s: float) -> socket.socket:
        assert port == 8080
        ours, theirs = socket.socketpair()
        theirs.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        theirs.shutdown(socket.SHUT_WR)
        kept.append(theirs)
        return ours

    kept: list[socket.socket] = []
    return connect, kept


@pytest.mark.parametrize(("status", "healthy"), [(b"200 OK", True), (b"302 Found", True), (b"503 No", False)])
def test_an_http_probe_goes_by_the_status_code(status: bytes, *, healthy: bool) -> None:
    connect, kept = answering(status)
    try:
        success, message = attempt(parse(PROBE), CONTAINER, connect)
    finally:
        for one in kept:
            one.close()
    assert success is healthy
    assert healthy or message == "HTTP probe failed with statuscode: 503"


def test_a_refused_connection_is_a_failed_probe() -> None:
    def connect(port: int, timeout_s: float) -> socket.socket:
        raise ConnectionRefusedError("refused")

    for handler in ({"httpGet": {"port": 1}}, {"tcpSocket": {"port": 1}}):
        success, message = attempt(parse(handler), {}, connect)
        assert not success
        assert "refused" in message
