"""The operator's login to a server: by the admin password in force, the one that was being set, or the one wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from informers.errors import NotFound as ObjectNotFound
from informers.resource import ObjectKey
from reconcilers import names
from reconcilers.access import ApiClient
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import SECRET
from reconcilers.builders.secrets import encoded
from reconcilers.dittofs.secret_keeper import SecretKeeper
from reconcilers.dittofs.visit import Visit
from reconcilers.secret_data import SecretProblem, decode
from reconcilers.server.credentials import CredentialsMissing, CredentialsSource
from reconcilers.server.errors import LoginRefused
from reconcilers.server.session import Credentials, ServerSession, Sessions


class LockedOut(Exception):
    """No password that the operator knows opens the server."""


class AdminLogin:
    """Logs in to servers, and changes the password there. Safe for many threads, for different instances."""

    def __init__(
        self, *, client: ApiClient, sessions: Sessions, credentials: CredentialsSource, keeper: SecretKeeper
    ) -> None:
        self._client = client
        self._sessions = sessions
        self._credentials = credentials
        self._keeper = keeper
        #: By uid: with what the last login worked, since a deleted Secret would otherwise lock everybody out.
        self._remembered: dict[str, Credentials] = {}

    def remembered_password(self, instance: DittoFS) -> str | None:
        """The admin password that last worked in this process; None when none did."""
        credentials = self._remembered.get(instance.metadata.uid)
        return None if credentials is None else credentials.password

    def credentials(self, instance: DittoFS) -> Credentials:
        """What the admin Secret says, else what worked last; CredentialsMissing without either."""
        try:
            return self._credentials.get(instance)
        except CredentialsMissing:
            if (remembered := self._remembered.get(instance.metadata.uid)) is None:
                raise
            return remembered

    def forget(self, instance: ObjectKey, uid: str) -> None:
        """Drop everything about an instance that is gone."""
        self._sessions.forget(instance)
        self._credentials.forget(instance)
        self._remembered.pop(uid, None)

    def open(self, visit: Visit, credentials: Credentials) -> ServerSession:
        """A session under `credentials`, which were not tried yet."""
        key = visit.instance.key
        return self._sessions.get(key, base_url=visit.base_url, host=names.api_host(key), credentials=credentials)

    def begin_anew(self, instance: ObjectKey) -> None:
        """Let the next session log in again."""
        self._sessions.forget(instance)

    def worked(self, visit: Visit, session: ServerSession) -> None:
        """The login of `visit` works: remember that, and change the password if another is wanted.

        Raises a `ServerError`, or a `ClientError` when a Secret can't be read or written.
        """
        self._remembered[visit.instance.metadata.uid] = visit.credentials
        if visit.change_password and visit.change:
            self._change(visit, session)

    def confirm(self, visit: Visit, session: ServerSession) -> ServerSession:
        """A session that may do all again, after another administrator has set our password anew.

        The server then asks for another one, and takes the same. Raises a `ServerError`.
        """
        session.change_password(visit.credentials.password, visit.credentials.password)
        visit.report.server_changes.append("admin password confirmed")
        self._sessions.forget(visit.instance.key)  # what its tokens may do was settled at the login
        return self.open(visit, visit.credentials)

    def _change(self, visit: Visit, session: ServerSession) -> None:
        try:
            wanted = self._keeper.wanted_password(visit.instance)
        except SecretProblem:
            return  # It changed since it was looked at; its event brings the next pass.
        # Written down first: whatever comes between the two writes, the password in force stands somewhere.
        self._patch_secret(visit, {names.ADMIN_NEXT_PASSWORD_KEY: encoded(wanted)})
        session.change_password(visit.credentials.password, wanted)
        self._put_in_force(visit, wanted)

    def open_with_another(self, visit: Visit) -> ServerSession:
        """A session under a password that an earlier pass may have set without writing down that it is in force.

        Raises LockedOut, a `ServerError`, or a `ClientError` when a Secret can't be read or written.
        """
        secret = visit.admin_secret.name
        reference = visit.instance.spec.auth.admin_secret_ref
        for password in self._next_password(visit):
            if (session := self._opened(visit, password)) is not None:
                return session
        if reference is None:
            raise LockedOut(
                f'the server refuses the password in Secret "{secret}": put the password in force there, '
                f"under the key password. {recovery(visit.instance)}"
            )
        try:
            wanted = self._keeper.wanted_password(visit.instance)
        except SecretProblem as problem:
            raise LockedOut(f'the server refuses the password in Secret "{secret}", and {problem}') from None
        if (session := self._opened(visit, wanted)) is not None:
            return session
        raise LockedOut(
            f'the server refuses the passwords in the Secrets "{secret}" and "{reference.name}": '
            f"put the password in force into one of them. {recovery(visit.instance)}"
        )

    def _opened(self, visit: Visit, password: str) -> ServerSession | None:
        """A session under `password`, which then is written down; None when the server refuses it."""
        session = self.open(visit, replace(visit.credentials, password=password))
        try:
            session.login()
        except LoginRefused:
            return None
        if visit.change:
            self._put_in_force(visit, password)
        return session

    def _next_password(self, visit: Visit) -> Iterator[str]:
        """The password that was being set, if a change was begun and not settled."""
        key = visit.admin_secret
        try:
            yield decode(self._client.get(SECRET, key), names.ADMIN_NEXT_PASSWORD_KEY)
        except (ObjectNotFound, SecretProblem):
            return

    def _put_in_force(self, visit: Visit, password: str) -> None:
        """Write down that the server now takes `password`."""
        self._remembered[visit.instance.metadata.uid] = replace(visit.credentials, password=password)
        data = {names.ADMIN_PASSWORD_KEY: encoded(password), names.ADMIN_NEXT_PASSWORD_KEY: None}
        if self._patch_secret(visit, data):
            visit.report.server_changes.append("admin password")

    def _patch_secret(self, visit: Visit, data: dict[str, str | None]) -> bool:
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
