"""The order of what `make e2e` does, and what it removes however it ends; nothing here runs Docker or kind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from hack.controlplane.tools import API_SERVER
from hack.endtoend.commands import CommandFailed
from hack.endtoend.harness import Harness
from hack.endtoend.places import NODE_IMAGE, CannotRun, ExistingCluster, KindCluster, missing_for_kind

ROOT = Path(__file__).parents[3]


class Recorder:
    """Takes the place of all programs: notes the commands, answers what it was told, fails where it was told."""

    def __init__(self, tmp_path: Path) -> None:
        self.commands: list[str] = []
        self.environments: list[Mapping[str, str]] = []
        self.answers: dict[str, str] = {}
        self.failing = ""
        self.problem: BaseException = CommandFailed("no")
        self.told: list[str] = []
        self._folder = str(tmp_path)

    def __call__(
        self, *command: str, timeout_s: float = 60.0, show: bool = False, more: Mapping[str, str] | None = None
    ) -> str:
        words = " ".join(command).replace(self._folder, "/tmp").replace(str(ROOT), "/source")
        self.commands.append(words)
        self.environments.append(more or {})
        if self.failing and self.failing in words:
            raise self.problem
        return next((answer for part, answer in self.answers.items() if part in words), "")

    def steps(self, *, without: str = " get ") -> list[str]:
        """The first words of each command."""
        return [" ".join(words.split()[:3]) for words in self.commands if without not in words]


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)


def harness(recorder: Recorder, tmp_path: Path) -> Harness:
    return Harness(
        run=recorder,
        tell=recorder.told.append,
        kubectl="kubectl",
        python="python",
        source=ROOT,
        scratch=tmp_path,
        traces=tmp_path / "traces",
    )


def kind_cluster(recorder: Recorder, tmp_path: Path) -> KindCluster:
    return KindCluster(
        recorder, tell=recorder.told.append, kind=lambda: Path("kind"), name="e2e-1", folder=tmp_path, source=ROOT
    )


def existing_cluster(recorder: Recorder, tmp_path: Path) -> ExistingCluster:
    return ExistingCluster(recorder, "kubectl", kubeconfig=tmp_path / "kubeconfig", image="registry.example/op:1")


KUBECTL = "kubectl --kubeconfig=/tmp/kubeconfig"
BUILD, CREATE, LOAD = "docker build --tag=dittofs-operator:e2e-1", "kind create cluster", "kind load docker-image"
APPLY, ROLLOUT, TELL = f"{KUBECTL} apply", f"{KUBECTL} rollout", "python -m pytest"
DELETE, FORGET = "kind delete cluster", "docker image rm"


def test_a_kind_cluster_is_made_used_and_deleted(recorder: Recorder, tmp_path: Path) -> None:
    harness(recorder, tmp_path).scenarios(kind_cluster(recorder, tmp_path))

    assert recorder.steps() == [BUILD, CREATE, LOAD, APPLY, ROLLOUT, TELL, DELETE, FORGET]
    created = recorder.commands[1]
    assert f"--image={NODE_IMAGE}" in created
    assert "--kubeconfig=/tmp/kubeconfig" in created
    assert "--name=e2e-1" in created
    assert recorder.commands[-2:] == [
        "kind delete cluster --name=e2e-1",
        "docker image rm --force dittofs-operator:e2e-1",
    ]


def test_the_scenarios_are_the_marked_tests_with_the_installed_operator(recorder: Recorder, tmp_path: Path) -> None:
    harness(recorder, tmp_path).scenarios(kind_cluster(recorder, tmp_path))

    (told,) = (number for number, words in enumerate(recorder.commands) if words.startswith(TELL))
    assert "tests/integration -m scenario --place=existing --operator=installed" in recorder.commands[told]
    assert recorder.environments[told]["KUBECONFIG"] == str(tmp_path / "kubeconfig")


@pytest.mark.parametrize(
    ("failing", "removed"),
    [
        ("docker build", [FORGET]),
        ("kind create", [DELETE, FORGET]),
        ("kind load", [DELETE, FORGET]),
        ("apply --server-side", [DELETE, FORGET]),
        ("rollout status", [DELETE, FORGET]),
        ("-m pytest", [DELETE, FORGET]),
    ],
)
@pytest.mark.parametrize("problem", [CommandFailed("no"), KeyboardInterrupt()])
def test_after_a_step_that_fails_all_that_was_begun_is_removed(
    recorder: Recorder, tmp_path: Path, failing: str, removed: list[str], problem: BaseException
) -> None:
    recorder.failing, recorder.problem = failing, problem

    with pytest.raises(type(problem)):
        harness(recorder, tmp_path).scenarios(kind_cluster(recorder, tmp_path))

    steps = recorder.steps()
    at = next(number for number, words in enumerate(recorder.commands) if failing in words)
    assert [words for words in recorder.steps() if words in (DELETE, FORGET)] == removed
    assert steps[-len(removed) :] == removed
    assert not [words for words in recorder.commands[at + 1 :] if words.startswith((CREATE, LOAD, TELL))]


def test_what_can_t_be_removed_is_told_and_keeps_nothing_else_from_its_end(recorder: Recorder, tmp_path: Path) -> None:
    recorder.failing = DELETE

    harness(recorder, tmp_path).scenarios(kind_cluster(recorder, tmp_path))

    assert recorder.steps()[-1] == FORGET
    assert recorder.told[-1] == "left behind, remove it by hand: no"


def test_from_a_cluster_that_stays_the_objects_go_before_the_operator(recorder: Recorder, tmp_path: Path) -> None:
    harness(recorder, tmp_path).scenarios(existing_cluster(recorder, tmp_path))

    assert recorder.steps() == [APPLY, ROLLOUT, TELL, f"{KUBECTL} delete", f"{KUBECTL} delete"]
    assert recorder.commands[-2:] == [
        f"{KUBECTL} delete dittofsbackups,dittofsshares,dittofs --all --all-namespaces",
        f"{KUBECTL} delete --kustomize=/tmp/kustomization --ignore-not-found",
    ]


@pytest.mark.parametrize("there", ["namespace/dittofs-system", "x/dittofsshares.dittofs.dittofs.io"])
def test_a_cluster_with_the_operator_is_left_alone(recorder: Recorder, tmp_path: Path, there: str) -> None:
    recorder.answers["get customresourcedefinitions,namespaces"] = f"namespace/default\n{there}\n"

    with pytest.raises(CannotRun, match=there):
        harness(recorder, tmp_path).scenarios(existing_cluster(recorder, tmp_path))

    assert len(recorder.commands) == 1


def test_a_failure_leaves_traces_without_values_of_secrets(recorder: Recorder, tmp_path: Path) -> None:
    recorder.failing = "-m pytest"
    recorder.answers["get pods --all-namespaces --no-headers"] = "dittofs-system op-1\nkube-system dns\n"
    recorder.answers["get events"] = "something happened"

    with pytest.raises(CommandFailed):
        harness(recorder, tmp_path).scenarios(kind_cluster(recorder, tmp_path))

    folder = tmp_path / "traces" / "end"
    assert (folder / "events.txt").read_text() == "something happened"
    assert (folder / "dittofs-system.op-1.log").exists()
    assert not (folder / "kube-system.dns.log").exists()
    (secrets,) = (words for words in recorder.commands if "secrets" in words)
    assert secrets.endswith("--output=custom-columns=:.metadata.namespace,:.metadata.name")
    assert not [words for words in recorder.commands if " get all" in words]


def test_what_can_t_be_collected_is_told_in_its_file_and_hides_no_failure(recorder: Recorder, tmp_path: Path) -> None:
    recorder.failing = KUBECTL
    recorder.problem = CommandFailed("the cluster is gone")

    with pytest.raises(CommandFailed, match="the cluster is gone"):
        harness(recorder, tmp_path).scenarios(kind_cluster(recorder, tmp_path))

    assert (tmp_path / "traces" / "end" / "events.txt").read_text() == "the cluster is gone\n"


def test_the_installed_manifests_have_the_image_of_the_run(recorder: Recorder, tmp_path: Path) -> None:
    """By the real kustomize."""
    harness(recorder, tmp_path).scenarios(existing_cluster(recorder, tmp_path))
    kubectl = Path(sys.executable).with_name("kubectl")

    done = subprocess.run(
        [kubectl, "kustomize", tmp_path / "kustomization"], capture_output=True, text=True, timeout=30, check=True
    )

    manifests = list(yaml.safe_load_all(done.stdout))
    (deployment,) = (manifest for manifest in manifests if manifest["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/op:1"
    assert {"CustomResourceDefinition", "ClusterRole", "ServiceAccount"} <= {each["kind"] for each in manifests}


def test_without_docker_one_line_says_what_to_do(recorder: Recorder, tmp_path: Path) -> None:
    assert missing_for_kind(recorder, {"PATH": str(tmp_path)}).startswith("there is no docker")

    docker = tmp_path / "docker"
    docker.touch(mode=0o755)
    recorder.failing, recorder.problem = "docker info", CommandFailed("`docker info` failed: no daemon")
    words = missing_for_kind(recorder, {"PATH": str(tmp_path)})
    assert words == (
        "docker does not answer (`docker info` failed: no daemon): start it, "
        "or set KUBECONFIG and IMAGE to use a cluster that exists"
    )

    recorder.failing = ""
    assert missing_for_kind(recorder, {"PATH": str(tmp_path)}) == ""


def test_the_node_image_is_one_digest_of_the_pinned_kubernetes() -> None:
    tag, _, digest = NODE_IMAGE.removeprefix("kindest/node:v").partition("@")
    assert tag.split(".")[:2] == API_SERVER.module.version.split(".")[:2]
    assert digest.startswith("sha256:")
