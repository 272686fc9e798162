"""The server's config.yaml: its process settings, in the words of dittofs-server 2.2, and the hash that rolls the pod.

Stores, shares and adapters are no part of it: the server keeps them as rows behind its REST API.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import yaml

from informers.resource import Manifest
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import CONFIG_MAP
from reconcilers.api.scalars import parse_bytes
from reconcilers.api.storage import PayloadType
from reconcilers.builders.consumed import api_certificate, api_client_ca, database_ca, metrics_token
from reconcilers.builders.inputs import BuildFacts, PostgresSource
from reconcilers.builders.metadata import child
from reconcilers.builders.overrides import merged
from reconcilers.builders.shares_file import MAX_BYTES, shares_file
from reconcilers.purge import MAX_BYTES as PURGE_BYTES

#: What an object of the API may have, 1 MiB, less what shares.yaml and the list of deleted shares may take, and some
#: room for the ConfigMap's metadata.
MAX_CONFIG_BYTES = 1024 * 1024 - MAX_BYTES - PURGE_BYTES - 28 * 1024
#: How long the server may take to answer a restore, which it does in one request.
RESTORE_TIMEOUT = "30m"
#: Longer than a restore: with the default of 10s its answer would be lost.
WRITE_TIMEOUT = "35m"


def config_map(instance: DittoFS, facts: BuildFacts) -> Manifest:
    """The ConfigMap: `config.yaml`, which the pod reads, `shares.yaml`, which is there to rebuild from, and `purge`."""
    manifest = child(instance, CONFIG_MAP, names.config_map(instance.metadata.name))
    manifest["data"] = {
        names.CONFIG_KEY: _text(instance, facts),
        names.SHARES_KEY: shares_file(instance, facts.shares, facts.addresses, facts.adopted),
    }
    if listed := facts.purge.file(instance, in_use=frozenset(facts.addresses.values())):
        manifest["data"][names.PURGE_KEY] = listed
    return manifest


def _text(instance: DittoFS, facts: BuildFacts) -> str:
    if facts.config_file is not None:
        return facts.config_file
    return config_file(instance, facts.pod.postgres if facts.pod else None)


def config_file(instance: DittoFS, postgres: PostgresSource | None = None) -> str:
    """The text of config.yaml for `instance`, whose PostgreSQL, if it has one, is `postgres`; holds no secret."""
    whole = merged(settings(instance, postgres), instance.spec.config_overrides)
    return yaml.safe_dump(whole, sort_keys=False, default_flow_style=False)


def settings(instance: DittoFS, postgres: PostgresSource | None) -> dict[str, Any]:
    """The server's settings, by its own keys. What it would put elsewhere by default stands here explicitly:

    logs would go to a file, the API would listen on loopback, the database would lie in the container's own layer.
    """
    spec = instance.spec
    return {
        "logging": {"level": spec.logging.level.value, "format": spec.logging.format.value, "output": "stdout"},
        "shutdown_timeout": spec.shutdown_timeout,
        "database": _database(instance, postgres),
        "controlplane": {
            "host": "0.0.0.0",  # noqa: S104 - inside the pod, where kubelet and Services must reach it
            "port": names.API_CONTAINER_PORT,
            "write_timeout": WRITE_TIMEOUT,
            # Concerns a generated password only, of which nobody but the operator knows.
            "require_initial_password_change": False,
            **_tls(instance),
            "jwt": {
                "access_token_duration": spec.auth.access_token_duration,
                "refresh_token_duration": spec.auth.refresh_token_duration,
            },
        },
        "metadata": {
            "badger": {
                "block_cache_mb": spec.metadata.badger.block_cache_mb,
                "index_cache_mb": spec.metadata.badger.index_cache_mb,
            }
        },
        **_cache(instance),
        "snapshot": {"restore_http_timeout": RESTORE_TIMEOUT},
        **_metrics(instance),
    }


def _tls(instance: DittoFS) -> dict[str, Any]:
    certificate, authority = api_certificate(instance), api_client_ca(instance)
    if certificate is None:
        return {}
    settings = {
        "cert_file": certificate.path(names.CERTIFICATE_KEY),
        "key_file": certificate.path(names.PRIVATE_KEY_KEY),
    }
    if authority is not None:
        settings["client_ca"] = authority.path(names.CA_KEY)
    return {"tls": settings}


def _database(instance: DittoFS, postgres: PostgresSource | None) -> dict[str, Any]:
    mode = instance.spec.database.ssl_mode
    if mode is None:
        return {"type": "sqlite", "sqlite": {"path": names.CONTROL_PLANE_DATABASE}}
    # The address and the login come from the Secret, as variables. The server's own default is no TLS at all.
    settings = {"sslmode": mode.value}
    authority = database_ca(postgres)
    if authority is not None:
        settings["ssl_root_cert"] = authority.path(names.CA_KEY)
    return {"type": "postgres", "postgres": settings}


def _cache(instance: DittoFS) -> dict[str, Any]:
    if instance.spec.payload.type is not PayloadType.S3:
        return {}
    # Of each share. No store has a limit of its own: it would go before what a share says.
    return {"blockstore": {"local": {"default_remote_cache_size": parse_bytes(instance.cache.size)}}}


def _metrics(instance: DittoFS) -> dict[str, Any]:
    metrics, token = instance.spec.metrics, metrics_token(instance)
    if not metrics.enabled:
        return {}
    settings: dict[str, Any] = {
        "enabled": True,
        "host": "0.0.0.0",  # noqa: S104 - inside the pod, where Prometheus must reach it
        "port": names.METRICS_CONTAINER_PORT,
        "path": metrics.path,
    }
    if token is not None:
        settings |= {"auth": "token", "token_file": token.path(token.values[0].key)}
    return {"metrics": settings}


def config_hash(config_text: str, jwt_secret_digest: bytes, consumed: Sequence[bytes] = ()) -> str:
    """What changes exactly when the pod must restart: the file's text, the signing key, the digests of what else

    the pod consumes out of Secrets. Keyed with a digest of the signing key, as the server's tokens are with the key,
    so that it tells no more than they do.
    """
    parts = (b"config.yaml\0" + config_text.encode(), *consumed)
    return hmac.new(jwt_secret_digest, b"\0".join(parts), hashlib.sha256).hexdigest()
