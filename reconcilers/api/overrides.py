"""configOverrides as the API server sees them: free-form, but without the settings that hold secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, JsonValue, WithJsonSchema

from informers.view import thaw
from reconcilers.api.schema import Rule, validated

#: Settings that hold a secret, with where it belongs instead; a ConfigMap is no place for one.
SECRET_SETTINGS: Mapping[str, str] = {
    "admin.password_hash": "auth.adminSecretRef",
    "controlplane.jwt.secret": "auth.jwtSecretRef",
    "database.postgres.password": "database.postgresSecretRef",
    "kerberos.machine_account.online_join.bind_password": (
        "pod.extraEnv DITTOFS_KERBEROS_MACHINE_ACCOUNT_ONLINE_JOIN_BIND_PASSWORD"
    ),
    "kerberos.machine_account.secret": "pod.extraEnv DITTOFS_KERBEROS_MACHINE_ACCOUNT_SECRET",
    "ldap.bind_password": "pod.extraEnv DITTOFS_LDAP_BIND_PASSWORD",
}


def _schema() -> dict[str, JsonValue]:
    """Free-form objects, with those declared that the rules look into."""
    root: dict[str, Any] = {"properties": {}}
    for setting in SECRET_SETTINGS:
        node, path = root, ""
        *above, secret = setting.split(".")
        for step in above:
            path = f"{path}.{step}" if path else step
            node = node["properties"].setdefault(step, {**_FREE, "description": f"Settings {path}.", "properties": {}})
        node["properties"][secret] = {"type": "string", "maxLength": 1024, "description": "A secret: refused here."}
    rules = (Rule(_absent(setting), _message(setting, instead)) for setting, instead in SECRET_SETTINGS.items())
    return {**_FREE, **validated(*rules), "properties": root["properties"]}


def _absent(setting: str) -> str:
    steps = setting.split(".")
    return " || ".join(f"!has(self.{'.'.join(steps[: count + 1])})" for count in range(len(steps)))


def _message(setting: str, instead: str) -> str:
    return f"configOverrides must not hold secrets: remove {setting} and use {instead}"


_FREE: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}

#: Settings of the server, by the keys of its config.yaml.
ConfigOverrides = Annotated[dict[str, Any], BeforeValidator(thaw), WithJsonSchema(_schema())]
