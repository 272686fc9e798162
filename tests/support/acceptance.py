"""What an acceptance test does as a user would: objects through the API, a server through its REST API, metrics."""

from __future__ import annotations

import base64
import itertools
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote

from prometheus_client.parser import text_string_to_metric_families

from hack.localcluster.resources import NAMESPACE
from informers.client import Client
from informers.errors import NotFound
from informers.resource import Manifest, ObjectKey, Resource
from reconcilers.api.resources import (
    CHILDREN,
    DITTOFS,
    DITTOFS_BACKUP,
    DITTOFS_SHARE,
    EVENT,
    POD,
    SECRET,
    SERVICE,
)
from tests.support.eventually import eventually

#: A start takes the kubelet's probes, a stop the server's shutdown; in a cluster with real volumes and images, more.
PATIENCE_S = float(os.environ.get("DITTOFS_TEST_PATIENCE_S", "30"))
USER = "acceptance-tests"
#: All that there is about an instance in its namespace.
EVERYTHING = (
    DITTOFS,
    DITTOFS_SHARE,
    DITTOFS_BACKUP,
    *CHILDREN,
    POD,
    EVENT,
)

_numbers = itertools.count(Random().randrange(1_000_000))


@dataclass(frozen=True)
class World:
    """One namespace, and what somebody with kubectl does and sees there."""

    client: Client
    namespace: str

    def instance(self, name: str = "demo", **spec: Any) -> Manifest:
        return self.create(DITTOFS, name, spec=spec)

    def share(self, name: str, *, instance: str = "demo", **spec: Any) -> Manifest:
        return self.create(DITTOFS_SHARE, name, spec={"instanceRef": {"name": instance}, **spec})

    def backup(self, name: str, *, instance: str = "demo", **spec: Any) -> Manifest:
        return self.create(DITTOFS_BACKUP, name, spec={"instanceRef": {"name": instance}, **spec})

    def secret(self, name: str, **values: str) -> Manifest:
        data = {key.replace("_", "-"): base64.b64encode(value.encode()).decode() for key, value in values.items()}
        return self.create(SECRET, name, data=data)

    def create(self, resource: Resource, name: str, **content: Any) -> Manifest:
        metadata = {"name": name, "namespace": self.namespace, **content.pop("metadata", {})}
        manifest = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **content}
        return self.client.create(resource, manifest, field_manager=USER)

    def patch(self, resource: Resource, name: str, **content: Any) -> Manifest:
        return self.client.merge_patch(resource, ObjectKey(self.namespace, name), content, field_manager=USER)

    def delete(self, resource: Resource, name: str) -> None:
        self.client.delete(resource, ObjectKey(self.namespace, name))

    def get(self, resource: Resource, name: str) -> Manifest:
        return self.client.get(resource, ObjectKey(self.namespace, name))

    def find(self, resource: Resource, name: str) -> Manifest | None:
        try:
            return self.get(resource, name)
        except NotFound:
            return None

    def status(self, resource: Resource, name: str) -> dict[str, Any]:
        status: dict[str, Any] = self.get(resource, name).get("status") or {}
        return status

    def phase(self, resource: Resource, name: str) -> str:
        return str(self.status(resource, name).get("phase") or "")

    def condition(self, resource: Resource, name: str, kind: str) -> Mapping[str, Any]:
        entries = self.status(resource, name).get("conditions") or ()
        return next((entry for entry in entries if entry["type"] == kind), {})

    def told(self, resource: Resource, name: str, kind: str) -> tuple[str, str]:
        """Status and reason of a condition."""
        condition = self.condition(resource, name, kind)
        return condition.get("status", ""), condition.get("reason", "")

    def until_phase(self, resource: Resource, name: str, phase: str) -> None:
        """Wait for the phase, reported of the newest specification."""

        def reached() -> bool:
            found = self.get(resource, name)
            status = found.get("status") or {}
            newest = bool(status.get("observedGeneration") == found["metadata"]["generation"])
            assert status.get("phase") == phase, status
            return newest

        eventually(reached, PATIENCE_S, what=f"{resource.kind} {name} {phase}")

    def until_told(self, resource: Resource, name: str, kind: str, status: str, reason: str) -> Mapping[str, Any]:
        """Wait for the condition to have that status and reason; returns it."""

        def reached() -> Mapping[str, Any]:
            condition = self.condition(resource, name, kind)
            assert (condition.get("status"), condition.get("reason")) == (status, reason), condition
            return condition

        return eventually(reached, PATIENCE_S, what=f"{kind}={status} {reason} of {resource.kind} {name}")

    def until_gone(self, resource: Resource, name: str) -> None:
        eventually(lambda: self.find(resource, name) is None, PATIENCE_S, what=f"deletion of {resource.kind} {name}")

    def events(self, name: str, *, kind: str = "") -> set[tuple[str, str]]:
        """Type and reason of every event about the object `name`."""
        return {
            (event["type"], event["reason"])
            for event in self.client.list(EVENT, namespace=self.namespace).items
            if event["regarding"]["name"] == name and event["regarding"]["kind"] == (kind or event["regarding"]["kind"])
        }

    def until_event(self, name: str, kind: str, reason: str) -> None:
        def seen() -> bool:
            found = self.events(name)
            assert (kind, reason) in found, found
            return True

        eventually(seen, PATIENCE_S, what=f"event {kind} {reason} about {name}")

    def versions(self, *resources: Resource) -> dict[str, str]:
        """The resourceVersion of every object of `resources` in the namespace."""
        return {
            f"{resource.kind}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for resource in resources
            for item in self.client.list(resource, namespace=self.namespace).items
        }

    def secret_value(self, name: str, key: str) -> str:
        return base64.b64decode(self.get(SECRET, name)["data"][key]).decode()

    def server(self, instance: str = "demo") -> Server:
        """The server of `instance`, as one who was given its Secret reaches it."""
        service = self.get(SERVICE, f"{instance}-api")["spec"]
        url = f"http://{service['clusterIP']}:{service['ports'][0]['port']}"
        secret = f"{instance}-admin"
        return Server.log_in(url, self.secret_value(secret, "username"), self.secret_value(secret, "password"))


@contextmanager
def world_of_its_own(client: Client) -> Iterator[World]:
    """A namespace for several tests that share what is in it."""
    name = f"acceptance-{next(_numbers)}"
    client.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, field_manager=USER)
    eventually(lambda: client.get(NAMESPACE, ObjectKey("", name))["status"]["phase"] == "Active", timeout_s=5)
    yield World(client, name)
    client.delete(NAMESPACE, ObjectKey("", name))


class Refused(Exception):
    """The server's answer is no success."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


@dataclass(frozen=True)
class Server:
    """The REST API of one DittoFS server, spoken by hand: the operator's own client must not vouch for itself."""

    url: str
    token: str

    @classmethod
    def log_in(cls, url: str, username: str, password: str) -> Server:
        answer = cls(url, "").call("POST", "/auth/login", {"username": username, "password": password})
        return cls(url, answer["access_token"])

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.code, error.read().decode()) from None
        return json.loads(content) if content else None

    def shares(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in self.call("GET", "/shares") or ()}

    def share(self, path: str) -> dict[str, Any]:
        row: dict[str, Any] = self.call("GET", f"/shares/{_segment(path)}")
        return row

    def change(self, path: str, **fields: Any) -> None:
        self.call("PUT", f"/shares/{_segment(path)}", fields)

    def switch(self, path: str, to: str) -> None:
        self.call("POST", f"/shares/{_segment(path)}/{to}")

    def remove(self, path: str) -> None:
        self.call("DELETE", f"/shares/{_segment(path)}")

    def nfs(self, path: str) -> dict[str, Any]:
        options: dict[str, Any] = self.call("GET", f"/shares/{_segment(path)}/adapters/nfs/config")
        return options

    def snapshots(self, path: str) -> list[dict[str, Any]]:
        return list(self.call("GET", f"/shares/{_segment(path)}/snapshots"))

    def adapters(self) -> dict[str, dict[str, Any]]:
        return {row["type"]: row for row in self.call("GET", "/adapters")}


def _segment(path: str) -> str:
    return quote(path.removeprefix("/"), safe="")


@dataclass(frozen=True)
class Metrics:
    """One look at /metrics."""

    samples: Mapping[tuple[str, tuple[tuple[str, str], ...]], float]
    text: str

    @classmethod
    def read(cls, address: str) -> Metrics:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return cls(
            {
                (sample.name, tuple(sorted(sample.labels.items()))): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            },
            text,
        )

    def names(self) -> set[str]:
        return {name for name, _ in self.samples}

    def total(self, name: str, **labels: str) -> float:
        """The sum of all series of `name` that have these labels."""
        return sum(
            value
            for (found, has), value in self.samples.items()
            if found == name and labels.items() <= dict(has).items()
        )

    def writes(self) -> dict[str, float]:
        """How many requests that change something were sent, by method; without PUT, which the Lease alone uses."""
        return {
            method: self.total("rest_client_requests_total", method=method) for method in ("POST", "PATCH", "DELETE")
        }

    def passes(self, controller: str) -> float:
        return self.total("controller_runtime_reconcile_total", controller=controller)
