"""What an identity may do is asked verb by verb, and what is missing comes back as a role that gives it."""

from __future__ import annotations

from typing import Any

import pytest

from informers.access import ACCESS_REVIEW, SUBJECT_REVIEW, Rule, grant, missing, own_name
from informers.errors import Forbidden, NotFound
from informers.resource import Manifest, Resource

PODS = Rule("", "pods", ("get", "list", "watch"))
LOGS = Rule("", "pods/log", ("get",))
LEASE = Rule("coordination.k8s.io", "leases", ("get", "update"), name="mine")


class Authorizer:
    """Answers reviews as a server does whose roles allow all but `refused`."""

    def __init__(self, *refused: dict[str, str], user: str | Exception = "jane") -> None:
        self._refused = refused
        self._user = user

    def create(self, resource: Resource, manifest: Manifest, *, field_manager: str) -> Manifest:
        assert (manifest["apiVersion"], manifest["kind"]) == (resource.api_version, resource.kind)
        if resource == SUBJECT_REVIEW:
            if isinstance(self._user, Exception):
                raise self._user
            return {"status": {"userInfo": {"username": self._user}}}
        assert resource == ACCESS_REVIEW
        return {"status": {"allowed": manifest["spec"]["resourceAttributes"] not in self._refused}}


def _missing(authorizer: Authorizer, *rules: Rule, namespace: str = "") -> list[Rule]:
    return missing(authorizer, rules, field_manager="tests", namespace=namespace)


def test_nothing_is_missing_where_all_is_allowed() -> None:
    assert _missing(Authorizer(), PODS, LOGS, LEASE) == []


def test_of_a_rule_only_the_refused_verbs_are_missing() -> None:
    authorizer = Authorizer({"resource": "pods", "verb": "watch"})

    assert _missing(authorizer, PODS, LOGS) == [Rule("", "pods", ("watch",))]


def test_a_part_a_name_and_a_namespace_are_asked_for_as_such() -> None:
    part = {"resource": "pods", "subresource": "log", "verb": "get", "namespace": "here"}
    named = {
        "group": "coordination.k8s.io", "resource": "leases", "name": "mine", "verb": "get", "namespace": "here"
    }  # fmt: skip

    assert _missing(Authorizer(part, named), LOGS, LEASE, namespace="here") == [
        LOGS,
        Rule("coordination.k8s.io", "leases", ("get",), name="mine"),
    ]


def test_an_answer_without_a_verdict_is_a_refusal() -> None:
    class Silent(Authorizer):
        def create(self, resource: Resource, manifest: Manifest, *, field_manager: str) -> Manifest:
            return {"status": {"evaluationError": "webhook down"}}

    assert _missing(Silent(), LOGS) == [LOGS]


@pytest.mark.parametrize("unknown", [NotFound(404, "NotFound", "no such path"), Forbidden(403, "Forbidden", "no")])
def test_where_the_server_does_not_say_who_we_are_only_the_role_is_given(unknown: Exception) -> None:
    user = own_name(Authorizer(user=unknown), field_manager="tests")

    assert [manifest["kind"] for manifest in grant("more", [PODS], user=user)] == ["ClusterRole"]


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("jane", {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}),
        ("system:serviceaccount:ns:sa", {"kind": "ServiceAccount", "name": "sa", "namespace": "ns"}),
    ],
)
def test_a_grant_is_a_role_with_the_rules_bound_to_the_user(user: str, subject: dict[str, Any]) -> None:
    role, binding = grant("more", [PODS, LEASE], user=user, namespace="here")

    assert (role["kind"], role["metadata"]) == ("Role", {"name": "more", "namespace": "here"})
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": ["mine"],
            "verbs": ["get", "update"],
        },
    ]
    assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "more"}
    assert binding["subjects"] == [subject]


def test_without_a_namespace_a_grant_holds_everywhere() -> None:
    assert [(manifest["kind"], manifest["metadata"]) for manifest in grant("more", [PODS], user="jane")] == [
        ("ClusterRole", {"name": "more"}),
        ("ClusterRoleBinding", {"name": "more"}),
    ]
