"""ControllerRevisions of a StatefulSet: one for each distinct pod template, named by a stable hash of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from hack.localcluster.controllers.surroundings import controller_reference
from hack.localcluster.resources import CONTROLLER_REVISION
from informers.resource import Manifest, View
from informers.view import thaw
from reconcilers.api.resources import STATEFUL_SET

#: Kubernetes' alphabet for generated names: no vowels, nothing that looks like something else.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_HASH_LENGTH = 10
_HASH_LABEL = "controller.kubernetes.io/hash"


def template_hash(template: View) -> str:
    """The same for the same template, whoever wrote it and when."""
    digest = hashlib.sha256(json.dumps(thaw(template), sort_keys=True).encode()).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:_HASH_LENGTH])


def revision_name(stateful_set: View) -> str:
    """The name of the revision that the set's template is."""
    return f"{stateful_set['metadata']['name']}-{template_hash(stateful_set['spec']['template'])}"


def new_revision(stateful_set: View, number: int) -> Manifest:
    """The ControllerRevision of the set's present template."""
    metadata = stateful_set["metadata"]
    template = stateful_set["spec"]["template"]
    labels = (template.get("metadata") or {}).get("labels") or {}
    return {
        "apiVersion": CONTROLLER_REVISION.api_version,
        "kind": CONTROLLER_REVISION.kind,
        "metadata": {
            "name": revision_name(stateful_set),
            "namespace": metadata["namespace"],
            "labels": {**labels, _HASH_LABEL: template_hash(template)},
            "ownerReferences": [controller_reference(stateful_set, STATEFUL_SET)],
        },
        "data": {"spec": {"template": {"$patch": "replace", **thaw(template)}}},
        "revision": number,
    }


def template_of(revision: View) -> dict[str, Any]:
    """The pod template that `revision` holds."""
    template: dict[str, Any] = thaw(revision["data"]["spec"]["template"])
    template.pop("$patch", None)
    return template


def next_number(revisions: Iterable[View]) -> int:
    """The number of the next revision."""
    return max((int(revision["revision"]) for revision in revisions), default=0) + 1


def superfluous(revisions: Iterable[View], *, used: Iterable[str], limit: int) -> list[View]:
    """The oldest revisions that neither a pod nor the set uses, beyond `limit`."""
    kept = set(used)
    unused = sorted((r for r in revisions if r["metadata"]["name"] not in kept), key=lambda r: int(r["revision"]))
    return unused[: max(0, len(unused) - limit)]
