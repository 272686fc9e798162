"""Objects of `manifests/` in a cluster: made where they are missing, and only what was made here is removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import yaml

from hack.controlplane.resources import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING
from hack.localcluster.resources import CUSTOM_RESOURCE_DEFINITION, NAMESPACE
from informers import configuration
from informers.client import Client
from informers.errors import AlreadyExists, NotFound
from informers.resource import Manifest, ObjectKey, Resource
from reconcilers.api.resources import SERVICE_ACCOUNT
from tests.support.eventually import eventually

MANIFESTS = Path(__file__).parents[2] / "manifests"
USER = "integration-tests"
#: All objects of a definition or of a namespace go with it.
_REMOVAL_S = 60.0
_RESOURCES: Mapping[str, Resource] = {
    resource.kind: resource
    for resource in (
        CUSTOM_RESOURCE_DEFINITION,
        NAMESPACE,
        SERVICE_ACCOUNT,
        CLUSTER_ROLE,
        CLUSTER_ROLE_BINDING,
        ROLE,
        ROLE_BINDING,
    )
}


class Installation:
    """What was made in the cluster of a kubeconfig, whose user must be an administrator."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._made: list[tuple[Resource, ObjectKey]] = []

    def add_definitions(self) -> None:
        """Make the CustomResourceDefinitions and wait until they are served."""
        self._add("crds")
        with closing(self._client()) as client:
            for key in map(_key, _read("crds")):
                eventually(partial(_is_served, client, key), what=f"{key.name} served")

    def add_identity(self) -> None:
        """Make the operator's namespace, ServiceAccount and roles."""
        self._add("operator/namespace.yaml", "operator/service-account.yaml", "rbac")

    def remove(self) -> None:
        """Delete what was made here, last things first, and wait for its end."""
        with closing(self._client()) as client:
            for resource, key in reversed(self._made):
                with suppress(NotFound):
                    client.delete(resource, key)
            for resource, key in self._made:
                eventually(partial(_is_gone, client, resource, key), _REMOVAL_S, what=f"the end of {key}")
        self._made.clear()

    def _add(self, *paths: str) -> None:
        with closing(self._client()) as client:
            for manifest in (manifest for path in paths for manifest in _read(path)):
                resource = _RESOURCES[manifest["kind"]]
                with suppress(AlreadyExists):
                    client.create(resource, manifest, field_manager=USER)
                    self._made.append((resource, _key(manifest)))

    def _client(self) -> Client:
        return Client(configuration.load(str(self._kubeconfig)).configuration, user_agent=USER)


def _read(path: str) -> Iterator[Manifest]:
    place = MANIFESTS / path
    for file in sorted(place.glob("*.yaml")) if place.is_dir() else [place]:
        yield from yaml.safe_load_all(file.read_text())


def _key(manifest: Manifest) -> ObjectKey:
    return ObjectKey(manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"])


def _is_served(client: Client, key: ObjectKey) -> bool:
    definition = client.get(CUSTOM_RESOURCE_DEFINITION, key)
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(entry["type"] == "Established" and entry["status"] == "True" for entry in conditions)


def _is_gone(client: Client, resource: Resource, key: ObjectKey) -> bool:
    try:
        client.get(resource, key)
    except NotFound:
        return True
    return False
