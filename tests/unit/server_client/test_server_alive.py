"""The client against a living server: the double always, the real one too where there is a `dfs`.

The same tests hold for both: where they do not, the double lies.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from informers.clock import SystemClock
from reconcilers.server.errors import Conflict, LoginRefused, NotFound, PasswordChangeRequired, ServerRefused
from reconcilers.server.http import HttpTransport
from reconcilers.server.session import Credentials, ServerSession
from tests.support.dittofs_server import PASSWORD, LiveServer


@pytest.fixture
def session(server: LiveServer) -> Iterator[ServerSession]:
    session = _session(server, PASSWORD)
    for adapter in ("nfs", "smb"):
        session.put_adapter(adapter, enabled=False, port=12049 if adapter == "nfs" else 12445)
    yield session
    session.close()


def _session(server: LiveServer, password: str, *, user: str = "admin") -> ServerSession:
    return ServerSession(
        HttpTransport(server.url, host="demo-api.default.svc", clock=SystemClock()),
        Credentials(user, password),
        clock=SystemClock(),
    )


def test_a_share_lives_from_its_stores_to_disabled(session: ServerSession, server: LiveServer) -> None:
    assert session.health().healthy
    assert session.metadata_store("op-a%2Fb") is None
    metadata = session.create_metadata_store(
        "op-a%2Fb", store_type="badger", config={"path": f"{server.data}/metadata/a%2Fb"}
    )
    config = {"path": f"{server.data}/payload", "max_size": 1 << 60}
    local = session.create_local_store("op-payload", store_type="fs", config=config)
    assert session.create_local_store("op-payload", store_type="fs", config=config) == local
    assert session.metadata_store("op-a%2Fb") == metadata

    created = session.create_share(
        "/a/b",
        metadata_store="op-a%2Fb",
        local_store="op-payload",
        fields={"quota_bytes": "10737418240", "default_permission": "read-write", "enabled": False},
    )

    assert created.enabled, "the server ignores enabled at creation"
    assert (created.metadata_store_id, created.local_block_store_id) == (metadata.id, local.id)
    assert created.quota == "10.00GiB"
    assert session.share_status("/a/b").status == "healthy"
    assert [share.name for share in session.shares()] == ["/a/b"]

    changed = session.update_share("/a/b", fields={"read_only": True, "quota_bytes": ""})
    assert (changed.read_only, changed.quota, changed.default_permission) == (True, "", "read-write")

    assert session.share_nfs_config("/a/b").squash == "root_to_guest"
    assert session.patch_share_nfs_config("/a/b", {"squash": "none"}).squash == "none"
    assert not session.disable_share("/a/b").enabled
    assert session.enable_share("/a/b").enabled

    with pytest.raises(Conflict):
        session.create_share("/a/b", metadata_store="op-a%2Fb", local_store="op-payload", fields={})
    with pytest.raises(ServerRefused, match="locked by another process"):
        session.create_metadata_store("op-a%2Fb", store_type="badger", config={"path": metadata.path})


def test_a_share_that_cannot_be_loaded_is_created_and_unknown(session: ServerSession, server: LiveServer) -> None:
    broken = server.data / "broken"
    session.create_metadata_store("op-x", store_type="sqlite", config={"path": f"{server.data}/metadata/x.db"})
    session.create_local_store("broken", store_type="fs", config={"path": str(broken)})
    broken.rmdir()
    broken.touch()

    created = session.create_share("/x", metadata_store="op-x", local_store="broken", fields={})

    assert not created.loaded
    assert session.share_status("/x").status == "unknown"
    with pytest.raises(NotFound):
        session.disable_share("/x")


def test_the_server_says_in_words_what_it_refuses(session: ServerSession) -> None:
    with pytest.raises(ServerRefused, match="Metadata store not found: nope"):
        session.create_share("/y", metadata_store="nope", local_store="nope", fields={})
    with pytest.raises(NotFound, match="Adapter not found"):
        session.adapter("nope")


def test_adapters_are_read_and_set(session: ServerSession) -> None:
    assert {adapter.type for adapter in session.adapters()} == {"nfs", "smb"}

    assert not session.put_adapter("smb", enabled=False, port=12445).running
    assert session.adapter("smb").port == 12445


def test_the_password_is_changed_by_who_knows_it(session: ServerSession, server: LiveServer) -> None:
    with pytest.raises(LoginRefused, match="Current password is incorrect"):
        session.change_password("wrong-horse", "battery-staple")
    with pytest.raises(LoginRefused):
        _session(server, "battery-staple").login()

    session.change_password(PASSWORD, "battery-staple")
    renewed = _session(server, "battery-staple")
    renewed.login()
    renewed.change_password("battery-staple", PASSWORD)


def test_an_administrator_whose_password_another_one_set_may_do_nothing_before_setting_it_again(
    session: ServerSession, server: LiveServer
) -> None:
    session.create_user("second", password=PASSWORD, fields={"role": "admin"})
    second = _session(server, PASSWORD, user="second")
    second.login()
    with pytest.raises(PasswordChangeRequired):
        second.shares()

    second.change_password(PASSWORD, PASSWORD)

    with pytest.raises(PasswordChangeRequired):
        second.shares()  # its token says so until it ends
    renewed = _session(server, PASSWORD, user="second")
    renewed.shares()
    for opened in (second, renewed):
        opened.close()
