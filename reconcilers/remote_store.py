"""The remote block store of each share with an S3 payload: its objects in the bucket, below a prefix of its own.

The server hides the secret key of a row from everybody. So that a row can be told from one with other keys, it holds a
fingerprint of them too, which only those can see who may administer the server.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from informers.errors import NotFound
from informers.resource import Manifest, ObjectKey, Resource
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.object_storage import S3
from reconcilers.api.resources import SECRET
from reconcilers.secret_data import SecretProblem, absent, decode
from reconcilers.server.errors import ServerRefused
from reconcilers.server.rows import Store

STORE_TYPE = "s3"
FINGERPRINT = "operator_fingerprint"
#: The start of the process that still has what the row said before.
CHANGED_DURING = "operator_changed_during"

#: What decides where the objects are: a row that differs in it is another store.
PLACE = ("bucket", "endpoint", "prefix")


class ObjectReader(Protocol):
    """Reads one object from the API server (`informers.client.Client`)."""

    def get(self, resource: Resource, key: ObjectKey) -> Manifest:
        """The object; raises `informers.errors.NotFound` when it is gone."""


@dataclass(frozen=True, slots=True)
class S3Keys:
    """The static keys of an account of the S3 service."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """Another one for other keys; without the secret key it can't be made."""
        return hmac.new(self.secret_access_key.encode(), self.access_key_id.encode(), hashlib.sha256).hexdigest()


def read_keys(instance: DittoFS, reader: ObjectReader) -> S3Keys:
    """The keys that the specification names, read now. Raises SecretProblem, or a `ClientError`."""
    reference = s3_of(instance).credentials_secret_ref
    try:
        secret = reader.get(SECRET, ObjectKey(instance.metadata.namespace, reference.name))
    except NotFound:
        raise SecretProblem(absent(reference.name, reference.secret_access_key_key)) from None
    keys = [decode(secret, key) for key in (reference.access_key_id_key, reference.secret_access_key_key)]
    if not all(keys):
        raise SecretProblem(
            f'Secret "{reference.name}" is empty under "{reference.access_key_id_key}" or '
            f'"{reference.secret_access_key_key}": put the keys there'
        )
    return S3Keys(*keys)


def s3_of(instance: DittoFS) -> S3:
    """The bucket of `instance`, which has an S3 payload. Raises ValueError when it has none."""
    if instance.spec.payload.s3 is None:
        raise ValueError(f"{instance.key} has no S3 payload")
    return instance.spec.payload.s3


def object_prefix(instance: DittoFS) -> str:
    """What the names of all objects of `instance` begin with."""
    return names.object_prefix(instance.key, s3_of(instance).prefix)


def location(instance: DittoFS) -> str:
    """Where the objects of `instance` are, as `s3://bucket/prefix/`; empty without an S3 payload."""
    s3 = instance.spec.payload.s3
    return "" if s3 is None else f"s3://{s3.bucket}/{object_prefix(instance)}"


def overlap(prefix: str, other: str) -> bool:
    """Whether objects below the one prefix can be below the other as well."""
    return prefix.startswith(other) or other.startswith(prefix)


def share_prefix(instance: DittoFS, address: str) -> str:
    """What the names of all objects of the share at `address` begin with."""
    return f"{object_prefix(instance)}{names.store_key(address)}/"


def settings(instance: DittoFS, address: str) -> dict[str, Any]:
    """The settings of the store of the share at `address`, by the server's names, without the keys."""
    return {"prefix": share_prefix(instance, address), **_shared_settings(instance)}


def settings_digest(instance: DittoFS) -> tuple[bytes, ...]:
    """What changes with the settings that a server takes up at its start; nothing without an S3 payload."""
    if instance.spec.payload.s3 is None:
        return ()
    return (repr(sorted(_shared_settings(instance).items())).encode(),)


def with_keys(settings: Mapping[str, Any], keys: S3Keys) -> dict[str, Any]:
    """The whole `config` of a row."""
    return {
        **settings,
        "access_key_id": keys.access_key_id,
        "secret_access_key": keys.secret_access_key,
        FINGERPRINT: keys.fingerprint,
    }


def is_ours(instance: DittoFS, row: Store) -> bool:
    """Whether `row` keeps objects of a share of `instance` where this operator would put them."""
    if row.type != STORE_TYPE or not row.name.startswith(names.STORE_PREFIX):
        return False
    key = row.name.removeprefix(names.STORE_PREFIX)
    wanted = {**_shared_settings(instance), "prefix": f"{object_prefix(instance)}{key}/"}
    return all(row.config.get(part, "") == wanted.get(part, "") for part in PLACE)


def is_current(instance: DittoFS, row: Store, keys: S3Keys) -> bool:
    """Whether `row`, which `is_ours`, has the settings and keys that are wanted."""
    wanted = {**_shared_settings(instance), FINGERPRINT: keys.fingerprint, "access_key_id": keys.access_key_id}
    return all(row.config.get(part) == wanted.get(part) for part in (*_MUTABLE, FINGERPRINT, "access_key_id"))


def renewed(instance: DittoFS, row: Store, keys: S3Keys, *, process: str) -> dict[str, Any]:
    """The `config` that `row`, which `is_ours`, should have, changed while the `process` with that start runs.

    What somebody else set in it stays.
    """
    kept = {name: value for name, value in row.config.items() if name not in _MUTABLE}
    return {**kept, **with_keys(_shared_settings(instance), keys), CHANGED_DURING: process}


def in_our_words(refusal: ServerRefused) -> ServerRefused:
    """`refusal` of a store with the remedy that the custom resource has."""
    detail = refusal.detail.replace(
        "set allow_private_endpoint=true to permit", "set spec.payload.s3.allowPrivateEndpoint of the DittoFS to true"
    )
    return type(refusal)(refusal.status, detail, call=refusal.call)


_MUTABLE = ("region", "force_path_style", "allow_private_endpoint")


def _shared_settings(instance: DittoFS) -> dict[str, Any]:
    s3 = s3_of(instance)
    settings: dict[str, Any] = {
        "bucket": s3.bucket,
        "region": s3.region,
        "allow_private_endpoint": s3.allow_private_endpoint,
    }
    if s3.endpoint:
        settings["endpoint"] = s3.endpoint
    if s3.force_path_style is not None:
        settings["force_path_style"] = s3.force_path_style
    return settings
