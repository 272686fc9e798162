"""What this identity may do: asked of the API server before anything fails, and what is missing as a ready-made role.

A SelfSubjectAccessReview needs no right of its own, changes nothing, and asks every authorizer that there is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from informers.errors import Forbidden, NotFound
from informers.resource import Manifest, Resource

RBAC_GROUP = "rbac.authorization.k8s.io"
ACCESS_REVIEW = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)
SUBJECT_REVIEW = Resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False)

_SERVICE_ACCOUNT = "system:serviceaccount:"


class Reviewer(Protocol):
    """The part of `informers.client.Client` that asks."""

    def create(self, resource: Resource, manifest: Manifest, *, field_manager: str) -> Manifest:
        """Send a review; the answer holds what came of it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """That somebody may do `verbs` to a resource or a part of it (`pods/log`); with `name` to that object alone."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    name: str = field(default="", kw_only=True)

    def manifest(self) -> dict[str, Any]:
        """The rule as a role holds it."""
        rule: dict[str, Any] = {"apiGroups": [self.group], "resources": [self.resource]}
        if self.name:
            rule["resourceNames"] = [self.name]
        return {**rule, "verbs": list(self.verbs)}


AnyRule = TypeVar("AnyRule", bound=Rule)


def missing(client: Reviewer, rules: Iterable[AnyRule], *, field_manager: str, namespace: str = "") -> list[AnyRule]:
    """The part of `rules` that this identity may not do in `namespace`; empty: in all of them, or without any.

    One review for each verb. Raises the `ClientError` of a review that was not answered.
    """
    lacking = []
    for rule in rules:
        refused = tuple(verb for verb in rule.verbs if not _may(client, rule, verb, field_manager, namespace))
        if refused:
            lacking.append(dataclasses.replace(rule, verbs=refused))
    return lacking


def own_name(client: Reviewer, *, field_manager: str) -> str:
    """The user name under which the API server knows us; empty where it does not tell (before Kubernetes 1.28)."""
    review = {"apiVersion": SUBJECT_REVIEW.api_version, "kind": SUBJECT_REVIEW.kind, "metadata": {}}
    try:
        answer = client.create(SUBJECT_REVIEW, review, field_manager=field_manager)
    except (NotFound, Forbidden):
        return ""
    return str(((answer.get("status") or {}).get("userInfo") or {}).get("username") or "")


def grant(name: str, rules: Iterable[Rule], *, user: str, namespace: str = "") -> list[Manifest]:
    """What gives `user` the `rules` in `namespace` (empty: everywhere): a role `name`, and its binding.

    Without a `user` only the role: whoever applies it knows whom to bind it to.
    """
    scope = "" if namespace else "Cluster"
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    role = {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": f"{scope}Role",
        "metadata": metadata,
        "rules": [rule.manifest() for rule in rules],
    }
    if not user:
        return [role]
    binding = {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": f"{scope}RoleBinding",
        "metadata": dict(metadata),
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": f"{scope}Role", "name": name},
        "subjects": [_subject(user)],
    }
    return [role, binding]


def _may(client: Reviewer, rule: Rule, verb: str, field_manager: str, namespace: str) -> bool:
    resource, _, subresource = rule.resource.partition("/")
    attributes = {
        "namespace": namespace,
        "verb": verb,
        "group": rule.group,
        "resource": resource,
        "subresource": subresource,
        "name": rule.name,
    }
    review = {
        "apiVersion": ACCESS_REVIEW.api_version,
        "kind": ACCESS_REVIEW.kind,
        "metadata": {},
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    answer = client.create(ACCESS_REVIEW, review, field_manager=field_manager)
    return (answer.get("status") or {}).get("allowed") is True


def _subject(user: str) -> Mapping[str, str]:
    if user.startswith(_SERVICE_ACCOUNT):
        namespace, _, name = user.removeprefix(_SERVICE_ACCOUNT).partition(":")
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"apiGroup": RBAC_GROUP, "kind": "User", "name": user}
