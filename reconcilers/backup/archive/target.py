"""Whether an archive can be kept where it is to be, as far as the objects tell: the Job finds out the rest."""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Callable

from informers.errors import AlreadyExists, Forbidden, Invalid, NotFound
from informers.resource import Manifest, ObjectKey
from reconcilers import names, remote_store
from reconcilers.access import ApiClient
from reconcilers.api.archive import ArchiveClaim
from reconcilers.api.backup import BackupPhase, DittoFSBackup
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import PERSISTENT_VOLUME_CLAIM, SECRET
from reconcilers.backup.archive.orders import archive_bucket, archive_prefix, target_claim
from reconcilers.backup.plan import Obstacle
from reconcilers.builders.claims import ACCESS_MODES
from reconcilers.secret_data import SecretProblem, absent, no_such_key

_KEY_BYTES = 32


class Targets:
    """Looks after targets; every method raises an `ApiError` that is no answer to what it asks."""

    def __init__(self, *, client: ApiClient) -> None:
        self._client = client

    def obstacle(self, backup: DittoFSBackup, instance: DittoFS) -> Obstacle | None:
        """What is in the way of an archive of `instance`; a claim that the operator has to make is made."""
        try:
            self._check_secrets(backup)
        except SecretProblem as problem:
            return _waiting("TargetSecretMissing", str(problem))
        bucket = archive_bucket(backup)
        if bucket is not None:
            return _of_bucket(instance, bucket.bucket, bucket.endpoint, archive_prefix(bucket))
        return self._of_claim(backup)

    def _check_secrets(self, backup: DittoFSBackup) -> None:
        """Raises SecretProblem."""
        namespace, bucket = backup.metadata.namespace, archive_bucket(backup)
        if bucket is not None:
            credentials, authorities = bucket.credentials_secret_ref, bucket.ca_secret_ref
            for key in (credentials.access_key_id_key, credentials.secret_access_key_key):
                self._check(namespace, credentials.name, key, bool, "is empty: put the keys there")
            if authorities is not None:
                self._check(namespace, authorities.name, authorities.key, bool, "is empty: put certificates there")
        key_reference = backup.spec.encryption.key_secret_ref
        if key_reference is not None:
            remedy = "must be 32 bytes, or those in base64: make one with openssl rand -base64 32"
            self._check(namespace, key_reference.name, key_reference.key, _is_key, remedy)

    def _check(self, namespace: str, name: str, key: str, good: Callable[[bytes], bool], remedy: str) -> None:
        try:
            secret = self._client.get(SECRET, ObjectKey(namespace, name))
        except NotFound:
            raise SecretProblem(absent(name, key)) from None
        encoded = (secret.get("data") or {}).get(key)
        if encoded is None:
            raise SecretProblem(no_such_key(name, key))
        if not good(base64.b64decode(encoded)):
            raise SecretProblem(f'"{key}" of Secret "{name}" {remedy}')

    def _of_claim(self, backup: DittoFSBackup) -> Obstacle | None:
        wanted = None if backup.spec.target is None else backup.spec.target.pvc
        key = ObjectKey(backup.metadata.namespace, target_claim(backup))
        try:
            found: Manifest | None = self._client.get(PERSISTENT_VOLUME_CLAIM, key)
        except NotFound:
            found = None
        if found is not None and found["metadata"].get("deletionTimestamp"):
            return _waiting("TargetNotFound", f'PersistentVolumeClaim "{key.name}" is being deleted')
        if wanted is None or wanted.claim_name is not None:
            remedy = "create it, or make a DittoFSBackup that names another"
            missing = f'there is no PersistentVolumeClaim "{key.name}" in this namespace: {remedy}'
            return _waiting("TargetNotFound", missing) if found is None else None
        if found is None:
            return self._make(backup, wanted, key)
        labels = found["metadata"].get("labels") or {}
        if labels.get(names.COMPONENT_LABEL) != names.Component.ARCHIVE:
            remedy = "name it in target.pvc.claimName of a new DittoFSBackup, or give that one another name"
            return _waiting("TargetNameTaken", f'PersistentVolumeClaim "{key.name}" is not of this operator: {remedy}')
        return None

    def _make(self, backup: DittoFSBackup, wanted: ArchiveClaim, key: ObjectKey) -> Obstacle | None:
        spec: Manifest = {"accessModes": list(ACCESS_MODES), "resources": {"requests": {"storage": wanted.size}}}
        if wanted.storage_class_name is not None:
            spec["storageClassName"] = wanted.storage_class_name
        claim: Manifest = {
            "apiVersion": PERSISTENT_VOLUME_CLAIM.api_version,
            "kind": PERSISTENT_VOLUME_CLAIM.kind,
            # Nobody's: it outlives the backups that are on it, and the DittoFS.
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "labels": {
                    names.NAME_LABEL: names.APPLICATION,
                    names.COMPONENT_LABEL: names.Component.ARCHIVE.value,
                    names.PART_OF_LABEL: names.APPLICATION,
                    names.INSTANCE_LABEL: backup.spec.instance_ref.name,
                },
            },
            "spec": spec,
        }
        try:
            with contextlib.suppress(AlreadyExists):
                self._client.create(PERSISTENT_VOLUME_CLAIM, claim, field_manager=names.FIELD_MANAGER)
        except (Forbidden, Invalid) as error:
            return _waiting("TargetRefused", f'PersistentVolumeClaim "{key.name}" can\'t be made: {error}')
        return None


def _of_bucket(instance: DittoFS, bucket: str, endpoint: str, prefix: str) -> Obstacle | None:
    s3 = instance.spec.payload.s3
    if s3 is None or (s3.bucket, _address(s3.endpoint)) != (bucket, _address(endpoint)):
        return None
    if not prefix.startswith(remote_store.object_prefix(instance)):
        return None
    message = (
        f'the target is below "{remote_store.object_prefix(instance)}", where the server of DittoFS '
        f'"{instance.metadata.name}" deletes what it does not know: make a backup with another prefix'
    )
    return Obstacle(BackupPhase.FAILED, "TargetInPayload", message, final=True)


def _address(endpoint: str) -> str:
    return endpoint.lower().rstrip("/")


def _is_key(value: bytes) -> bool:
    if len(value) == _KEY_BYTES:
        return True
    try:
        return len(base64.b64decode(value.strip(), validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False


def _waiting(reason: str, message: str) -> Obstacle:
    return Obstacle(BackupPhase.PENDING, reason, message)
