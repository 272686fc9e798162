"""Wrong specifications never reach the operator: the API server refuses them, and says which field and what to do."""

from __future__ import annotations

import re
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from informers.client import Client
from informers.errors import Invalid
from informers.resource import Resource
from reconcilers.api.resources import DITTOFS, DITTOFS_SHARE
from tests.support.acceptance import World, world_of_its_own
from tests.support.place import Place

pytestmark = pytest.mark.integration

Spec = dict[str, Any]

SIZE = "must be a quantity of at least 1Mi, such as 10Gi"
GROW = "size can only grow; a volume cannot shrink"
DURATION = "must be a positive duration such as 30s, 15m or 168h"


def _payload(**storage: Any) -> Spec:
    return {"payload": {"storage": storage}}


def _s3(**fields: Any) -> Spec:
    return {"payload": {"type": "s3", "s3": {"bucket": "files", "credentialsSecretRef": {"name": "keys"}, **fields}}}


def _share(**fields: Any) -> Spec:
    return {"instanceRef": {"name": "demo"}, **fields}


@pytest.fixture(scope="module")
def world(client: Client) -> Iterator[World]:
    """A namespace with one object of each kind that the operator, where one runs, leaves alone."""
    with world_of_its_own(client) as made:
        made.instance("fixed", suspend=True, payload={"storage": {"size": "10Gi", "storageClassName": "fast"}})
        bucket = {"bucket": "files", "prefix": "a", "credentialsSecretRef": {"name": "keys"}}
        made.instance("in-bucket", suspend=True, payload={"type": "s3", "s3": bucket}, cache={})
        made.share("fixed", instance="fixed", suspend=True, path="/a")
        yield made


#: Kind, specification, the field that the refusal names, and what it says to do about it.
REFUSED_AT_CREATION: tuple[tuple[Resource, Spec, str, str], ...] = (
    (DITTOFS, {"replicas": 2}, "spec.replicas", "less than or equal to 1"),
    (DITTOFS, {"replicas": -1}, "spec.replicas", "greater than or equal to 0"),
    (DITTOFS, {"replicas": "one"}, "spec.replicas", "must be of type integer"),
    (DITTOFS, _payload(size="lots"), "spec.payload.storage.size", SIZE),
    (DITTOFS, _payload(size="10GB"), "spec.payload.storage.size", SIZE),
    (DITTOFS, _payload(size="1Ki"), "spec.payload.storage.size", SIZE),
    (DITTOFS, {"metadata": {"storage": {"size": "-1Gi"}}}, "spec.metadata.storage.size", SIZE),
    (DITTOFS, {"database": {"sqlite": {"storage": {"size": "0"}}}}, "spec.database.sqlite.storage.size", SIZE),
    (
        DITTOFS,
        {"resources": {"limits": {"memory": "much"}}},
        "spec.resources.limits",
        "must be a quantity such as 500m, 2 or 4Gi",
    ),
    (
        DITTOFS,
        {"metadata": {"type": "postgres"}},
        "spec.metadata.type",
        'supported values: "badger", "sqlite", "memory"',
    ),
    (DITTOFS, {"payload": {"type": "s3"}}, "spec.payload.s3", "belongs to payload.type s3, which needs it"),
    (DITTOFS, _s3(endpoint="s3.example.com"), "spec.payload.s3.endpoint", "should match"),
    (DITTOFS, _s3(prefix="../other"), "spec.payload.s3.prefix", "should match"),
    (DITTOFS, {"cache": {}}, "spec.cache", "cache belongs to payload.type s3"),
    (DITTOFS, {"payload": {"type": "memory"}}, "payload.type", "must both be memory or neither"),
    (DITTOFS, {"logging": {"level": "TRACE"}}, "spec.logging.level", "supported values"),
    (DITTOFS, {"volumeRetention": "Maybe"}, "spec.volumeRetention", 'supported values: "Retain", "Delete"'),
    (DITTOFS, {"imagePullPolicy": "Sometimes"}, "spec.imagePullPolicy", "supported values"),
    (DITTOFS, {"image": "dittofs v1"}, "spec.image", "must be a container image such as marmos91c/dittofs"),
    (DITTOFS, {"shutdownTimeout": "30"}, "spec.shutdownTimeout", DURATION),
    (DITTOFS, {"auth": {"accessTokenDuration": "7d"}}, "spec.auth.accessTokenDuration", "days are not known"),
    (DITTOFS, {"auth": {"adminSecretRef": {}}}, "spec.auth.adminSecretRef.name", "Required value"),
    (DITTOFS, {"adapters": {"nfs": {"port": 0}}}, "spec.adapters.nfs.port", "greater than or equal to 1"),
    (DITTOFS, {"adapters": {"api": {"port": 2049}}}, "spec.adapters", "must differ among the enabled ones; change one"),
    (
        DITTOFS,
        {"adapters": {"nfs": {"service": {"nodePort": 32049}}}},
        "spec.adapters.nfs.service.nodePort",
        "set one of them or remove nodePort",
    ),
    (DITTOFS_SHARE, {}, "spec.instanceRef", "Required value"),
    (DITTOFS_SHARE, {"instanceRef": {}}, "spec.instanceRef.name", "Required value"),
    (DITTOFS_SHARE, {"instanceRef": {"name": "No Name"}}, "spec.instanceRef.name", "should match"),
    (DITTOFS_SHARE, _share(path="/"), "spec.path", "should match"),
    (DITTOFS_SHARE, _share(path="export"), "spec.path", "should match"),
    (DITTOFS_SHARE, _share(path="/a//b"), "spec.path", "should match"),
    (DITTOFS_SHARE, _share(path="/a/"), "spec.path", "should match"),
    (DITTOFS_SHARE, _share(path="/../etc"), "spec.path", "should match"),
    (DITTOFS_SHARE, _share(path="/" + "a" * 27), "spec.path", "may not be more than 27"),
    (DITTOFS_SHARE, _share(defaultPermission="write"), "spec.defaultPermission", '"read-write"'),
    (DITTOFS_SHARE, _share(nfs={"squash": "root_squash"}), "spec.nfs.squash", '"root_to_admin"'),
    (DITTOFS_SHARE, _share(quota={"size": "much"}), "spec.quota.size", SIZE),
    (DITTOFS_SHARE, _share(quota={}), "spec.quota.size", "Required value"),
    (DITTOFS_SHARE, _share(readOnly="yes"), "spec.readOnly", "must be of type boolean"),
)


@pytest.mark.parametrize(
    ("resource", "spec", "field", "remedy"),
    REFUSED_AT_CREATION,
    ids=[f"{resource.kind} {spec}"[:160] for resource, spec, _, _ in REFUSED_AT_CREATION],
)
def test_a_wrong_specification_is_refused(
    world: World, resource: Resource, spec: Spec, field: str, remedy: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        world.create(resource, "wrong", spec=spec)

    assert field in refusal.value.message
    assert remedy in refusal.value.message
    assert world.find(resource, "wrong") is None


REFUSED_AS_A_CHANGE: tuple[tuple[Resource, Spec, str, str], ...] = (
    (DITTOFS, _payload(size="9Gi"), "spec.payload.storage.size", GROW),
    (DITTOFS, {"database": {"sqlite": {"storage": {"size": "1Mi"}}}}, "spec.database.sqlite.storage.size", GROW),
    (DITTOFS, _payload(storageClassName="slow"), "spec.payload.storage.storageClassName", "create a new DittoFS"),
    (DITTOFS, {"metadata": {"type": "sqlite"}}, "spec.metadata.type", "create a new DittoFS and restore into it"),
    (
        DITTOFS,
        {"payload": {"type": "memory"}, "metadata": {"type": "memory"}},
        "spec.payload.type",
        "create a new DittoFS and restore into it",
    ),
    (DITTOFS_SHARE, {"path": "/b"}, "spec.path", "path is fixed; create another DittoFSShare"),
    (DITTOFS_SHARE, {"path": None}, "spec.path", "path is fixed; create another DittoFSShare"),
    (DITTOFS_SHARE, {"instanceRef": {"name": "other"}}, "spec.instanceRef", "create another DittoFSShare"),
)


@pytest.mark.parametrize(
    ("resource", "spec", "field", "remedy"),
    REFUSED_AS_A_CHANGE,
    ids=[f"{resource.kind} {spec}"[:160] for resource, spec, _, _ in REFUSED_AS_A_CHANGE],
)
def test_a_change_of_what_is_fixed_is_refused(
    world: World, resource: Resource, spec: Spec, field: str, remedy: str
) -> None:
    before = world.get(resource, "fixed")["spec"]

    with pytest.raises(Invalid) as refusal:
        world.patch(resource, "fixed", spec=spec)

    assert field in refusal.value.message
    assert remedy in refusal.value.message
    assert world.get(resource, "fixed")["spec"] == before


@pytest.mark.parametrize(
    ("spec", "remedy"),
    [
        *(
            ({"payload": {"s3": {field: value}}}, f"payload.s3.{field} is fixed")
            for field, value in (("bucket", "other"), ("prefix", "b"), ("prefix", None), ("endpoint", "http://a"))
        ),
        ({"payload": None}, "payload.type is fixed"),
        ({"cache": None}, "cache cannot be removed"),
        ({"cache": {"storage": {"size": "1Gi"}}}, GROW),
    ],
    ids=str,
)
def test_the_bucket_and_its_cache_stay_where_they_are(world: World, spec: Spec, remedy: str) -> None:
    with pytest.raises(Invalid, match=re.escape(remedy)):
        world.patch(DITTOFS, "in-bucket", spec=spec)

    world.patch(DITTOFS, "in-bucket", spec={"payload": {"s3": {"region": "eu"}}, "cache": {"size": "1Gi"}})


@pytest.mark.parametrize(
    ("resource", "name", "spec", "remedy"),
    [
        (DITTOFS, "a" * 45, {}, "metadata.name must be at most 44 characters"),
        (DITTOFS, "a.b", {}, "metadata.name must start with a letter and hold only a-z, 0-9 and '-' (no dots)"),
        (DITTOFS_SHARE, "a" * 27, _share(), "set spec.path or choose a shorter name"),
    ],
)
def test_a_name_that_nothing_can_be_named_after_is_refused(
    world: World, resource: Resource, name: str, spec: Spec, remedy: str
) -> None:
    with pytest.raises(Invalid, match=re.escape(remedy)):
        world.create(resource, name, spec=spec)


@pytest.mark.parametrize(
    ("resource", "spec", "field"),
    [
        (DITTOFS_SHARE, _share(ownr="alice"), "spec.ownr"),
        (DITTOFS, {"adapters": {"nfs": {"enable": True}}}, "spec.adapters.nfs.enable"),
    ],
)
def test_kubectl_refuses_a_field_that_is_none(
    cluster: Place, world: World, tmp_path: Path, resource: Resource, spec: Spec, field: str
) -> None:
    """A typo must not be dropped in silence; kubectl asks the API server to be strict."""
    metadata = {"name": "typo", "namespace": world.namespace}
    manifest = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec}
    (tmp_path / "typo.yaml").write_text(yaml.safe_dump(manifest))
    kubectl = Path(sysconfig.get_path("scripts")) / "kubectl"

    done = subprocess.run(
        [kubectl, f"--kubeconfig={cluster.kubeconfig}", "apply", "-f", tmp_path / "typo.yaml"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 1
    assert f'unknown field "{field}"' in done.stderr
    assert world.find(resource, "typo") is None
