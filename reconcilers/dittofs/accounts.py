"""Keeps the declared users and groups on a server: at once when they change or the server is new, else now and then.

A password can't be read back: it is proven by a login, once for each start of the server and each change of its Secret.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from informers.resource import ObjectKey
from reconcilers.api.accounts import User
from reconcilers.api.dittofs import DittoFS
from reconcilers.dittofs.account_plan import (
    CreateGroup,
    CreateUser,
    Refusal,
    Step,
    UpdateGroup,
    UpdateUser,
    fields_of,
    plan,
)
from reconcilers.dittofs.deep_poll import DeepPoll
from reconcilers.dittofs.report import Report
from reconcilers.dittofs.secret_keeper import check_password
from reconcilers.dittofs.secret_reader import SecretReader, SecretValue
from reconcilers.secret_data import SecretProblem
from reconcilers.server.errors import ServerRefused
from reconcilers.server.session import ServerSession


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found on one start of one server."""

    start: str
    #: By user, the digest of the password that was proven.
    passwords: dict[str, bytes] = field(default_factory=dict)


class Accounts:
    """Looks after users and groups. Safe for many threads, for different instances."""

    def __init__(self, *, reader: SecretReader, poll: DeepPoll) -> None:
        self._reader = reader
        self._poll = poll
        self._known: dict[str, _Known] = {}

    def forget(self, uid: str) -> None:
        """Drop what was remembered of an instance that is gone."""
        self._poll.forget(uid)
        self._known.pop(uid, None)

    def settle(self, instance: DittoFS, session: ServerSession, start: str, report: Report) -> None:
        """Make the server that `session` leads to have what `instance` declares; what can't be had is in `report`.

        `start` tells one start of the server from the next. Raises a `ServerError` when the server fails.
        """
        spec = instance.spec
        if not spec.users and not spec.groups:
            return
        uid = instance.metadata.uid
        known = self._known.get(uid)
        if known is None or known.start != start:
            known = self._known[uid] = _Known(start)
        passwords = self._passwords(instance, report)
        declared = _digest(instance, passwords)
        if not self._poll.is_due(uid, start=start, declared=declared):
            return
        problems = len(report.account_problems)
        for step in plan(spec.groups, spec.users, group_rows=session.groups(), user_rows=session.users()):
            self._do(step, instance, session, known, passwords, report)
        for user in spec.users:
            self._prove(user, instance, session, known, passwords, report)
        if len(report.account_problems) == problems:
            self._poll.settle(uid, start=start, declared=declared)
        else:
            self._poll.forget(uid)

    def _passwords(self, instance: DittoFS, report: Report) -> dict[str, SecretValue]:
        found = {}
        for user in instance.spec.users:
            reference = user.password_secret_ref
            try:
                value = self._reader.look(ObjectKey(instance.metadata.namespace, reference.name), reference.key)
                check_password(value, reference.name, reference.key)
            except SecretProblem as problem:
                report.account_problems.append(f"user {user.name}: {problem}")
            else:
                found[user.name] = value
        return found

    def _do(
        self,
        step: Step,
        instance: DittoFS,
        session: ServerSession,
        known: _Known,
        passwords: dict[str, SecretValue],
        report: Report,
    ) -> None:
        try:
            match step:
                case CreateGroup(group=group):
                    session.create_group(group.name, gid=group.gid)
                    report.server_changes.append(f"group {group.name}")
                case UpdateGroup(group=group):
                    session.update_group(group.name, gid=group.gid)
                    report.server_changes.append(f"group {group.name}")
                case CreateUser(user=user) if user.name in passwords:
                    session.create_user(user.name, password=self._password(instance, user), fields=fields_of(user))
                    if not user.enabled:
                        session.update_user(user.name, fields={"enabled": False})
                    known.passwords[user.name] = passwords[user.name].digest
                    report.server_changes.append(f"user {user.name}")
                case CreateUser():
                    pass  # Its password is told of already.
                case UpdateUser(user=user, fields=fields):
                    session.update_user(user.name, fields=fields)
                    report.server_changes.append(f"user {user.name}")
                case Refusal(text=text):
                    report.account_problems.append(text)
        except ServerRefused as error:
            report.account_problems.append(f"{_name(step)}: {error}")

    def _prove(
        self,
        user: User,
        instance: DittoFS,
        session: ServerSession,
        known: _Known,
        passwords: dict[str, SecretValue],
        report: Report,
    ) -> None:
        value = passwords.get(user.name)
        if value is None or known.passwords.get(user.name) == value.digest:
            return
        try:
            password = self._password(instance, user)
            if not session.has_password(user.name, password):
                session.set_password(user.name, password)
                report.server_changes.append(f"password of user {user.name}")
        except ServerRefused as error:
            report.account_problems.append(f"password of user {user.name}: {error}")
            return
        known.passwords[user.name] = value.digest

    def _password(self, instance: DittoFS, user: User) -> str:
        reference = user.password_secret_ref
        return self._reader.value(ObjectKey(instance.metadata.namespace, reference.name), reference.key)


def _name(step: Step) -> str:
    match step:
        case CreateGroup(group=group) | UpdateGroup(group=group):
            return f"group {group.name}"
        case CreateUser(user=user) | UpdateUser(user=user):
            return f"user {user.name}"
        case Refusal(text=text):
            return text


def _digest(instance: DittoFS, passwords: dict[str, SecretValue]) -> bytes:
    digest = hashlib.sha256()
    for part in (*instance.spec.groups, *instance.spec.users):
        digest.update(part.model_dump_json().encode() + b"\0")
    for name, value in sorted(passwords.items()):
        digest.update(name.encode() + b"\0" + value.digest)
    return digest.digest()
