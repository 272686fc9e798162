"""How what goes wrong comes out of the client: one tree, no hidden retries, one repetition after a 401."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime

import pytest
from kubernetes.client import Configuration

from informers.client import Client
from informers.errors import (
    AlreadyExists,
    ApiError,
    ConfigurationError,
    Conflict,
    Expired,
    Forbidden,
    Garbled,
    Invalid,
    NotFound,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from informers.resource import ObjectKey, Resource
from tests.support.clock import FakeClock
from tests.support.scripted_server import Answer, Drop, ScriptedServer, Stream, refusal

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
KEY = ObjectKey("ns", "a")
MANIFEST = {"metadata": {"name": "a", "namespace": "ns"}}


class Requests:
    """Remembers what the client counts."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []

    def request(self, code: str, method: str, host: str) -> None:
        self.seen.append((code, method, host))


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (401, "Unauthorized", Unauthorized),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (409, "Conflict", Conflict),
        (409, "AlreadyExists", AlreadyExists),
        (410, "Expired", Expired),
        (422, "Invalid", Invalid),
        (429, "TooManyRequests", TooManyRequests),
        (500, "InternalError", ServerError),
        (504, "Timeout", ServerError),
        (418, "", ApiError),
    ],
)
def test_each_refusal_is_its_own_exception_and_is_not_repeated(
    server: ScriptedServer, client: Client, code: int, reason: str, kind: type[ApiError]
) -> None:
    server.script("PUT", refusal(code, reason, "because", causes=[{"field": "spec.x", "message": "bad"}]))

    with pytest.raises(ApiError, match="because") as raised:
        client.replace(CONFIG_MAPS, MANIFEST)

    assert type(raised.value) is kind
    assert raised.value.causes[0].field == "spec.x"
    assert len(server.requests) == 1


def test_a_refusal_that_is_no_status_keeps_its_code(server: ScriptedServer, client: Client) -> None:
    server.script("list", Answer(b"<html>bad gateway</html>", status=502))

    with pytest.raises(ServerError) as raised:
        client.get(CONFIG_MAPS, KEY)
    assert raised.value.status == 502


def test_a_redirect_is_not_followed(server: ScriptedServer, client: Client) -> None:
    """It would carry the token somewhere else."""
    server.script("list", Answer({}, status=302, headers={"Location": "/elsewhere"}))

    with pytest.raises(ApiError) as raised:
        client.get(CONFIG_MAPS, KEY)
    assert (raised.value.status, len(server.requests)) == (302, 1)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST", "PATCH"])
def test_a_dropped_request_is_sent_once_and_unreachable(server: ScriptedServer, client: Client, method: str) -> None:
    """urllib3's default sends a PUT four times, and the last one ends in a false conflict."""
    server.script("list" if method == "GET" else method, *[Drop() for _ in range(5)])
    calls: dict[str, Callable[[], object]] = {
        "GET": lambda: client.get(CONFIG_MAPS, KEY),
        "PUT": lambda: client.replace(CONFIG_MAPS, MANIFEST),
        "DELETE": lambda: client.delete(CONFIG_MAPS, KEY),
        "POST": lambda: client.create(CONFIG_MAPS, MANIFEST, field_manager="m"),
        "PATCH": lambda: client.merge_patch(CONFIG_MAPS, KEY, {}, field_manager="m"),
    }

    with pytest.raises(Unreachable, match=f"{method} /api/v1/namespaces/ns/configmaps"):
        calls[method]()

    assert len(server.requests) == 1


def test_a_server_that_says_nothing_is_unreachable_after_the_timeout(server: ScriptedServer) -> None:
    held = threading.Event()
    server.script("list", Answer({}, hold=held))
    client = Client(Configuration(host=server.url), user_agent="t", timeout_s=0.1)

    with pytest.raises(Unreachable, match="Read timed out"):
        client.get(CONFIG_MAPS, KEY)
    held.set()


def test_a_closed_port_is_unreachable_in_one_line() -> None:
    with ScriptedServer() as gone:
        url = gone.url
    client = Client(Configuration(host=url), user_agent="t")

    with pytest.raises(Unreachable) as raised:
        client.raw_get("/version")
    assert str(raised.value) == "GET /version: [Errno 111] Connection refused"


def test_plain_http_from_a_tls_client_is_unreachable(server: ScriptedServer) -> None:
    client = Client(Configuration(host=server.url.replace("http:", "https:")), user_agent="t")

    with pytest.raises(Unreachable, match="SSL"):
        client.raw_get("/version")


def test_an_answer_that_is_no_json_is_garbled(server: ScriptedServer, client: Client) -> None:
    server.script("list", Answer(b"<html>"), Answer(b"[]"), Answer({"kind": "Status"}))

    for _ in range(2):
        with pytest.raises(Garbled):
            client.get(CONFIG_MAPS, KEY)
    with pytest.raises(Garbled, match="without items"):
        client.list(CONFIG_MAPS)


def test_an_answer_that_breaks_off_is_unreachable(server: ScriptedServer, client: Client) -> None:
    server.script("list", Answer(b'{"a":1}', headers={"Content-Length": "100", "Connection": "close"}))

    with pytest.raises(Unreachable):
        client.get(CONFIG_MAPS, KEY)


def test_retry_after_is_read_as_seconds_or_as_a_date(server: ScriptedServer) -> None:
    clock = FakeClock()
    client = Client(Configuration(host=server.url), user_agent="t", clock=clock)
    date = format_datetime(clock.now() + timedelta(seconds=90), usegmt=True)
    past = format_datetime(clock.now() - timedelta(seconds=90), usegmt=True)
    expected = {"7": 7.0, date: 90.0, past: 0.0, "soon": None}
    for value, seconds in expected.items():
        server.script("list", refusal(429, "TooManyRequests", headers={"Retry-After": value}))
        with pytest.raises(TooManyRequests) as raised:
            client.get(CONFIG_MAPS, KEY)
        assert raised.value.retry_after_s == seconds


def test_requests_are_counted_by_answer_method_and_host(server: ScriptedServer) -> None:
    counted = Requests()
    client = Client(Configuration(host=server.url), user_agent="t", metrics=counted)
    server.script("list", Answer({}), refusal(404, "NotFound"), Drop())
    server.script("watch", Stream().end())

    client.get(CONFIG_MAPS, KEY)
    for kind in (NotFound, Unreachable):
        with pytest.raises(kind):
            client.get(CONFIG_MAPS, KEY)
    list(client.watch(CONFIG_MAPS, resource_version="1", timeout_s=300))

    host = server.url.removeprefix("http://")
    assert counted.seen == [("200", "GET", host), ("404", "GET", host), ("<error>", "GET", host), ("200", "GET", host)]


class Rotating:
    """Credentials of which only the renewed ones are good."""

    def __init__(self) -> None:
        self.token = "old"
        self.renewals = 0
        self.broken = False

    def __call__(self, configuration: Configuration) -> None:
        configuration.api_key["BearerToken"] = f"Bearer {self.token}"

    def renew(self, configuration: Configuration) -> None:
        if self.broken:
            raise ConfigurationError("the token is gone")
        self.renewals += 1
        self.token = "new"
        self(configuration)


@pytest.fixture
def rotating(server: ScriptedServer) -> Iterator[tuple[Client, Rotating]]:
    credentials = Rotating()
    configuration = Configuration(host=server.url)
    configuration.refresh_api_key_hook = credentials  # type: ignore[assignment]
    credentials(configuration)
    client = Client(configuration, user_agent="t")
    yield client, credentials
    client.close()


@pytest.mark.parametrize("kind", ["list", "watch", "PATCH"])
def test_after_a_401_the_request_is_repeated_once_with_new_credentials(
    server: ScriptedServer, rotating: tuple[Client, Rotating], kind: str
) -> None:
    client, credentials = rotating
    good = Stream().end() if kind == "watch" else Answer({})
    server.script(kind, refusal(401, "Unauthorized"), good)

    match kind:
        case "list":
            client.get(CONFIG_MAPS, KEY)
        case "watch":
            list(client.watch(CONFIG_MAPS, resource_version="1", timeout_s=300))
        case _:
            client.merge_patch(CONFIG_MAPS, KEY, {"a": 1}, field_manager="m")

    assert [request.headers["authorization"] for request in server.requests] == ["Bearer old", "Bearer new"]
    assert server.requests[0].body == server.requests[1].body
    assert credentials.renewals == 1


def test_a_second_401_is_final(server: ScriptedServer, rotating: tuple[Client, Rotating]) -> None:
    server.script("list", refusal(401, "Unauthorized"), refusal(401, "Unauthorized"))

    with pytest.raises(Unauthorized):
        rotating[0].get(CONFIG_MAPS, KEY)
    assert len(server.requests) == 2


def test_a_401_stays_when_there_are_no_new_credentials(
    server: ScriptedServer, rotating: tuple[Client, Rotating]
) -> None:
    client, credentials = rotating
    credentials.broken = True
    server.script("list", refusal(401, "Unauthorized"))

    with pytest.raises(Unauthorized):
        client.get(CONFIG_MAPS, KEY)


def test_many_threads_share_a_client(server: ScriptedServer, client: Client) -> None:
    server.script("list", *[Answer({"n": n}) for n in range(200)])
    seen: list[int] = []

    def read() -> None:
        for _ in range(25):
            seen.append(client.get(CONFIG_MAPS, KEY)["n"])  # noqa: PERF401  # one call at a time is the point

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(seen) == list(range(200))


@pytest.mark.parametrize(
    "garbage",
    [
        {"details": "no object"},
        {"details": {"causes": "none"}},
        {"details": {"causes": ["none"]}},
        {"details": {"retryAfterSeconds": "soon"}},
    ],
)
def test_a_refusal_whose_details_are_odd_is_a_refusal(
    server: ScriptedServer, client: Client, garbage: dict[str, object]
) -> None:
    server.script("PUT", Answer({"reason": "Odd", "message": "no", **garbage}, status=500))

    with pytest.raises(ServerError, match="Odd: no"):
        client.replace(CONFIG_MAPS, MANIFEST)


def test_the_uid_of_an_object_that_was_replaced_is_a_conflict(server: ScriptedServer, client: Client) -> None:
    """kube-apiserver answers 422 to it, with the cause twice."""
    cause = {"field": "metadata.uid", "reason": "FieldValueInvalid", "message": "field is immutable"}
    server.script("PUT", refusal(422, "Invalid", "immutable", causes=[cause, cause]))

    with pytest.raises(Conflict):
        client.replace(CONFIG_MAPS, MANIFEST)
