"""The Secrets of an instance: generated once, kept labelled and owned as the specification says, checked when given.

They are made by a create and mended by a merge patch, never applied: a stale cache must not make an empty one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from informers.errors import AlreadyExists
from informers.resource import Manifest, ObjectKey, View
from informers.view import thaw
from reconcilers import names
from reconcilers.access import ApiClient, Cache
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import SECRET
from reconcilers.builders.consumed import consumed_values
from reconcilers.builders.inputs import PostgresSource
from reconcilers.builders.metadata import keepsake
from reconcilers.builders.secrets import admin_secret, jwt_secret
from reconcilers.dittofs.facts import Problem
from reconcilers.dittofs.ownership import Whose, whose
from reconcilers.dittofs.report import Report
from reconcilers.dittofs.secret_reader import SecretReader, SecretValue
from reconcilers.secret_data import SecretProblem

#: What the server asks of its signing key, in characters, and of a password, in bytes (bcrypt's limit is the upper).
MIN_SIGNING_KEY_CHARACTERS = 32
MIN_PASSWORD_BYTES = 8
MAX_PASSWORD_BYTES = 72

JWT_SECRET_INVALID = "JwtSecretInvalid"  # noqa: S105 - a reason
ADMIN_SECRET_INVALID = "AdminSecretInvalid"  # noqa: S105 - a reason
SECRET_INVALID = "SecretInvalid"  # noqa: S105 - a reason


def random_text() -> str:
    """32 random bytes as text: 43 characters, good as signing key and as password."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Where the signing key of tokens is, and a digest of it."""

    secret: str
    key: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class AdminPassword:
    """The state of the admin password."""

    #: Whether the Secret with the password in force is there and whole, so that a pod can start with it.
    in_place: bool
    #: Whether another one is wanted than the one in force.
    change_wanted: bool


class SecretKeeper:
    """Sees to the two Secrets of each instance."""

    def __init__(
        self,
        *,
        client: ApiClient,
        secrets: Cache,
        reader: SecretReader,
        generate: Callable[[], str] = random_text,
    ) -> None:
        self._client = client
        self._secrets = secrets
        self._reader = reader
        self._generate = generate

    def signing_key(self, instance: DittoFS, report: Report) -> SigningKey | None:
        """The signing key to use; None, with the problem in `report`, when there is no good one."""
        reference = instance.spec.auth.jwt_secret_ref
        view: View | None = None
        if reference is None:
            name, key = names.jwt_secret(instance.metadata.name), names.JWT_SECRET_KEY
            view = self._ensure(instance, name, lambda: jwt_secret(instance, self._generate()), report)
            if view is None:
                return None
        else:
            name, key = reference.name, reference.key
            self._mend_if_present(instance, names.jwt_secret(instance.metadata.name), report)
        try:
            value = self._reader.look(ObjectKey(instance.metadata.namespace, name), key, view=view)
            _check_signing_key(value, name, key)
        except SecretProblem as problem:
            report.config_problems.append(Problem(JWT_SECRET_INVALID, str(problem)))
            return None
        return SigningKey(name, key, value.digest)

    def consumed(self, instance: DittoFS, postgres: PostgresSource | None, report: Report) -> tuple[bytes, ...] | None:
        """Digests of the other values that take a restart; None, with the problem in `report`, when one lacks."""
        digests = []
        for consumed in consumed_values(instance, postgres):
            try:
                secret = ObjectKey(instance.metadata.namespace, consumed.secret)
                value = self._reader.look(secret, consumed.key)
                _check_not_empty(value, consumed.secret, consumed.key)
            except SecretProblem as problem:
                report.config_problems.append(Problem(SECRET_INVALID, f"spec.{consumed.field}: {problem}"))
                return None
            if consumed.restarts:
                digests.append(value.digest)
        return tuple(digests)

    def admin_password(self, instance: DittoFS, report: Report, *, remembered: str | None) -> AdminPassword:
        """Sees to the Secret with the password in force and compares it with the one that is wanted.

        `remembered` is the password that this process last logged in with: a Secret that was deleted gets it back.
        """
        wanted = self._wanted_password(instance, report)
        name = names.admin_secret(instance.metadata.name)
        reference = instance.spec.auth.admin_secret_ref

        def make() -> Manifest:
            if remembered is not None:
                return admin_secret(instance, remembered)
            if reference is not None:
                return admin_secret(instance, self.wanted_password(instance))
            return admin_secret(instance, self._generate())

        nothing_to_put_in = reference is not None and wanted is None and remembered is None
        try:
            if nothing_to_put_in:
                view = self._mend_if_present(instance, name, report)
            else:
                view = self._ensure(instance, name, make, report)
            if view is None:
                return AdminPassword(in_place=False, change_wanted=False)
            in_force = self._reader.look(ObjectKey.of(view), names.ADMIN_PASSWORD_KEY, view=view)
        except SecretProblem as problem:
            report.config_problems.append(Problem(ADMIN_SECRET_INVALID, str(problem)))
            return AdminPassword(in_place=False, change_wanted=False)
        return AdminPassword(in_place=True, change_wanted=wanted is not None and wanted.digest != in_force.digest)

    def wanted_password(self, instance: DittoFS) -> str:
        """The password that the specification names, read now. Raises SecretProblem, or a `ClientError`."""
        reference = instance.spec.auth.admin_secret_ref
        if reference is None:
            raise SecretProblem("spec.auth.adminSecretRef names no password")
        return self._reader.value(ObjectKey(instance.metadata.namespace, reference.name), reference.password_key)

    def _wanted_password(self, instance: DittoFS, report: Report) -> SecretValue | None:
        reference = instance.spec.auth.admin_secret_ref
        if reference is None:
            return None
        try:
            value = self._reader.look(ObjectKey(instance.metadata.namespace, reference.name), reference.password_key)
            check_password(value, reference.name, reference.password_key)
        except SecretProblem as problem:
            report.config_problems.append(Problem(ADMIN_SECRET_INVALID, str(problem)))
            return None
        return value

    def _ensure(self, instance: DittoFS, name: str, make: Callable[[], Manifest], report: Report) -> View | None:
        """The Secret `name`, made when it is absent; None when the name is not ours to use."""
        key = ObjectKey(instance.metadata.namespace, name)
        view = self._secrets.get(key)
        if view is None:
            try:
                created = self._client.create(SECRET, make(), field_manager=names.FIELD_MANAGER)
            except AlreadyExists:
                view = self._client.get(SECRET, key)
            else:
                report.created.append(f"Secret {name}")
                return created
        return self._mend(instance, view, report)

    def _mend_if_present(self, instance: DittoFS, name: str, report: Report) -> View | None:
        view = self._secrets.get(ObjectKey(instance.metadata.namespace, name))
        return None if view is None else self._mend(instance, view, report)

    def _mend(self, instance: DittoFS, view: View, report: Report) -> View | None:
        """The Secret `view` with the metadata it should have; None when it is not ours to use."""
        name = view["metadata"]["name"]
        match whose(SECRET, view, instance):
            case Whose.FOREIGN:
                report.conflicts.append(f"Secret {name}")
                return None
            case Whose.LEAVING:
                report.leaving.append(f"Secret {name}")
                return None
            case Whose.OURS:
                pass
        patch = _metadata_patch(keepsake(instance, SECRET, name), view)
        if not patch:
            return view
        # With the version it was read at: nothing that somebody wrote since is undone.
        patch["resourceVersion"] = view["metadata"]["resourceVersion"]
        patched = self._client.merge_patch(
            SECRET, ObjectKey.of(view), {"metadata": patch}, field_manager=names.FIELD_MANAGER
        )
        report.updated.append(f"Secret {name}")
        return patched


def _check_not_empty(value: SecretValue, secret: str, key: str) -> None:
    if value.length_bytes == 0:
        raise SecretProblem(f'Secret "{secret}" is empty under "{key}": put a value there')


def _check_signing_key(value: SecretValue, secret: str, key: str) -> None:
    if value.length_characters < MIN_SIGNING_KEY_CHARACTERS:
        raise SecretProblem(
            f'Secret "{secret}" has {value.length_characters} characters under "{key}", the server needs at least '
            f"{MIN_SIGNING_KEY_CHARACTERS}: put a longer random text there"
        )


def check_password(value: SecretValue, secret: str, key: str) -> None:
    """Raises SecretProblem unless the server can take the value as a password."""
    if not MIN_PASSWORD_BYTES <= value.length_bytes <= MAX_PASSWORD_BYTES:
        raise SecretProblem(
            f'Secret "{secret}" has {value.length_bytes} bytes under "{key}", a password needs {MIN_PASSWORD_BYTES} '
            f"to {MAX_PASSWORD_BYTES}: put such a one there"
        )


def _metadata_patch(wanted: Manifest, view: View) -> dict[str, Any]:
    """The merge patch that gives the metadata of `view` what `wanted` says; empty when nothing lacks."""
    patch: dict[str, Any] = {}
    for part in ("labels", "annotations"):
        present = view["metadata"].get(part) or {}
        lacking = {key: value for key, value in wanted["metadata"][part].items() if present.get(key) != value}
        if lacking:
            patch[part] = lacking
    present_owners = thaw(view["metadata"].get("ownerReferences") or [])
    ours = wanted["metadata"].get("ownerReferences", [])
    others = [owner for owner in present_owners if not owner.get("controller")]
    controllers = [owner for owner in present_owners if owner.get("controller")]
    if controllers != ours:
        patch["ownerReferences"] = others + ours
    return patch
