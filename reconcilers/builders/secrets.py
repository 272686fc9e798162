"""The two generated Secrets: made once by a create, never applied, so that a stale cache can't replace them."""

from __future__ import annotations

import base64

from informers.resource import Manifest
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import SECRET
from reconcilers.builders.metadata import keepsake


def jwt_secret(instance: DittoFS, key: str) -> Manifest:
    """The Secret with the signing `key` of the server's tokens."""
    return _secret(instance, names.jwt_secret(instance.metadata.name), {names.JWT_SECRET_KEY: key})


def admin_secret(instance: DittoFS, password: str) -> Manifest:
    """The Secret with the admin `password` in force."""
    data = {names.ADMIN_USERNAME_KEY: names.ADMIN_USERNAME, names.ADMIN_PASSWORD_KEY: password}
    return _secret(instance, names.admin_secret(instance.metadata.name), data)


def encoded(value: str) -> str:
    """`value` as it stands in the `data` of a Secret."""
    return base64.b64encode(value.encode()).decode()


def _secret(instance: DittoFS, name: str, data: dict[str, str]) -> Manifest:
    manifest = keepsake(instance, SECRET, name)
    manifest["type"] = "Opaque"
    manifest["data"] = {key: encoded(value) for key, value in data.items()}
    return manifest
