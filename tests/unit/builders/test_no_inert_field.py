"""Every field of a DittoFS has an effect: a change of it changes an object, a call to the server, or what is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from dittofs_operator.crds import schema
from informers.view import freeze
from reconcilers.api.dittofs import DittoFS
from reconcilers.builders.children import unwanted_children, wanted_children
from reconcilers.builders.config import config_file
from reconcilers.builders.consumed import consumed_values
from reconcilers.builders.inputs import BuildFacts, PodInputs, PostgresSource
from reconcilers.dittofs.account_plan import plan
from reconcilers.dittofs.adapter_settings import declared_settings
from reconcilers.dittofs.caches import postgres_cluster, referenced_secrets
from reconcilers.dittofs.server_settings import wanted_adapters
from reconcilers.remote_store import settings

Spec = dict[str, Any]

_S3 = {"bucket": "files", "credentialsSecretRef": {"name": "keys"}}
_BUCKET: Spec = {"payload": {"type": "s3", "s3": _S3}}

#: For fields that need company: what else the specification says.
COMPANY: Mapping[str, Spec] = {
    "metrics.": {"metrics": {"enabled": True, "serviceMonitor": {"enabled": True}, "tokenSecretRef": {"name": "t"}}},
    "metrics.enabled": {},
    "metrics.serviceMonitor.enabled": {"metrics": {"enabled": True}},
    "metrics.tokenSecretRef.name": {"metrics": {"enabled": True}},
    "adapters.nfs.service.": {"adapters": {"nfs": {"service": {"type": "LoadBalancer"}}}},
    "adapters.smb.": {"adapters": {"smb": {"enabled": True, "service": {"type": "LoadBalancer"}}}},
    "adapters.smb.enabled": {},
    "adapters.api.service.": {"adapters": {"api": {"service": {"type": "LoadBalancer"}}}},
    "adapters.api.tls.": {"adapters": {"api": {"tls": {"secretName": "s"}}}},
    "database.postgresRef.": {"database": {"postgresRef": {"name": "pg"}}},
    "database.postgresSecretRef.": {"database": {"postgresSecretRef": {"name": "login"}}},
    "database.sqlite.": {"database": {"sqlite": {}}},
    "payload.s3.": _BUCKET,
    "payload.s3.caSecretRef.": {"payload": {"type": "s3", "s3": {**_S3, "caSecretRef": {"name": "a"}}}},
    "cache.": _BUCKET,
    "auth.adminSecretRef.passwordKey": {"auth": {"adminSecretRef": {"name": "a"}}},
    "auth.jwtSecretRef.key": {"auth": {"jwtSecretRef": {"name": "a"}}},
    "pod.securityContext.seccompProfile.": {"pod": {"securityContext": {"seccompProfile": {"type": "Localhost"}}}},
    "pod.containerSecurityContext.seccompProfile.": {
        "pod": {"containerSecurityContext": {"seccompProfile": {"type": "Localhost"}}}
    },
}

#: What a list or a map holds when the field below it is tried.
ELEMENTS: Mapping[str, Any] = {
    "users[]": {"name": "u", "uid": 1, "gid": 1, "passwordSecretRef": {"name": "p"}},
    "groups[]": {"name": "g", "gid": 5},
    "imagePullSecrets[]": {"name": "s"},
    "pod.extraEnv[]": {"name": "V", "valueFrom": {}},
    "pod.extraEnv[].valueFrom.secretKeyRef": {"name": "s", "key": "k"},
    "pod.extraEnv[].valueFrom.configMapKeyRef": {"name": "c", "key": "k"},
    "pod.extraEnv[].value": {"name": "V"},
    "pod.extraVolumes[]": {"name": "v"},
    "pod.extraVolumeMounts[]": {"name": "v", "mountPath": "/v"},
}

#: Fields whose effect is not in what is built, with the tests that show it.
SHOWN_ELSEWHERE: Mapping[str, str] = {
    "suspend": "test_while_suspended_nothing_is_changed",
    "auth.adminSecretRef.passwordKey": "test_the_wanted_password_is_the_first_one_in_force",
    "users[].passwordSecretRef.key": "test_a_declared_user_can_log_in_and_is_in_the_declared_group",
}
#: Secrets that a specification may not hold: refused whatever stands there.
REFUSED = ("configOverrides.", "adapters.nfs.settings.")


def leaves(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    if "properties" in node:
        for name, part in node["properties"].items():
            yield from leaves(part, f"{path}.{name}" if path else name)
    elif "properties" in node.get("items", {}):
        yield from leaves(node["items"], f"{path}[]")
    else:
        yield path, node


FIELDS = {
    path: node
    for path, node in leaves(schema(DittoFS)["properties"]["spec"])
    if not path.startswith(REFUSED) and path not in SHOWN_ELSEWHERE
}
#: An object that is free inside has its effect as a whole.
FREE = {"configOverrides": {"gc": {"auto_interval": "5m"}}, "adapters.nfs.settings": {"lease_time": 60}}


def value_of(path: str, node: Mapping[str, Any], *, other: bool) -> Any:
    if path in VALUES:
        return VALUES[path][other]
    if "enum" in node:
        return node["enum"][-1 if other else 0]
    if node.get("x-kubernetes-int-or-string"):
        return "200Gi" if other else "100Gi"
    match node.get("type"):
        case "boolean":
            return other
        case "integer":
            return 4 if other else 3
        case "array":
            return [_item(node["items"], other=other)]
        case "object":
            return {"key": "b" if other else "a"}
        case _:
            return "b" if other else "a"


def _item(node: Mapping[str, Any], *, other: bool) -> Any:
    if node.get("type") == "object":
        return {"key": "b" if other else "a"}
    if node.get("type") == "integer":
        return 4 if other else 3
    return "b" if other else "a"


VALUES: Mapping[str, tuple[Any, Any]] = {
    "replicas": (0, 1),
    "payload.s3.bucket": ("one", "two"),
    "payload.s3.endpoint": ("http://a", "http://b"),
    "shutdownTimeout": ("30s", "40s"),
    "auth.accessTokenDuration": ("1m", "2m"),
    "auth.refreshTokenDuration": ("1h", "2h"),
    "metrics.path": ("/a", "/b"),
    "metrics.serviceMonitor.interval": ("10s", "20s"),
    **{
        f"adapters.{adapter}.service.loadBalancerSourceRanges": (["10.0.0.0/8"], ["10.1.0.0/16"])
        for adapter in ("nfs", "smb", "api")
    },
    "pod.extraVolumeMounts[].mountPath": ("/a", "/b"),
    "resources.limits": ({"cpu": 1}, {"cpu": 2}),
    "resources.requests": ({"cpu": 1}, {"cpu": 2}),
    "metadata.type": ("badger", "memory"),
    "payload.type": ("filesystem", "memory"),
}


def built(spec: Spec) -> str:
    metadata = {"name": "demo", "namespace": "default", "uid": "u"}
    view = freeze({"apiVersion": "dittofs.dittofs.io/v1alpha1", "kind": "DittoFS", "metadata": metadata, "spec": spec})
    instance = DittoFS.from_view(view)
    database = instance.spec.database
    postgres = None
    if database.postgres_ref is not None:
        reference = database.postgres_ref
        postgres = PostgresSource(f"{reference.name}-{reference.user}", "ca" if database.verifies else "")
    elif database.postgres_secret_ref is not None:
        postgres = PostgresSource(database.postgres_secret_ref.name)
    jwt = instance.spec.auth.jwt_secret_ref
    inputs = PodInputs(
        jwt.name if jwt else "j", jwt.key if jwt else "k", str(hash(config_file(instance, postgres))), postgres
    )
    facts = BuildFacts(pod=inputs, service_monitors=True, operator_namespace="o")
    everything = (
        [child.manifest for child in wanted_children(instance, facts)],
        [str(key) for _, key in unwanted_children(instance)],
        [str(adapter) for adapter in wanted_adapters(instance)],
        declared_settings(instance),
        [str(value) for value in consumed_values(instance, postgres)],
        [str(step) for step in plan(instance.spec.groups, instance.spec.users, group_rows=(), user_rows=())],
        list(referenced_secrets(view)),
        list(postgres_cluster(view)),
        settings(instance, "/share") if instance.spec.payload.s3 else {},
    )
    return yaml.safe_dump(everything)


def placed(path: str, value: Any) -> Spec:
    spec: Spec = {}
    for prefix, company in sorted(COMPANY.items(), key=lambda entry: len(entry[0])):
        if path == prefix or (prefix.endswith(".") and path.startswith(prefix)):
            spec = _copy(company)
    node: Any = spec
    *above, last = path.split(".")
    walked = ""
    for step in above:
        walked = f"{walked}.{step}" if walked else step
        name, is_list = step.removesuffix("[]"), step.endswith("[]")
        if is_list:
            element = ELEMENTS.get(path) or ELEMENTS[walked]
            node = node.setdefault(name, [_copy(element)])[0]
        else:
            if not isinstance(node.get(name), dict):
                node[name] = _copy(ELEMENTS.get(walked, {}))
            node = node[name]
    node[last] = value
    return spec


def _copy(value: Any) -> Any:
    return yaml.safe_load(yaml.safe_dump(value))


@pytest.mark.parametrize("path", FIELDS)
def test_a_change_of_the_field_changes_what_is_done(path: str) -> None:
    one, other = (placed(path, value_of(path, FIELDS[path], other=which)) for which in (False, True))

    assert built(one) != built(other)


@pytest.mark.parametrize("path", FREE)
def test_a_free_field_has_its_effect(path: str) -> None:
    assert built(placed(path, FREE[path])) != built({})
