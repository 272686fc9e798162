"""configOverrides: what is merged, what is refused with the remedy, what the server would pass over in silence."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from reconcilers.api.overrides import SECRET_SETTINGS
from reconcilers.builders.overrides import DURATIONS, OTHERS, PROTECTED, judge, merged
from tests.support.real_server import dfs_or_skip


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"gc": {"auto_interval": "5m", "grace_period": "2h", "auto_enabled": False}},
        {"blockstore": {"local": {"default_remote_cache_size": 1073741824}}},
        {"kerberos": {"identity_mapping": {"static_map": {"Alice@EXAMPLE": {"uid": 1, "gid": 1}}}}},
        {"ldap": {"url": "ldaps://ldap.example", "tls": {"ca_cert_file": "/certificates/ca.crt"}}},
        {"logging": {"rotation": {"max_size": 5}}},
        {"controlplane": {}},
    ],
    ids=str,
)
def test_settings_that_nothing_else_decides_are_taken(overrides: dict[str, Any]) -> None:
    verdict = judge(overrides)

    assert (verdict.refused, verdict.unknown) == ((), ())


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"controlplane": {"port": 9}}, "configOverrides.controlplane.port: use spec.adapters.api.port"),
        ({"controlplane": {"write_timeout": "1s"}}, "configOverrides.controlplane.write_timeout: the operator depends"),
        ({"controlplane": {"jwt": {"secret": "s3cr3t"}}}, "use auth.jwtSecretRef"),
        ({"CONTROLPLANE": {"jwt": {"secret": "s3cr3t"}}}, "write the server's keys in lower case"),
        ({"controlplane.jwt.secret": "s3cr3t"}, "use auth.jwtSecretRef"),
        ({"controlplane": {"jwt": {"access_token_duration": "1m"}}}, "use spec.auth"),
        ({"controlplane": "s3cr3t"}, "is an object of settings"),
        ({"controlplane": None}, "is an object of settings"),
        ({"ldap": {"bind_password": "s3cr3t"}}, "use pod.extraEnv DITTOFS_LDAP_BIND_PASSWORD"),
        ({"database": {"type": "postgres"}}, "use spec.database"),
        ({"metrics": {"enabled": True}}, "use spec.metrics"),
        ({"logging": {"level": "DEBUG"}}, "use spec.logging.level"),
        ({"gc": {"grace_period": 30}}, "is a duration"),
        ({"gc": {"auto_enabled": None}}, "has no value"),
        ({"gc.auto_interval": "5m"}, "write an object inside an object instead of a dot"),
    ],
    ids=str,
)
def test_what_would_break_the_server_is_refused_without_its_value(overrides: dict[str, Any], text: str) -> None:
    verdict = judge(overrides)

    assert len(verdict.refused) == 1
    assert text in verdict.refused[0]
    assert "s3cr3t" not in verdict.refused[0]


def test_keys_that_the_server_passes_over_in_silence_are_named() -> None:
    verdict = judge({"cache": {"size": 1}, "gc": {"auto_intervall": "5m", "auto_interval": "5m"}, "adapters": []})

    assert verdict.refused == ()
    assert verdict.unknown == ("cache.size", "gc.auto_intervall", "adapters")


def test_overrides_are_merged_key_by_key_and_lists_are_replaced() -> None:
    settings = {"gc": {"a": 1, "list": [1, 2]}, "other": 1}

    assert merged(settings, {"gc": {"b": 2, "list": [3]}, "new": {"c": 3}}) == {
        "gc": {"a": 1, "b": 2, "list": [3]},
        "other": 1,
        "new": {"c": 3},
    }
    assert settings == {"gc": {"a": 1, "list": [1, 2]}, "other": 1}


def test_every_setting_of_the_real_server_is_known() -> None:
    command = [dfs_or_skip(in_a_sandbox=False), "config", "schema"]
    schema = json.loads(subprocess.run(command, capture_output=True, timeout=30, check=True).stdout)
    known = {*SECRET_SETTINGS, *PROTECTED, *DURATIONS, *OTHERS}

    missing = [key for key in leaves(schema) if not any(key == k or key.startswith(f"{k}.") for k in known)]
    gone = [k for k in known if not any(key == k or key.startswith(f"{k}.") for key in leaves(schema))]

    assert (missing, gone) == ([], [])


def leaves(schema: dict[str, Any], path: str = "") -> list[str]:
    found = []
    for name, part in schema["properties"].items():
        key = f"{path}{name}"
        found += leaves(part, f"{key}.") if "properties" in part else [key]
    return found
