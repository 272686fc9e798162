"""Logging in once, renewing in time, and never letting a secret out."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest

from informers.clock import Clock
from informers.errors import WriteRefused
from informers.resource import ObjectKey
from reconcilers.server.errors import LoginRefused, NotFound, ServerRefused, refused
from reconcilers.server.session import Credentials, ServerSession, Sessions
from reconcilers.server.tls import Tls
from tests.support.clock import FakeClock

DEMO = ObjectKey("default", "demo")
GOOD = Credentials("admin", "correct-horse")
LOGIN, REFRESH, SHARES = "POST /api/v1/auth/login", "POST /api/v1/auth/refresh", "GET /api/v1/shares"


class TokenServer:
    """A transport that behaves as the server's auth does: tokens that live 900 s and can be revoked."""

    def __init__(
        self, base_url: str = "", *, host: str = "", clock: Clock | None = None, tls: Tls | None = None
    ) -> None:
        self.calls: list[str] = []
        self.valid: set[str] = set()
        self.refresh_works = True
        self.password = GOOD.password
        self.closed = False
        self.limits: dict[str, float | None] = {}
        self._issued = 0
        self._lock = threading.Lock()

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        token: str = "",
        within_s: float | None = None,
        patience_s: float | None = None,
    ) -> object:
        name = f"{method} {path}"
        with self._lock:
            self.calls.append(name)
            if name == LOGIN:
                if (body or {}).get("password") != self.password:
                    raise refused(401, "Invalid username or password", call=name)
                return self._issue()
            if name == REFRESH:
                if not self.refresh_works:
                    raise refused(401, "Invalid refresh token", call=name)
                return self._issue()
            if token not in self.valid:
                raise refused(401, "Invalid or expired token", call=name)
            self.limits[name] = within_s
            if path.endswith("/adapters/nope"):
                raise refused(404, "Adapter not found", call=name)
            return []

    def close(self) -> None:
        self.closed = True

    def _issue(self) -> dict[str, object]:
        self._issued += 1
        self.valid = {f"access-{self._issued}"}
        return {"access_token": f"access-{self._issued}", "refresh_token": f"refresh-{self._issued}", "expires_in": 900}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server() -> TokenServer:
    return TokenServer()


@pytest.fixture
def session(server: TokenServer, clock: FakeClock) -> ServerSession:
    return ServerSession(server, GOOD, clock=clock)


def test_many_calls_share_one_login(session: ServerSession, server: TokenServer) -> None:
    for _ in range(3):
        session.shares()

    assert server.calls == [LOGIN, SHARES, SHARES, SHARES]


def test_many_threads_share_one_login(session: ServerSession, server: TokenServer) -> None:
    threads = [threading.Thread(target=session.shares) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert server.calls.count(LOGIN) == 1


def test_a_token_is_renewed_at_four_fifths_of_its_life(
    session: ServerSession, server: TokenServer, clock: FakeClock
) -> None:
    session.shares()
    clock.advance(719)
    session.shares()
    assert REFRESH not in server.calls

    clock.advance(1)
    session.shares()

    assert server.calls[-2:] == [REFRESH, SHARES]
    assert server.calls.count(LOGIN) == 1


def test_a_refused_renewal_becomes_a_login(session: ServerSession, server: TokenServer, clock: FakeClock) -> None:
    session.shares()
    server.refresh_works = False
    clock.advance(800)

    session.shares()

    assert server.calls[-3:] == [REFRESH, LOGIN, SHARES]


def test_a_revoked_token_is_replaced_and_the_call_repeated_once(session: ServerSession, server: TokenServer) -> None:
    """A restart with another JWT secret invalidates every token (dittofs-server 4.1)."""
    session.shares()
    server.valid.clear()

    session.shares()

    assert server.calls == [LOGIN, SHARES, SHARES, LOGIN, SHARES]


def test_wrong_credentials_are_refused_after_one_try(server: TokenServer, clock: FakeClock) -> None:
    session = ServerSession(server, Credentials("admin", "wrong-horse"), clock=clock)

    with pytest.raises(LoginRefused) as caught:
        session.shares()

    assert server.calls == [LOGIN]
    assert "wrong-horse" not in f"{caught.value} {caught.value!r}"


def test_a_401_that_a_new_login_does_not_cure_is_not_tried_for_ever(
    session: ServerSession, server: TokenServer
) -> None:
    """So answers `POST /users/me/password` to a wrong current password."""

    class AlwaysRefusing(TokenServer):
        def call(
            self,
            method: str,
            path: str,
            body: Mapping[str, object] | None = None,
            *,
            token: str = "",
            within_s: float | None = None,
            patience_s: float | None = None,
        ) -> object:
            answer = super().call(method, path, body, token=token) if "/auth/" in path else None
            if answer is None:
                self.calls.append(f"{method} {path}")
                raise refused(401, "Current password is incorrect", call=path)
            return answer

    stubborn = AlwaysRefusing()
    session = ServerSession(stubborn, GOOD, clock=FakeClock())

    with pytest.raises(LoginRefused, match="Current password is incorrect"):
        session.change_password("wrong-horse", "battery-staple")

    assert stubborn.calls.count(LOGIN) == 2


def test_other_refusals_do_not_touch_the_login(session: ServerSession, server: TokenServer) -> None:
    with pytest.raises(NotFound):
        session.adapter("nope")

    assert server.calls.count(LOGIN) == 1


def test_a_process_that_may_not_write_can_still_look_but_changes_nothing(server: TokenServer, clock: FakeClock) -> None:
    class ClosedGate:
        def check(self) -> float:
            raise WriteRefused("another process may be the leader")

    session = ServerSession(server, GOOD, clock=clock, gate=ClosedGate())

    session.shares()
    with pytest.raises(WriteRefused):
        session.put_adapter("nfs", enabled=True, port=12049)

    assert server.calls == [LOGIN, SHARES]


def test_a_write_ends_before_another_process_may_lead_and_a_read_takes_its_time(
    server: TokenServer, clock: FakeClock
) -> None:
    class OpenGate:
        def check(self) -> float:
            return 4.5

    session = ServerSession(server, GOOD, clock=clock, gate=OpenGate())

    session.shares()
    session.update_group("staff", gid=3000)

    assert server.limits == {SHARES: None, "PUT /api/v1/groups/staff": 4.5}


def test_a_disabled_account_is_a_refused_login(server: TokenServer, clock: FakeClock) -> None:
    class Disabled(TokenServer):
        def call(
            self,
            method: str,
            path: str,
            body: Mapping[str, object] | None = None,
            *,
            token: str = "",
            within_s: float | None = None,
            patience_s: float | None = None,
        ) -> object:
            raise ServerRefused(403, "Account disabled", call=path)

    with pytest.raises(LoginRefused, match="Account disabled"):
        ServerSession(Disabled(), GOOD, clock=clock).shares()


def test_no_secret_shows_in_what_people_print(session: ServerSession, server: TokenServer) -> None:
    session.shares()

    printed = f"{GOOD!r} {GOOD} {session!r} {session._caller!r} {session._caller.__dict__}"

    assert "correct-horse" not in printed
    assert "access-1" not in printed
    assert "refresh-1" not in printed


class TestSessions:
    def test_an_instance_keeps_its_session_until_its_address_or_credentials_change(self, clock: FakeClock) -> None:
        sessions = Sessions(clock=clock, transport_factory=TokenServer)
        url, host = "http://10.0.0.7:8080", "demo-api.default.svc"

        first = sessions.get(DEMO, base_url=url, host=host, credentials=GOOD)

        assert sessions.get(DEMO, base_url=url, host=host, credentials=Credentials("admin", "correct-horse")) is first
        moved = sessions.get(DEMO, base_url="http://10.0.0.8:8080", host=host, credentials=GOOD)
        assert moved is not first
        renewed = sessions.get(
            DEMO, base_url="http://10.0.0.8:8080", host=host, credentials=Credentials("admin", "new")
        )
        assert renewed is not moved
        assert isinstance(first._transport, TokenServer)
        assert first._transport.closed

    def test_instances_do_not_share_a_session(self, clock: FakeClock) -> None:
        sessions = Sessions(clock=clock, transport_factory=TokenServer)
        other = ObjectKey("other", "demo")

        first = sessions.get(DEMO, base_url="http://10.0.0.7:8080", host="", credentials=GOOD)

        assert sessions.get(other, base_url="http://10.0.0.7:8080", host="", credentials=GOOD) is not first

    def test_a_forgotten_instance_starts_over(self, clock: FakeClock) -> None:
        sessions = Sessions(clock=clock, transport_factory=TokenServer)
        first = sessions.get(DEMO, base_url="http://10.0.0.7:8080", host="", credentials=GOOD)

        sessions.forget(DEMO)
        sessions.forget(DEMO)

        assert sessions.get(DEMO, base_url="http://10.0.0.7:8080", host="", credentials=GOOD) is not first
        sessions.close()
