"""A container's environment, as the simulated kubelet resolves it."""

from __future__ import annotations

from typing import Any

import pytest

from hack.localcluster.kubelet.environment import ReferenceMissing, environment
from tests.unit.localcluster_simulation.pods import FakeLookup, pod


def resolve(lookup: FakeLookup, *variables: Any, **container: Any) -> dict[str, str]:
    return environment({"env": list(variables), **container}, pod(), lookup, pod_address="127.1.2.3")


def from_secret(name: str, key: str, **more: Any) -> Any:
    return {"name": "X", "valueFrom": {"secretKeyRef": {"name": name, "key": key, **more}}}


def test_values_come_from_secrets_config_maps_fields_and_earlier_values() -> None:
    lookup = FakeLookup()
    lookup.secrets["s"] = {"k": "secret"}
    lookup.config_maps["c"] = {"k": "config"}
    assert resolve(
        lookup,
        from_secret("s", "k"),
        {"name": "Y", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "ALL", "value": "$(X)-$(Y)-$(UNKNOWN)-$$(X)"},
    ) == {
        "X": "secret",
        "Y": "config",
        "IP": "127.1.2.3",
        "APP": "demo",
        "NAME": "demo-0",
        "ALL": "secret-config-$(UNKNOWN)-$(X)",
    }


def test_a_missing_secret_or_key_is_named_in_the_kubelets_words() -> None:
    lookup = FakeLookup()
    with pytest.raises(ReferenceMissing, match='secret "s" not found'):
        resolve(lookup, from_secret("s", "k"))
    lookup.secrets["s"] = {"other": "x"}
    with pytest.raises(ReferenceMissing, match="couldn't find key k in Secret default/s"):
        resolve(lookup, from_secret("s", "k"))


def test_what_is_optional_may_be_missing() -> None:
    assert resolve(FakeLookup(), from_secret("s", "k", optional=True)) == {}


def test_whole_objects_become_variables_with_a_prefix() -> None:
    lookup = FakeLookup()
    lookup.config_maps["c"] = {"A": "1"}
    lookup.secrets["s"] = {"B": "2"}
    sources = [{"configMapRef": {"name": "c"}, "prefix": "P_"}, {"secretRef": {"name": "s"}}]
    assert resolve(lookup, envFrom=sources) == {"P_A": "1", "B": "2"}
