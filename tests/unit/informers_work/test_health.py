"""The HTTP servers as a kubelet and Prometheus meet them, over real sockets (T114, T115)."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import pytest
import structlog
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from informers.health import Checks, HttpServer, is_off, metrics_route, parse_address


@pytest.fixture
def checks() -> Checks:
    checks = Checks("healthz", logger=structlog.wrap_logger(structlog.ReturnLogger()))
    checks.add("good", lambda: None)
    return checks


@pytest.fixture
def server(checks: Checks) -> Iterator[HttpServer]:
    registry = CollectorRegistry()
    Counter("demo", "A demo.", registry=registry).inc(3)
    server = HttpServer("127.0.0.1:0", {"/healthz": checks.answer, "/metrics": metrics_route(registry)})
    server.start()
    yield server
    server.stop()


def ask(server: HttpServer, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_t115_all_good_is_a_bare_ok(server: HttpServer) -> None:
    assert ask(server, "/healthz") == (200, "ok")
    assert ask(server, "/healthz/") == (200, "ok")
    assert ask(server, "/healthz/ping") == (200, "ok")


def test_t115_verbose_lists_every_check(server: HttpServer) -> None:
    assert ask(server, "/healthz?verbose") == (200, "[+]ping ok\n[+]good ok\nhealthz check passed\n")


def test_t115_a_failure_is_500_and_names_the_check_but_not_the_reason(server: HttpServer, checks: Checks) -> None:
    checks.add("bad", lambda: "secret trouble")

    assert ask(server, "/healthz") == (
        500,
        "[+]ping ok\n[+]good ok\n[-]bad failed: reason withheld\nhealthz check failed\n",
    )
    assert ask(server, "/healthz/bad") == (500, "failed: reason withheld\n")
    assert ask(server, "/healthz/good") == (200, "ok")


def test_t115_an_excluded_check_is_not_asked_and_an_unknown_one_is_harmless(server: HttpServer, checks: Checks) -> None:
    checks.add("bad", lambda: "trouble")

    assert ask(server, "/healthz?exclude=bad") == (200, "ok")
    assert ask(server, "/healthz?exclude=bad&exclude=nobody&verbose") == (
        200,
        "[+]ping ok\n[+]good ok\n[+]bad excluded: ok\nwarn: no check 'nobody' to exclude\nhealthz check passed\n",
    )


def test_a_check_that_raises_has_failed(server: HttpServer, checks: Checks) -> None:
    def broken() -> str | None:
        raise RuntimeError("bug")

    checks.add("broken", broken)

    assert ask(server, "/healthz")[0] == 500
    assert ask(server, "/healthz?exclude=broken")[0] == 200


def test_two_checks_of_one_name_are_refused(checks: Checks) -> None:
    with pytest.raises(ValueError, match="good"):
        checks.add("good", lambda: None)


@pytest.mark.parametrize("path", ["/", "/healthz/nobody", "/healthzz", "/metrics/x", "/favicon.ico"])
def test_t114_other_paths_are_404(server: HttpServer, path: str) -> None:
    assert ask(server, path)[0] == 404


def test_other_methods_are_refused_and_head_has_no_body(server: HttpServer) -> None:
    assert ask(server, "/healthz", "POST")[0] == 501
    assert ask(server, "/healthz", "HEAD") == (200, "")


def test_t114_metrics_are_in_the_format_that_is_asked_for(server: HttpServer) -> None:
    status, text = ask(server, "/metrics")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert status == 200
    assert families["demo"].samples[0].value == 3

    openmetrics = ask(server, "/metrics", headers={"ACCEPT": "application/openmetrics-text; version=1.0.0"})[1]

    assert openmetrics.endswith("# EOF\n")


def test_t114_a_stopped_server_lets_go_of_its_address_and_a_taken_one_is_an_error() -> None:
    first = HttpServer("127.0.0.1:0", {})
    with pytest.raises(OSError, match="in use"):
        HttpServer(f"127.0.0.1:{first.port}", {})
    first.start()
    first.stop()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", first.port), timeout=10)


def test_no_host_means_every_interface() -> None:
    server = HttpServer(":0", {"/healthz": Checks("healthz", logger=structlog.get_logger()).answer})
    server.start()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1:8080", ("127.0.0.1", 8080)), (":8081", ("", 8081)), ("[::1]:0", ("::1", 0))],
)
def test_addresses_name_host_and_port(address: str, expected: tuple[str, int]) -> None:
    assert parse_address(address) == expected
    assert not is_off(address)


@pytest.mark.parametrize("address", ["8080", "localhost", "localhost:http", ":99999", "host:", ":-1"])
def test_an_address_that_is_none_is_refused_with_a_remedy(address: str) -> None:
    with pytest.raises(ValueError, match="must look like"):
        parse_address(address)


def test_off_is_empty_or_zero() -> None:
    assert is_off("")
    assert is_off("0")
