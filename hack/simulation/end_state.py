"""What a run came to, in a form in which equal ends are equal: without identifiers, versions, times and secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hack.simulation.cluster import Cluster
from hack.simulation.servers import DirectClient
from informers.resource import Manifest, ObjectKey, Resource
from reconcilers import names
from reconcilers.api.resources import CHILDREN, DITTOFS, DITTOFS_SHARE, PERSISTENT_VOLUME_CLAIM, POD, SECRET
from reconcilers.api.share import ShareCondition

#: What users see; claims and Secrets may outlive their instance, and then depend on how far it had come.
_KINDS = (DITTOFS, DITTOFS_SHARE, *CHILDREN, POD)
_LEFT_BEHIND = (SECRET, PERSISTENT_VOLUME_CLAIM)

#: Fields that differ from run to run, wherever they stand.
_VARIABLE = frozenset(
    (
        "managedFields",
        "resourceVersion",
        "generation",
        "restartCount",
        "updateRevision",
        "currentRevision",
        "controller-revision-hash",
        names.CONFIG_HASH_ANNOTATION,
        # Without shares it is there only if there ever were some; what it is for is in the ConfigMap.
        names.SHARES_HASH_ANNOTATION,
        "configHash",
        # What waits to be removed depends on when pods started.
        names.PURGE_ANNOTATION,
        names.PURGE_KEY,
        "initContainerStatuses",
        "shareID",
        # What a server runs with depends on when it was started: another invariant looks after that.
        "inForce",
        "collisionCount",
        "id",
        "metadata_store_id",
        "local_block_store_id",
        "remote_block_store_id",
        "nodePort",
    )
)
#: Fields of rows that are zero once they were set, and absent before.
_OPTIONAL = frozenset(("quota_bytes",))

_PATTERNS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(Z|\+00:00)?"), "<time>"),
    (re.compile(r"~\d+"), ""),  # so does where a share is that was made anew
    (re.compile(r"\b10\.\d+\.\d+\.\d+\b"), "<address>"),
)


def end_state(client: DirectClient, cluster: Cluster) -> dict[str, Any]:
    """The objects of users and the rows of servers, by what and name."""
    found: dict[str, Any] = {}
    instances = {obj["metadata"]["name"] for obj in _all(client, DITTOFS)}
    for resource in _KINDS:
        for obj in _all(client, resource):
            instance = (obj["metadata"].get("labels") or {}).get(names.INSTANCE_LABEL)
            if resource not in _LEFT_BEHIND or instance in instances:
                generation = obj["metadata"].get("generation", 0)
                if resource == SECRET:
                    obj["data"] = dict.fromkeys(obj.get("data") or (), "<secret>")
                found[f"{resource.kind} {obj['metadata']['name']}"] = _masked(obj, generation)
    # Rows of deleted shares stay, if there ever were any.
    declared = {
        (obj["spec"]["instanceRef"]["name"], f"/{obj['metadata']['name']}") for obj in _all(client, DITTOFS_SHARE)
    }
    for instance, double in cluster.kubelet.servers().items():
        for table in ("shares", "adapters"):
            for name, row in double.rows(table).items():
                if table == "shares" and (instance, name) not in declared:
                    continue
                shown = {field: value for field, value in row.items() if value or field not in _OPTIONAL}
                found[f"row {instance} {table} {name}"] = _masked(shown, 0)
    return found


def differences(expected: Any, found: Any, path: str = "") -> Iterator[str]:
    """What of `found` is not as expected, field by field."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in sorted(expected.keys() | found.keys()):
            where = f"{path}.{name}" if path else name
            if name not in found:
                yield f"{where} is missing"
            elif name not in expected:
                yield f"{where} is too much"
            else:
                yield from differences(expected[name], found[name], where)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif expected != found:
        yield f"{path} is {found!r:.300}, not {expected!r:.300}"


def _all(client: DirectClient, resource: Resource) -> list[Manifest]:
    return sorted(client.list(resource, namespace="storage", limit=0).items, key=lambda obj: str(ObjectKey.of(obj)))


def _masked(value: Any, generation: int) -> Any:
    if isinstance(value, dict):
        masked = {
            name: _field(name, inner, generation) for name, inner in sorted(value.items()) if name not in _VARIABLE
        }
        return {name: inner for name, inner in masked.items() if name != "annotations" or inner}
    if isinstance(value, list):
        return [_masked(inner, generation) for inner in value if not _is_about_starts(inner)]
    if isinstance(value, str):
        for pattern, name in _PATTERNS:
            value = pattern.sub(name, value)
    return value


def _is_about_starts(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") == ShareCondition.RESTART_REQUIRED


def _field(name: str, value: Any, generation: int) -> Any:
    if name == "observedGeneration":
        return "present" if value == generation else "old"
    return _masked(value, generation)
