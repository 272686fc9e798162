"""What the operator keeps right inside a running server: its adapters and the admin password; and how it is.

Asked only while the pod is ready. A call that fails ends the look, so that a slow server holds a worker but once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from informers.errors import NotFound as ObjectNotFound
from informers.resource import ObjectKey
from reconcilers import names
from reconcilers.access import ApiClient
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import SECRET
from reconcilers.builders.secrets import encoded
from reconcilers.dittofs.accounts import Accounts
from reconcilers.dittofs.adapter_settings import AdapterSettings
from reconcilers.dittofs.facts import ServerFacts, ServerState
from reconcilers.dittofs.grace_period import GracePeriods
from reconcilers.dittofs.remote_stores import RemoteStores
from reconcilers.dittofs.report import Report
from reconcilers.dittofs.restarts import Restarts
from reconcilers.dittofs.secret_keeper import SecretKeeper
from reconcilers.secret_data import SecretProblem, decode
from reconcilers.server.credentials import CredentialsMissing, CredentialsSource
from reconcilers.server.errors import (
    FAILED,
    LoginRefused,
    PasswordChangeRequired,
    ServerError,
    ServerRefused,
    ServerUnreachable,
    treatment,
)
from reconcilers.server.rows import Adapter
from reconcilers.server.session import Credentials, ServerSession, Sessions

#: What the status says of an adapter that the server does not list.
MISSING = "missing"


@dataclass(frozen=True, slots=True)
class WantedAdapter:
    """A protocol listener as it should be."""

    type: str
    enabled: bool
    port: int

    def is_met_by(self, row: Adapter) -> bool:
        """Whether `row` needs no change; the port of a disabled one does not matter."""
        return row.enabled == self.enabled and (not self.enabled or row.port == self.port)


def wanted_adapters(instance: DittoFS) -> tuple[WantedAdapter, ...]:
    """The listeners of `instance`, on the ports that are fixed inside the pod."""
    adapters = instance.spec.adapters
    return (
        WantedAdapter("nfs", enabled=adapters.nfs.enabled, port=names.NFS_CONTAINER_PORT),
        WantedAdapter("smb", enabled=adapters.smb.enabled, port=names.SMB_CONTAINER_PORT),
    )


def recovery(instance: DittoFS) -> str:
    """What a person does when nobody knows the admin password: the server keeps no more than a hash of it."""
    embedded = instance.spec.database.sqlite is not None
    claim = names.control_plane_claim(instance.metadata.name)
    database = f"delete the claim {claim}" if embedded else "empty its PostgreSQL database"
    return (
        "If nobody knows it: an account of the role admin can set one (dfsctl user password admin, then, as admin, "
        f"dfsctl user change-password). Else: set spec.replicas to 0, {database}, set it to 1 again; "
        "the server then begins with the password in the Secret, the shares come back with their files, but the "
        "server's snapshots and what was made on it by hand are lost"
    )


class ServerSettings:
    """Looks after the servers. Safe for many threads, for different instances."""

    def __init__(
        self,
        *,
        client: ApiClient,
        sessions: Sessions,
        credentials: CredentialsSource,
        keeper: SecretKeeper,
        accounts: Accounts,
        remote_stores: RemoteStores,
        adapter_settings: AdapterSettings,
        restarts: Restarts,
    ) -> None:
        self._client = client
        self._sessions = sessions
        self._credentials = credentials
        self._keeper = keeper
        self._accounts = accounts
        self._remote_stores = remote_stores
        self._adapter_settings = adapter_settings
        self._grace_periods = GracePeriods()
        self._restarts = restarts
        #: By uid: with what the last login worked, since a deleted Secret would otherwise lock everybody out.
        self._remembered: dict[str, Credentials] = {}
        #: By uid: when the server started that the session is with.
        self._started: dict[str, str] = {}

    def remembered_password(self, instance: DittoFS) -> str | None:
        """The admin password that last worked in this process; None when none did."""
        credentials = self._remembered.get(instance.metadata.uid)
        return None if credentials is None else credentials.password

    def forget(self, instance: ObjectKey, uid: str) -> None:
        """Drop everything about an instance that is gone."""
        self._sessions.forget(instance)
        self._credentials.forget(instance)
        self._remembered.pop(uid, None)
        self._started.pop(uid, None)
        self._accounts.forget(uid)
        self._remote_stores.forget(uid)
        self._adapter_settings.forget(uid)
        self._restarts.forget(uid)
        self._grace_periods.forget(uid)

    def look(
        self,
        instance: DittoFS,
        base_url: str,
        *,
        start: str,
        change_password: bool,
        remote: bytes | None,
        change: bool,
        unloaded: tuple[str, ...] = (),
        report: Report,
    ) -> ServerFacts:
        """How the server at `base_url` is, after (with `change`) setting right what differs.

        `start` tells one start of the server from the next. `change_password`: another admin password is wanted than
        the one in force; `remote`: what the rows of remote stores depend on; `unloaded`: the shares that wait for
        another process. Raises a `ClientError` when a Secret can't be read or written.
        """
        try:
            credentials = self._credentials.get(instance)
        except CredentialsMissing as error:
            if (remembered := self._remembered.get(instance.metadata.uid)) is None:
                return ServerFacts(ServerState.REFUSED, str(error))
            credentials = remembered
        visit = _Visit(
            instance,
            base_url,
            credentials,
            start=start,
            change=change,
            change_password=change_password,
            remote=remote,
            unloaded=unloaded,
            report=report,
        )
        try:
            return self._look(visit)
        except _LockedOut as error:
            return ServerFacts(ServerState.LOCKED_OUT, str(error))
        except ServerUnreachable as error:
            return ServerFacts(ServerState.UNREACHABLE, f"the server does not answer: {error}")
        except ServerRefused as error:
            health = self._health(visit) if treatment(error) is FAILED else ""
            return ServerFacts(ServerState.REFUSED, str(error), health=health)

    def _health(self, visit: _Visit) -> str:
        """What a server that fails says of itself; empty when it says nothing."""
        try:
            return self._open(visit, visit.credentials).health().status
        except ServerError:
            return ""

    def _look(self, visit: _Visit) -> ServerFacts:
        self._begin(visit)
        session = self._open(visit, visit.credentials)
        try:
            # The one call of a poll: a server that lists these rows has read its database just now.
            rows = session.adapters()
        except LoginRefused:
            session = self._open_with_another(visit)
            rows = session.adapters()
        except PasswordChangeRequired:
            if not visit.change:
                raise
            session = self._confirm_password(visit, session)
            rows = session.adapters()
        else:
            self._remembered[visit.instance.metadata.uid] = visit.credentials
            if visit.change_password and visit.change:
                self._change_password(visit, session)
        adapters = dict(self._settle(visit, session, {row.type: row for row in rows}))
        if visit.change and visit.remote is not None:
            self._remote_stores.settle(visit.instance, session, visit.start, visit.remote, visit.report)
        if visit.change:
            self._adapter_settings.settle(visit.instance, session, visit.start, visit.report)
            self._accounts.settle(visit.instance, session, visit.start, visit.report)
            self._restart_for_shares(visit, session)
        under_way = self._grace_periods.look(visit.instance, session, visit.start)
        return ServerFacts(ServerState.ANSWERS, adapters=adapters, under_way=under_way)

    def _restart_for_shares(self, visit: _Visit, session: ServerSession) -> None:
        uid = visit.instance.metadata.uid
        if not visit.unloaded:
            self._restarts.forget(uid)
            return
        process = session.health().started_at
        if not visit.report.outdated_process and self._restarts.is_due(uid, process):
            visit.report.outdated_process = process
            visit.report.restarted_for.extend(visit.unloaded)

    def _begin(self, visit: _Visit) -> None:
        """Log in anew to a server that was started again: it may have another database, with another password.

        The old token would go on to work, and hide that.
        """
        uid = visit.instance.metadata.uid
        if self._started.get(uid, visit.start) != visit.start:
            self._sessions.forget(visit.instance.key)
        self._started[uid] = visit.start

    def _open(self, visit: _Visit, credentials: Credentials) -> ServerSession:
        key = visit.instance.key
        return self._sessions.get(key, base_url=visit.base_url, host=names.api_host(key), credentials=credentials)

    def _settle(self, visit: _Visit, session: ServerSession, rows: dict[str, Adapter]) -> Iterator[tuple[str, str]]:
        """Sets the adapters right; gives the health of each that is enabled."""
        for wanted in wanted_adapters(visit.instance):
            row = rows.get(wanted.type)
            if row is not None and not wanted.is_met_by(row) and visit.change:
                row = session.put_adapter(wanted.type, enabled=wanted.enabled, port=wanted.port)
                state = f"on, port {wanted.port}" if wanted.enabled else "off"
                visit.report.server_changes.append(f"{wanted.type} {state}")
            if wanted.enabled:
                yield wanted.type, row.health.status if row is not None else MISSING

    def _confirm_password(self, visit: _Visit, session: ServerSession) -> ServerSession:
        """A session that may do all again, after another administrator has set our password anew.

        The server then asks for another one, and takes the same.
        """
        session.change_password(visit.credentials.password, visit.credentials.password)
        visit.report.server_changes.append("admin password confirmed")
        self._sessions.forget(visit.instance.key)  # what its tokens may do was settled at the login
        return self._open(visit, visit.credentials)

    def _change_password(self, visit: _Visit, session: ServerSession) -> None:
        try:
            wanted = self._keeper.wanted_password(visit.instance)
        except SecretProblem:
            return  # It changed since it was looked at; its event brings the next pass.
        # Written down first: whatever comes between the two writes, the password in force stands somewhere.
        self._patch_secret(visit, {names.ADMIN_NEXT_PASSWORD_KEY: encoded(wanted)})
        session.change_password(visit.credentials.password, wanted)
        self._put_in_force(visit, wanted)

    def _open_with_another(self, visit: _Visit) -> ServerSession:
        """A session under a password that an earlier pass may have set without writing down that it is in force."""
        secret = visit.admin_secret.name
        reference = visit.instance.spec.auth.admin_secret_ref
        for password in self._next_password(visit):
            if (session := self._opened(visit, password)) is not None:
                return session
        if reference is None:
            raise _LockedOut(
                f'the server refuses the password in Secret "{secret}": put the password in force there, '
                f"under the key password. {recovery(visit.instance)}"
            )
        try:
            wanted = self._keeper.wanted_password(visit.instance)
        except SecretProblem as problem:
            raise _LockedOut(f'the server refuses the password in Secret "{secret}", and {problem}') from None
        if (session := self._opened(visit, wanted)) is not None:
            return session
        raise _LockedOut(
            f'the server refuses the passwords in the Secrets "{secret}" and "{reference.name}": '
            f"put the password in force into one of them. {recovery(visit.instance)}"
        )

    def _opened(self, visit: _Visit, password: str) -> ServerSession | None:
        """A session under `password`, which then is written down; None when the server refuses it."""
        session = self._open(visit, replace(visit.credentials, password=password))
        try:
            session.login()
        except LoginRefused:
            return None
        if visit.change:
            self._put_in_force(visit, password)
        return session

    def _next_password(self, visit: _Visit) -> Iterator[str]:
        """The password that was being set, if a change was begun and not settled."""
        key = visit.admin_secret
        try:
            yield decode(self._client.get(SECRET, key), names.ADMIN_NEXT_PASSWORD_KEY)
        except (ObjectNotFound, SecretProblem):
            return

    def _put_in_force(self, visit: _Visit, password: str) -> None:
        """Write down that the server now takes `password`."""
        self._remembered[visit.instance.metadata.uid] = replace(visit.credentials, password=password)
        data = {names.ADMIN_PASSWORD_KEY: encoded(password), names.ADMIN_NEXT_PASSWORD_KEY: None}
        if self._patch_secret(visit, data):
            visit.report.server_changes.append("admin password")

    def _patch_secret(self, visit: _Visit, data: dict[str, str | None]) -> bool:
        """Change values of the admin Secret; False when it is not ours, or was deleted just now.

        A deleted one is made anew by the next pass, from what is remembered.
        """
        key = visit.admin_secret
        if visit.report.is_foreign(SECRET, key.name):
            return False
        try:
            self._client.merge_patch(SECRET, key, {"data": data}, field_manager=names.FIELD_MANAGER)
        except ObjectNotFound:
            return False
        return True


@dataclass(frozen=True, slots=True)
class _Visit:
    """One look at one server."""

    instance: DittoFS
    base_url: str
    credentials: Credentials
    start: str
    change: bool
    change_password: bool
    remote: bytes | None
    unloaded: tuple[str, ...]
    report: Report

    @property
    def admin_secret(self) -> ObjectKey:
        """The Secret with the password in force."""
        return ObjectKey(self.instance.metadata.namespace, names.admin_secret(self.instance.metadata.name))


class _LockedOut(Exception):
    """No password that the operator knows opens the server."""
