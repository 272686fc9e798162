"""configOverrides: what of them the operator lets through into config.yaml, and how they are merged. Pure.

Refused is what the operator or a Secret must say, and what the server would take for something else: it reads keys in
any case, a dot in a key as a step down, a bare number as nanoseconds, and passes over unknown keys without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconcilers.api.overrides import SECRET_SETTINGS

#: Settings that other fields of the specification or the operator itself decide; each stands for all below it.
PROTECTED: Mapping[str, str] = {
    "admin": "auth",
    "controlplane.host": "",
    "controlplane.jwt": "auth",
    "controlplane.port": "adapters.api.port",
    "controlplane.tls": "",
    "controlplane.write_timeout": "",
    "database": "database",
    "logging.format": "logging.format",
    "logging.level": "logging.level",
    "logging.output": "",
    "metrics": "metrics",
    "shutdown_timeout": "shutdownTimeout",
}

#: Settings that are times: Go durations such as 30s.
DURATIONS = frozenset(
    {
        "blockstore.local.backpressure_max_wait",
        "controlplane.drain_stall_timeout",
        "controlplane.idle_timeout",
        "controlplane.read_timeout",
        "gc.auto_interval",
        "gc.grace_period",
        "kerberos.context_ttl",
        "kerberos.machine_account.online_join.rotation_interval",
        "kerberos.max_clock_skew",
        "ldap.timeout",
        "snapshot.restore_http_timeout",
        "snapshot.scheduler_poll_interval",
    }
)

#: The other settings that the server of the default image knows; a name stands for all below it where it has no own.
OTHERS = frozenset(
    {
        "blockstore.local.default_remote_cache_size",
        "blockstore.local.max_log_bytes",
        "controlplane.pprof",
        "controlplane.pprof_block_rate_ns",
        "controlplane.pprof_mutex_rate",
        "controlplane.require_initial_password_change",
        "gc.auto_enabled",
        "gc.compaction_live_ratio",
        "gc.dry_run_sample_size",
        "identity.machine_sid",
        "kerberos.dns_domain",
        "kerberos.enabled",
        "kerberos.identity_mapping",
        "kerberos.keytab_path",
        "kerberos.krb5_conf",
        "kerberos.machine_account.account_name",
        "kerberos.machine_account.dc_address",
        "kerberos.machine_account.enabled",
        "kerberos.machine_account.keytab_path",
        "kerberos.machine_account.online_join.base_dn",
        "kerberos.machine_account.online_join.bind_dn",
        "kerberos.machine_account.online_join.ca_cert_file",
        "kerberos.machine_account.online_join.dns_host_name",
        "kerberos.machine_account.online_join.enabled",
        "kerberos.machine_account.online_join.insecure_skip_verify",
        "kerberos.machine_account.online_join.ldap_url",
        "kerberos.machine_account.online_join.ou",
        "kerberos.machine_account.online_join.spns",
        "kerberos.machine_account.online_join.start_tls",
        "kerberos.max_contexts",
        "kerberos.netbios_domain",
        "kerberos.realm",
        "kerberos.service_principal",
        "ldap.allow_plaintext",
        "ldap.base_dn",
        "ldap.bind_dn",
        "ldap.enabled",
        "ldap.idmap",
        "ldap.max_group_results",
        "ldap.nested_groups",
        "ldap.realm",
        "ldap.start_tls",
        "ldap.tls",
        "ldap.url",
        "ldap.user_attr",
        "logging.rotation",
        "metadata.badger.block_cache_mb",
        "metadata.badger.index_cache_mb",
        "snapshot.scheduler_disabled",
    }
)

#: An object whose keys are the users' own words.
_FREE_KEYS = ("kerberos", "identity_mapping", "static_map")

_ALL = frozenset({*SECRET_SETTINGS, *PROTECTED, *DURATIONS, *OTHERS})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of configOverrides; texts name keys, never values."""

    #: Why they can't be used, each with the remedy; empty: they can.
    refused: tuple[str, ...]
    #: Keys that the server of the default image does not know, and silently passes over.
    unknown: tuple[str, ...]


def judge(overrides: Mapping[str, Any]) -> Verdict:
    """Whether `overrides` can be merged into the server's settings."""
    refused, unknown = [], []
    for steps, value in _leaves(overrides, ()):
        key = ".".join(steps)
        problem = _problem(key, value)
        if not problem and any("." in step for step in steps):
            problem = f"configOverrides.{key}: write an object inside an object instead of a dot"
        if problem:
            refused.append(problem)
        elif not _is_known(key):
            unknown.append(key)
    return Verdict(tuple(refused), tuple(unknown))


def merged(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` with `overrides` over them: objects key by key, everything else as a whole."""
    result = dict(settings)
    for key, value in overrides.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def _leaves(node: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in node.items():
        steps = (*above, name)
        if isinstance(value, Mapping) and "." not in name and steps != _FREE_KEYS:
            yield from _leaves(value, steps)
        else:
            yield steps, value


def _problem(key: str, value: object) -> str:
    if key != key.lower():
        return f"configOverrides.{key}: write the server's keys in lower case"
    for secret, instead in SECRET_SETTINGS.items():
        if _covers(secret, key):
            return f"configOverrides.{key}: holds a secret, which does not belong here; use {instead}"
    for protected, instead in PROTECTED.items():
        if _covers(protected, key):
            remedy = f"use spec.{instead}" if instead else "the operator depends on it; remove it"
            return f"configOverrides.{key}: {remedy}"
    if any(_covers(key, known) and key != known for known in _ALL):
        return f"configOverrides.{key}: is an object of settings and can't be replaced by a value"
    if key in DURATIONS and not isinstance(value, str):
        return f"configOverrides.{key}: is a duration, write it as a text such as 30s"
    if value is None:
        return f"configOverrides.{key}: has no value; remove it"
    return ""


def _covers(above: str, key: str) -> bool:
    return key == above or key.startswith(f"{above}.")


def _is_known(key: str) -> bool:
    return key in DURATIONS or any(_covers(known, key) for known in OTHERS)
