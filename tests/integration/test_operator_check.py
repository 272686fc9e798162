"""`dittofs-operator check` where rights are real: it passes, or prints the very role that makes it pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dittofs_operator import cli, rbac
from hack.controlplane.resources import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING
from hack.localcluster.kubelet.api import KubeletClient
from informers import configuration
from informers.client import Client
from informers.errors import NotFound
from informers.resource import Manifest, ObjectKey, Resource
from reconcilers.api.resources import DITTOFS, POD, SERVICE_ACCOUNT
from tests.support.eventually import eventually
from tests.support.operator_process import operator_process
from tests.support.place import Place, with_token

pytestmark = pytest.mark.integration

USER = "check-tests"
_KINDS: dict[str, Resource] = {one.kind: one for one in (CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING)}


def test_the_identity_that_the_manifests_make_lacks_nothing(cluster: Place, capsys: pytest.CaptureFixture[str]) -> None:
    def passes() -> bool:
        # A server publishes the schemas of its definitions some time after it serves them.
        code = cli.main(["check", f"--kubeconfig={cluster.operator_kubeconfig}"])
        printed = capsys.readouterr()
        assert (code, printed.err) == (0, "")
        assert printed.out.count("\n") == 1
        return True

    eventually(passes, timeout_s=30)


@pytest.mark.places("controlplane", "existing", reason="the local cluster knows no roles")
def test_a_missing_rule_is_printed_as_the_role_that_gives_it(
    cluster: Place, client: Client, namespace: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everything, leader = rbac.operator_role()["rules"], rbac.leader_role(namespace)["rules"]
    lost = next(rule for rule in everything if rule["resources"] == [POD.plural])
    kubeconfig = _identity(
        cluster, client, namespace, tmp_path, [rule for rule in everything if rule != lost], leader[:1]
    )
    made: list[Manifest] = []

    def check() -> tuple[int, list[Manifest], str]:
        code = cli.main(["check", f"--kubeconfig={kubeconfig}"])
        printed = capsys.readouterr()
        return code, list(yaml.safe_load_all(printed.out)) if code else [], printed.err

    def exactly_these_are_missing() -> bool:
        code, manifests, told = check()
        rules = {manifest["kind"]: manifest["rules"] for manifest in manifests if "rules" in manifest}
        assert code == 1
        assert rules == {"ClusterRole": [lost], "Role": leader[1:]}
        assert f"system:serviceaccount:{namespace}:limited may not get, list, watch pods everywhere" in told
        made[:] = manifests
        return True

    try:
        # An authorizer hears of a role some time after it was written.
        eventually(exactly_these_are_missing, timeout_s=30)
        with operator_process(kubeconfig, tmp_path / "log", lease_namespace=namespace) as running:
            eventually(
                lambda: "cannot list resource" in (log := running.log.read_text()) and "operator check prints" in log,
                timeout_s=20,
                what="the advice to run check, in the log",
            )
        for manifest in made:
            client.apply(_KINDS[manifest["kind"]], manifest, field_manager=USER, force=True)
        eventually(lambda: check()[0] == 0, timeout_s=30, what="the printed roles to be enough")
    finally:
        for kind, name in (
            *((CLUSTER_ROLE, name) for name in (namespace, "dittofs-operator-missing")),
            *((CLUSTER_ROLE_BINDING, name) for name in (namespace, "dittofs-operator-missing")),
        ):
            _delete(client, kind, name)


@pytest.mark.places("controlplane", "existing", reason="the local cluster knows no roles")
def test_an_operator_of_one_namespace_needs_no_right_beyond_it_and_works_there(
    cluster: Place, client: Client, namespace: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    only = f"--namespaces={namespace}"
    kubeconfig = _identity(cluster, client, namespace, tmp_path, [], [])
    made: list[Manifest] = []

    def check() -> int:
        code = cli.main(["check", f"--kubeconfig={kubeconfig}", only])
        printed = capsys.readouterr()
        assert "everywhere" not in printed.err
        made[:] = list(yaml.safe_load_all(printed.out)) if code else []
        return code

    try:
        assert check() == 1
        assert [manifest["kind"] for manifest in made] == ["Role", "RoleBinding"]
        for manifest in made:
            client.apply(_KINDS[manifest["kind"]], manifest, field_manager=USER, force=True)
        eventually(lambda: check() == 0, timeout_s=30, what="the printed role to be enough")
        sample = {
            "apiVersion": DITTOFS.api_version,
            "kind": DITTOFS.kind,
            "metadata": {"name": "only-here", "namespace": namespace},
            "spec": {"suspend": True},
        }
        client.create(DITTOFS, sample, field_manager=USER)
        with operator_process(kubeconfig, tmp_path / "log", lease_namespace=namespace, flags=(only,)) as running:
            eventually(
                lambda: (
                    "cannot list resource" not in running.log.read_text()
                    and client.get(DITTOFS, ObjectKey(namespace, "only-here")).get("status")
                ),
                timeout_s=20,
                what="the operator to report on the instance",
            )
    finally:
        for kind in (CLUSTER_ROLE, CLUSTER_ROLE_BINDING):
            _delete(client, kind, namespace)


def _identity(
    cluster: Place,
    client: Client,
    namespace: str,
    directory: Path,
    everywhere: list[dict[str, Any]],
    here: list[dict[str, Any]],
) -> Path:
    """A kubeconfig of a service account that may do just that."""
    account = {"metadata": {"name": "limited", "namespace": namespace}}
    subjects = [{"kind": "ServiceAccount", "name": "limited", "namespace": namespace}]

    def create(kind: Resource, manifest: Manifest) -> None:
        head = {"apiVersion": kind.api_version, "kind": kind.kind}
        client.create(kind, {**head, **manifest}, field_manager=USER)

    create(SERVICE_ACCOUNT, account)
    for role, binding, rules in ((CLUSTER_ROLE, CLUSTER_ROLE_BINDING, everywhere), (ROLE, ROLE_BINDING, here)):
        metadata = {"name": namespace, **({"namespace": namespace} if role.namespaced else {})}
        reference = {"apiGroup": role.group, "kind": role.kind, "name": namespace}
        create(role, {"metadata": metadata, "rules": rules})
        create(binding, {"metadata": metadata, "roleRef": reference, "subjects": subjects})
    node = KubeletClient(configuration.load(str(cluster.kubeconfig)).configuration, user_agent=USER)
    token = node.request_token(ObjectKey(namespace, "limited"), lifetime_s=3600)
    node.close()
    path = directory / "kubeconfig"
    content = with_token(yaml.safe_load(cluster.kubeconfig.read_text()), token, namespace=namespace)
    path.write_text(yaml.safe_dump(content))
    return path


def _delete(client: Client, kind: Resource, name: str) -> None:
    try:
        client.delete(kind, ObjectKey("", name))
    except NotFound:
        return
