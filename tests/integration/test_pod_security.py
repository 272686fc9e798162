"""A namespace that enforces restricted Pod Security takes the pod of every variant of an instance, and of Jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from hack.localcluster.resources import NAMESPACE
from informers import configuration
from informers.client import Client
from informers.errors import Forbidden
from informers.resource import Manifest, ObjectKey
from reconcilers.api.resources import POD, SERVICE_ACCOUNT
from tests.support.acceptance import USER, world_of_its_own
from tests.support.place import Place

pytestmark = [
    pytest.mark.integration,
    pytest.mark.places("controlplane", "existing", reason="the local API server has no Pod Security admission"),
]

GOLDEN = Path(__file__).parents[1] / "golden"
#: What would have to exist, and the standard says nothing of.
OF_THE_CLUSTER = frozenset({"priorityClassName", "runtimeClassName"})
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


def recorded_pods() -> dict[str, Manifest]:
    """By the golden file, the template of the pod of its StatefulSet or Job."""
    found = {}
    for path in (*sorted((GOLDEN / "dittofs").iterdir()), *sorted((GOLDEN / "jobs").iterdir())):
        for manifest in yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader):
            if manifest["kind"] in ("StatefulSet", "Job"):
                found[f"{manifest['kind']} {path.stem}"] = manifest["spec"]["template"]
    return found


PODS = recorded_pods()


@dataclass(frozen=True)
class Restricted:
    """A namespace that enforces the restricted standard, where writes are only rehearsed."""

    client: Client
    namespace: str

    def make(self, template: Manifest) -> Manifest:
        metadata = {**template["metadata"], "name": "demo-0", "namespace": self.namespace}
        spec = {field: value for field, value in template["spec"].items() if field not in OF_THE_CLUSTER}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        return self.client.create(POD, pod, field_manager=USER)


@pytest.fixture(scope="module")
def restricted(cluster: Place, client: Client) -> Iterator[Restricted]:
    accounts = {template["spec"]["serviceAccountName"] for template in PODS.values()}
    with world_of_its_own(client) as world:
        labels = {"metadata": {"labels": RESTRICTED}}
        client.merge_patch(NAMESPACE, ObjectKey("", world.namespace), labels, field_manager=USER)
        for account in accounts:
            if world.find(SERVICE_ACCOUNT, account) is None:
                world.create(SERVICE_ACCOUNT, account)
        loaded = configuration.load(str(cluster.kubeconfig)).configuration
        with closing(Client(loaded, user_agent=USER, dry_run=True)) as rehearsing:
            yield Restricted(rehearsing, world.namespace)


@pytest.mark.parametrize("case", PODS)
def test_the_pod_of_every_variant_is_admitted_where_restricted_is_enforced(restricted: Restricted, case: str) -> None:
    made = restricted.make(PODS[case])

    assert made["spec"]["containers"][0]["name"] == PODS[case]["spec"]["containers"][0]["name"]


def test_a_pod_that_mounts_the_node_is_refused_there(restricted: Restricted) -> None:
    template = PODS["StatefulSet default"]
    spec = {**template["spec"], "volumes": [*template["spec"]["volumes"], {"name": "node", "hostPath": {"path": "/"}}]}

    with pytest.raises(Forbidden, match="violates PodSecurity"):
        restricted.make({**template, "spec": spec})
