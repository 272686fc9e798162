"""What each typed call sends and makes of the answer, by answers recorded from v0.29.0."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from informers.clock import SystemClock
from reconcilers.server.connection_calls import Connection
from reconcilers.server.errors import NotFound, ServerUnreachable
from reconcilers.server.http import HttpTransport
from reconcilers.server.rows import Adapter, Health, HealthReport, Share, Store
from reconcilers.server.session import Credentials, ServerSession
from reconcilers.server.sizes import same_size, server_text
from tests.support.dittofs_server import Answer, Request, ScriptedServer, ok, problem

SHARE = {
    "id": "054532ba",
    "name": "/a/b",
    "metadata_store_id": "6a8140e2",
    "local_block_store_id": "565ee179",
    "remote_block_store_id": None,
    "read_only": True,
    "enabled": False,
    "default_permission": "read",
    "quota_bytes": "9.54MiB",
    "a_field_of_a_later_version": {"x": 1},
    "status": {"status": "healthy", "checked_at": "2026-11-22T22:51:58Z"},
}
STORE = {"id": "6a8140e2", "name": "op-a%2Fb", "type": "badger", "config": {"path": "/data/metadata/a%2Fb"}}
LOGIN = {"access_token": "a", "refresh_token": "r", "expires_in": 900}


@pytest.fixture
def session(scripted: ScriptedServer) -> Iterator[ServerSession]:
    session = ServerSession(
        HttpTransport(scripted.url, clock=SystemClock()), Credentials("admin", "correct-horse"), clock=SystemClock()
    )
    yield session
    session.close()


def answering(scripted: ScriptedServer, **answers: Answer) -> None:
    """Answer by method, after a login."""

    def answer(request: Request) -> Answer:
        return ok(LOGIN) if request.path == "/api/v1/auth/login" else answers[request.method]

    scripted.answer = answer


def test_a_restore_says_whether_the_volume_alone_will_do(scripted: ScriptedServer, session: ServerSession) -> None:
    answering(scripted, POST=ok({"snapshot_id": "s", "safety_snapshot_id": "t", "share": "/a/b"}))

    session.restore_snapshot("/a/b", "s", allow_non_durable=True)

    request = scripted.requests[-1]
    assert (request.path, request.body) == (
        "/api/v1/shares/a%2Fb/snapshots/s/restore",
        {"allow_non_durable": True},
    )


def test_clients_are_listed_without_their_shares_and_who_is_gone_is_disconnected(
    scripted: ScriptedServer, session: ServerSession
) -> None:
    row = {"client_id": "nfs-2", "protocol": "nfs", "address": "127.0.0.1:45274", "user": "", "shares": None}
    answering(scripted, GET=ok([row]), DELETE=problem(404, "client not found"))

    assert session.connections() == (Connection("nfs-2", "nfs", ()),)
    session.disconnect("nfs-2")
    assert scripted.calls()[-1] == "DELETE /api/v1/clients/nfs-2"


def test_health_needs_no_login(scripted: ScriptedServer, session: ServerSession) -> None:
    scripted.answer = lambda request: ok(
        {"status": "healthy", "data": {"control_plane_db": "reachable", "started_at": "2026-11-22T22:51:32Z"}}
    )

    assert session.health() == Health("healthy", "reachable", "2026-11-22T22:51:32Z")
    assert scripted.calls() == ["GET /health"]


def test_a_share_is_addressed_percent_encoded_without_its_leading_slash(
    scripted: ScriptedServer, session: ServerSession
) -> None:
    answering(scripted, GET=ok(SHARE))

    share = session.share("/a/b")

    assert scripted.calls()[-1] == "GET /api/v1/shares/a%2Fb"
    assert share == Share(
        id="054532ba",
        name="/a/b",
        enabled=False,
        read_only=True,
        default_permission="read",
        quota="9.54MiB",
        metadata_store_id="6a8140e2",
        local_block_store_id="565ee179",
        health=HealthReport("healthy"),
    )


def test_a_stores_name_that_is_itself_encoded_is_encoded_again(
    scripted: ScriptedServer, session: ServerSession
) -> None:
    answering(scripted, GET=ok(STORE))

    store = session.metadata_store("op-a%2Fb")

    assert scripted.calls()[-1] == "GET /api/v1/store/metadata/op-a%252Fb"
    assert store == Store("6a8140e2", "op-a%2Fb", "badger", {"path": "/data/metadata/a%2Fb"})
    assert store.path == "/data/metadata/a%2Fb"


def test_a_stores_config_goes_in_as_a_json_string(scripted: ScriptedServer, session: ServerSession) -> None:
    answering(scripted, POST=ok(STORE, 201))

    session.create_metadata_store("op-a%2Fb", store_type="badger", config={"path": "/data/metadata/a%2Fb"})

    assert scripted.requests[-1].body == {
        "name": "op-a%2Fb",
        "type": "badger",
        "config": '{"path": "/data/metadata/a%2Fb"}',
    }


def test_what_is_not_there_is_none(scripted: ScriptedServer, session: ServerSession) -> None:
    answering(scripted, GET=problem(404, "not found"))

    assert session.share("/x") is None
    assert session.metadata_store("op-x") is None
    assert session.local_store("op-payload") is None


def test_a_local_store_that_another_share_created_meanwhile_is_taken(
    scripted: ScriptedServer, session: ServerSession
) -> None:
    answering(scripted, POST=problem(409, "Block store already exists"), GET=ok({**STORE, "name": "op-payload"}))

    assert session.create_local_store("op-payload", store_type="fs", config={}).name == "op-payload"


def test_lists_may_come_as_null(scripted: ScriptedServer, session: ServerSession) -> None:
    answering(scripted, GET=ok(None))

    assert session.shares() == ()


def test_a_row_without_what_identifies_it_is_no_answer(scripted: ScriptedServer, session: ServerSession) -> None:
    answering(scripted, GET=ok([{"name": "/a"}]))

    with pytest.raises(ServerUnreachable, match="no share, it has no id"):
        session.shares()


def test_a_share_is_created_with_the_names_that_create_takes(scripted: ScriptedServer, session: ServerSession) -> None:
    """Create says local_block_store where update says local_block_store_id (dittofs-server 3.3)."""
    answering(scripted, POST=ok(SHARE, 201))

    session.create_share("/a/b", metadata_store="op-a%2Fb", local_store="op-payload", fields={"read_only": True})

    assert scripted.calls()[-1] == "POST /api/v1/shares"
    assert scripted.requests[-1].body == {
        "name": "/a/b",
        "metadata_store_id": "op-a%2Fb",
        "local_block_store": "op-payload",
        "read_only": True,
    }


def test_a_share_that_failed_to_load_is_not_loaded(scripted: ScriptedServer, session: ServerSession) -> None:
    answering(scripted, GET=ok({**SHARE, "status": {"status": "unknown", "message": "share not found"}}))

    share = session.share("/a/b")

    assert share is not None
    assert not share.loaded


def test_an_adapter_change_whose_answer_is_cut_off_is_read_again(
    scripted: ScriptedServer, session: ServerSession
) -> None:
    """Stopping a listener can outlast the server's write timeout of 10 s (dittofs-server 3.4)."""
    nfs = {"type": "nfs", "enabled": False, "running": False, "port": 12049, "status": {"status": "disabled"}}
    answering(scripted, PUT=Answer(200, b"{}" * 50, cut_after=3), GET=ok(nfs))

    adapter = session.put_adapter("nfs", enabled=False, port=12049)

    assert adapter == Adapter("nfs", enabled=False, running=False, port=12049, health=HealthReport("disabled"))
    assert scripted.calls()[-2:] == ["PUT /api/v1/adapters/nfs", "GET /api/v1/adapters/nfs"]


def test_enabling_a_share_that_is_not_loaded_is_not_found(scripted: ScriptedServer, session: ServerSession) -> None:
    answering(scripted, POST=problem(404, "Share not found"))

    with pytest.raises(NotFound):
        session.enable_share("/x")


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, ""),
        (1000, "1000B"),
        (10_000_000, "9.54MiB"),
        (10 << 30, "10.00GiB"),
        (1500 << 20, "1.46GiB"),
        ((100 << 30) + 1, "100.00GiB"),
        (1 << 60, "1048576.00TiB"),
    ],
)
def test_sizes_are_compared_as_the_server_writes_them(size_bytes: int, text: str) -> None:
    """Each pair was read back from a real server."""
    assert server_text(size_bytes) == text
    assert same_size(size_bytes, text)


def test_different_sizes_differ() -> None:
    assert not same_size(10 << 30, "10.01GiB")
    assert not same_size(10 << 30, "")
    assert not same_size(0, "10.00GiB")
