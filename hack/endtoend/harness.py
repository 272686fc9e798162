"""The run from the cluster to its end: install, tell the scenarios, collect what explains a failure, remove all."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import yaml

from hack.endtoend.collecting import collect
from hack.endtoend.commands import CommandFailed, Run, Tell, undo
from hack.endtoend.places import Cluster

_INSTALL_S = 120.0
_ROLLOUT_S = 300.0
_REMOVE_S = 300.0
_SCENARIOS_S = 3600.0
#: Nodes pull images and make volumes in the time that a test waits for one thing.
_PATIENCE_S = 300
_TEST_S = 1200


@dataclass(frozen=True, slots=True)
class Harness:
    """What a run needs: how programs are run, where they and the sources are, and the folder for a failure's traces."""

    run: Run
    tell: Tell
    kubectl: str
    python: str
    source: Path
    scratch: Path
    traces: Path

    def scenarios(self, cluster: Cluster) -> None:
        """Tell them on `cluster` with the operator installed there; all that was made is gone when this returns.

        Raises CommandFailed, also for a scenario that failed.
        """
        with ExitStack() as stack:
            self.tell("making the cluster ready")
            stack.enter_context(cluster)
            kubectl = (self.kubectl, f"--kubeconfig={cluster.kubeconfig}")
            try:
                self._install(kubectl, cluster, stack)
                self.tell("telling the scenarios")
                self._tell_scenarios(cluster)
            except CommandFailed:
                collect(self.run, kubectl, self.traces / "end")
                self.tell(f"what was there is in {self.traces}")
                raise

    def _install(self, kubectl: tuple[str, ...], cluster: Cluster, stack: ExitStack) -> None:
        self.tell(f"installing {cluster.image}")
        kustomization = self._kustomization(cluster.image)
        if cluster.stays:
            self._remove_later(stack, *kubectl, "delete", f"--kustomize={kustomization}", "--ignore-not-found")
        self.run(*kubectl, "apply", "--server-side", f"--kustomize={kustomization}", timeout_s=_INSTALL_S)
        if cluster.stays:
            # Before the operator goes, which has its finalizer on them.
            self._remove_later(
                stack, *kubectl, "delete", "dittofsbackups,dittofsshares,dittofs", "--all", "--all-namespaces"
            )
        rollout = ("rollout", "status", "deployment/dittofs-operator", "--namespace=dittofs-system")
        self.run(*kubectl, *rollout, f"--timeout={_ROLLOUT_S:g}s", timeout_s=_ROLLOUT_S + 10)

    def _remove_later(self, stack: ExitStack, *command: str) -> None:
        stack.callback(undo, self.run, self.tell, *command, timeout_s=_REMOVE_S)

    def _kustomization(self, image: str) -> Path:
        """A folder whose kustomization is that of manifests/ with another image."""
        folder = self.scratch / "kustomization"
        folder.mkdir(exist_ok=True)
        name, _, tag = image.rpartition(":")
        content = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            # kustomize takes no absolute paths.
            "resources": [os.path.relpath(self.source / "manifests", folder.resolve())],
            "images": [{"name": "dittofs-operator", "newName": name, "newTag": tag}],
            # kustomize knows the images of containers only.
            "patches": [{"patch": yaml.safe_dump(_jobs_image(image))}],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
        return folder

    def _tell_scenarios(self, cluster: Cluster) -> None:
        environment = {
            "KUBECONFIG": str(cluster.kubeconfig),
            "DITTOFS_TEST_PATIENCE_S": str(_PATIENCE_S),
            "DITTOFS_TEST_TRACES": str(self.traces),
        }
        self.run(
            *(self.python, "-m", "pytest", "tests/integration", "-m", "scenario"),
            *("--place=existing", "--operator=installed", f"--timeout={_TEST_S}"),
            timeout_s=_SCENARIOS_S,
            show=True,
            more=environment,
        )


def _jobs_image(image: str) -> dict[str, object]:
    """A patch by which the operator's Jobs run `image` too."""
    variable = {"name": "DITTOFS_OPERATOR_IMAGE", "value": image}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "dittofs-operator", "namespace": "dittofs-system"},
        "spec": {"template": {"spec": {"containers": [{"name": "operator", "env": [variable]}]}}},
    }
