"""The roles give the operator what it needs, and nothing else."""

from __future__ import annotations

import pytest

from dittofs_operator import rbac
from informers.resource import Resource
from reconcilers.api import resources

ALL = (*rbac.PERMISSIONS, *rbac.LEADER_PERMISSIONS, *rbac.VIEW_PERMISSIONS, *rbac.EDIT_PERMISSIONS)

OWN = {"get", "list", "watch", "create", "patch", "delete"}


def _verbs(permissions: tuple[rbac.Permission, ...], resource: Resource, part: str = "") -> set[str]:
    plural = f"{resource.plural}/{part}" if part else resource.plural
    return {
        verb
        for permission in permissions
        if (permission.group, permission.resource) == (resource.group, plural)
        for verb in permission.verbs
    }


@pytest.mark.parametrize("permission", ALL, ids=lambda one: f"{one.group}/{one.resource}:{','.join(one.verbs)}")
def test_no_permission_has_a_wildcard_and_each_has_a_reason(permission: rbac.Permission) -> None:
    assert permission.reason
    assert "*" not in (permission.group, permission.resource, *permission.verbs)


def test_the_operator_cannot_raise_its_own_rights() -> None:
    verbs = {verb for permission in rbac.PERMISSIONS for verb in permission.verbs}
    groups = {permission.group for permission in rbac.PERMISSIONS}

    assert not verbs & {"escalate", "bind", "impersonate", "deletecollection"}
    assert "rbac.authorization.k8s.io" not in groups
    assert not {"pods/exec", "pods/attach", "serviceaccounts/token", "nodes"} & {
        permission.resource for permission in rbac.PERMISSIONS
    }


@pytest.mark.parametrize(
    ("resource", "part", "verbs"),
    [
        (resources.DITTOFS, "", {"get", "list", "watch", "patch"}),
        (resources.DITTOFS, "status", {"patch"}),
        (resources.DITTOFS, "finalizers", {"update"}),
        (resources.DITTOFS_SHARE, "", OWN - {"delete"}),
        (resources.DITTOFS_SHARE, "status", {"patch"}),
        (resources.DITTOFS_BACKUP, "", OWN),
        (resources.DITTOFS_BACKUP, "status", {"patch"}),
        (resources.CONFIG_MAP, "", OWN),
        (resources.SECRET, "", OWN),
        (resources.SERVICE_ACCOUNT, "", OWN),
        (resources.PERSISTENT_VOLUME_CLAIM, "", OWN),
        (resources.STATEFUL_SET, "", OWN),
        (resources.SERVICE, "", OWN),
        (resources.JOB, "", OWN - {"patch"}),
        (resources.POD, "", {"get", "list", "watch"}),
        (resources.EVENT, "", {"create", "patch"}),
        (resources.LEASE, "", set()),
    ],
    ids=lambda value: None if isinstance(value, set) else str(value),
)
def test_the_operators_verbs(resource: Resource, part: str, verbs: set[str]) -> None:
    assert _verbs(rbac.PERMISSIONS, resource, part) == verbs


def test_events_go_to_both_groups() -> None:
    assert {p.group for p in rbac.PERMISSIONS if p.resource == "events"} == {"", "events.k8s.io"}


def test_the_lease_is_a_matter_of_the_operators_own_namespace() -> None:
    role = rbac.leader_role("somewhere")

    assert (role["kind"], role["metadata"]["namespace"]) == ("Role", "somewhere")
    assert role["rules"] == [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": ["dittofs-operator"],
            "verbs": ["get", "update", "watch"],
        },
    ]


def test_viewers_read_and_editors_write_through_the_clusters_own_roles() -> None:
    prefix = "rbac.authorization.k8s.io/aggregate-to-"

    assert rbac.view_role()["metadata"]["labels"][f"{prefix}view"] == "true"
    assert rbac.edit_role()["metadata"]["labels"][f"{prefix}edit"] == "true"
    assert {verb for permission in rbac.VIEW_PERMISSIONS for verb in permission.verbs} == {"get", "list", "watch"}
    for kind in (resources.DITTOFS, resources.DITTOFS_SHARE):
        assert _verbs(rbac.EDIT_PERMISSIONS, kind) == {"create", "update", "patch", "delete", "deletecollection"}
    assert _verbs(rbac.EDIT_PERMISSIONS, resources.DITTOFS, "scale") == {"update", "patch"}


def test_nobody_but_the_operator_writes_status() -> None:
    for kind in (resources.DITTOFS, resources.DITTOFS_SHARE):
        assert _verbs(rbac.EDIT_PERMISSIONS, kind, "status") == set()
        assert _verbs(rbac.VIEW_PERMISSIONS, kind, "status") == {"get"}
