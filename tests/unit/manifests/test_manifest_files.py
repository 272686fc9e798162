"""manifests/ is what the code says, renders, and holds to the restricted Pod Security Standard."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from dittofs_operator import cli, crds, manifests, settings
from reconcilers.api.common import CustomResource
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.share import DittoFSShare
from tests.support.crd_admission import admit

ROOT = Path(__file__).parents[3]
MANIFESTS = ROOT / "manifests"
KUBECTL = Path(sys.executable).with_name("kubectl")

SAMPLES = sorted((MANIFESTS / "samples").glob("*.yaml"))


@cache
def _rendered() -> tuple[dict[str, Any], ...]:
    output = subprocess.run(
        [KUBECTL, "kustomize", MANIFESTS], check=True, capture_output=True, text=True, timeout=30
    ).stdout
    return tuple(yaml.safe_load_all(output))


def _one(kind: str) -> dict[str, Any]:
    (found,) = [obj for obj in _rendered() if obj["kind"] == kind]
    return found


def test_manifests_are_fresh() -> None:
    """When this fails: run `make manifests` and look at what changed."""
    assert manifests.stale(MANIFESTS) == ()


def test_writing_makes_every_file_fresh(tmp_path: Path) -> None:
    manifests.write(tmp_path)

    assert manifests.stale(tmp_path) == ()
    assert manifests.write(tmp_path) == ()


def test_a_change_by_hand_is_stale_and_undone(tmp_path: Path) -> None:
    manifests.write(tmp_path)
    file = tmp_path / "rbac" / "operator-role.yaml"
    file.write_text(file.read_text().replace("configmaps", "'*'"))

    assert manifests.stale(tmp_path) == ("rbac/operator-role.yaml",)
    manifests.write(tmp_path)
    assert manifests.stale(tmp_path) == ()


def test_a_file_that_is_no_longer_generated_goes_and_one_written_by_hand_stays(tmp_path: Path) -> None:
    manifests.write(tmp_path)
    former, own = tmp_path / "rbac" / "former.yaml", tmp_path / "samples.yaml"
    former.write_text(manifests.HEADER + "kind: Role\n")
    own.write_text("kind: DittoFS\n")

    assert manifests.stale(tmp_path) == ("rbac/former.yaml",)
    manifests.write(tmp_path)
    assert (former.exists(), own.exists()) == (False, True)


def test_check_writes_nothing_and_fails_when_a_file_is_stale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert manifests.main(["--check", "--directory", str(tmp_path)]) == 1
    assert list(tmp_path.iterdir()) == []
    assert "run `make manifests`" in capsys.readouterr().err

    assert manifests.main(["--directory", str(tmp_path)]) == 0
    assert manifests.main(["--check", "--directory", str(tmp_path)]) == 0


def test_kustomize_renders_every_generated_object() -> None:
    kinds = sorted(obj["kind"] for obj in _rendered())

    assert kinds == sorted(
        ["ClusterRole"] * 3
        + ["CustomResourceDefinition"] * len(crds.KINDS)
        + ["ClusterRoleBinding", "Deployment", "Namespace", "Role", "RoleBinding", "Service", "ServiceAccount"]
    )


def test_the_namespace_comes_before_what_is_in_it() -> None:
    """A stream is applied from top to bottom, and an object in a namespace that isn't there is refused."""
    kinds = [obj["kind"] for obj in _rendered()]
    first_in_it = min(index for index, obj in enumerate(_rendered()) if "namespace" in obj["metadata"])

    assert kinds.index("Namespace") < first_in_it


def test_every_object_is_one_that_kubernetes_knows() -> None:
    for obj in _rendered():
        kubernetes_validate.validate(obj, kubernetes_validate.latest_version(), strict=True)


def test_everything_namespaced_is_in_the_operators_namespace() -> None:
    namespace = _one("Namespace")["metadata"]["name"]

    for kind in ("Deployment", "Role", "RoleBinding", "Service", "ServiceAccount"):
        assert _one(kind)["metadata"]["namespace"] == namespace
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        assert _one(kind)["subjects"] == [
            {"kind": "ServiceAccount", "name": _one("ServiceAccount")["metadata"]["name"], "namespace": namespace}
        ]


def test_bindings_refer_to_roles_that_are_installed() -> None:
    cluster_roles = {obj["metadata"]["name"] for obj in _rendered() if obj["kind"] == "ClusterRole"}

    assert _one("ClusterRoleBinding")["roleRef"]["name"] in cluster_roles
    assert _one("RoleBinding")["roleRef"]["name"] == _one("Role")["metadata"]["name"]


def test_the_pod_holds_to_the_restricted_pod_security_standard() -> None:
    pod = _one("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert _one("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "initContainers"}
    assert all(volume.keys() <= {"name", "emptyDir"} for volume in pod["volumes"])
    assert not any("hostPort" in port for port in container["ports"])


def test_two_replicas_are_spread_and_chosen_between_by_lease() -> None:
    spec = _one("Deployment")["spec"]
    template = spec["template"]

    assert spec["replicas"] == 2
    assert "--leader-elect" in template["spec"]["containers"][0]["args"]
    assert spec["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    (spread,) = template["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_the_image_is_pinned() -> None:
    image = _one("Deployment")["spec"]["template"]["spec"]["containers"][0]["image"]

    assert ":" in image
    assert not image.endswith(":latest")


def test_the_arguments_and_variables_of_the_deployment_are_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    (container,) = _one("Deployment")["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable.get("value", "dittofs-system"))

    given = vars(cli._parser().parse_args(container["args"]))
    assert given.pop("command") == "run"
    loaded = settings.load(given)

    assert loaded.leader_elect
    assert loaded.namespace == "dittofs-system"
    assert loaded.image == container["image"]
    assert loaded.metrics_address == f":{ports['metrics']}"
    assert loaded.health_address == f":{ports['health']}"
    assert loaded.graceful_timeout < _one("Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]


def test_probes_and_the_metrics_service_meet_ports_of_the_container() -> None:
    (container,) = _one("Deployment")["spec"]["template"]["spec"]["containers"]
    service = _one("Service")["spec"]
    ports = {port["name"] for port in container["ports"]}

    assert {container[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")} <= ports
    assert {port["targetPort"] for port in service["ports"]} <= ports
    assert service["selector"] == _one("Deployment")["spec"]["selector"]["matchLabels"]


def test_memory_and_disk_of_the_operator_are_bounded() -> None:
    resources = _one("Deployment")["spec"]["template"]["spec"]["containers"][0]["resources"]

    assert set(resources["requests"]) == {"cpu", "memory", "ephemeral-storage"}
    assert set(resources["limits"]) == {"memory", "ephemeral-storage"}


@pytest.mark.parametrize("folder", ["crds", "samples"])
def test_definitions_and_samples_can_be_applied_as_folders(folder: str) -> None:
    """`kubectl apply -f <folder>` reads every file: a kustomization in it would be refused as an unknown kind."""
    files = list((MANIFESTS / folder).glob("*.yaml"))

    assert files
    for file in files:
        for obj in yaml.safe_load_all(file.read_text()):
            assert obj["kind"] != "Kustomization", file


def _samples() -> list[tuple[type[CustomResource], dict[str, Any]]]:
    kinds = {kind.resource.kind: kind for kind in crds.KINDS}
    objects = [obj for file in SAMPLES for obj in yaml.safe_load_all(file.read_text())]
    return [(kinds[obj["kind"]], obj) for obj in objects]


def test_the_samples_are_one_server_two_shares_of_it_and_their_backup() -> None:
    found = {(obj["kind"], obj["metadata"]["name"]) for _, obj in _samples()}

    shares = {("DittoFSShare", "export"), ("DittoFSShare", "projects")}
    assert found == {("DittoFS", "demo"), *shares, ("DittoFSBackup", "nightly")}
    assert all("namespace" not in obj["metadata"] for _, obj in _samples())


def test_the_samples_are_taken_by_the_api_server_and_fit_the_models() -> None:
    for kind, obj in _samples():
        crds_know_all_of_it = admit(kind, obj)
        kind.from_view(crds_know_all_of_it)


def test_the_samples_have_no_field_that_the_schema_does_not_know() -> None:
    for kind, obj in _samples():
        stored = admit(kind, obj)
        assert _is_within(obj["spec"], stored["spec"]), obj["metadata"]["name"]


def test_a_mount_of_a_sample_share_is_usable() -> None:
    """The server's default permission is none, which no client could do anything with."""
    shares = [DittoFSShare.from_view(obj) for kind, obj in _samples() if kind is DittoFSShare]
    (server,) = [DittoFS.from_view(obj) for kind, obj in _samples() if kind is DittoFS]

    assert server.spec.adapters.nfs.enabled
    for share in shares:
        assert share.spec.instance_ref.name == server.metadata.name
        assert share.spec.default_permission == "read-write"
    assert len({share.path for share in shares}) == 2


def _is_within(part: object, whole: object) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _is_within(value, whole[key]) for key, value in part.items())
    return part == whole
