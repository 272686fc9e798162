"""Every manifest that the builders give fits the schema that Kubernetes publishes for its kind."""

from __future__ import annotations

from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from reconcilers.builders.pod import termination_grace_period_s

GOLDEN = Path(__file__).parents[2] / "golden" / "dittofs"

#: Groups of other projects, whose schemas are not Kubernetes' own.
NOT_KUBERNETES = frozenset({"monitoring.coreos.com"})


@pytest.mark.parametrize("path", sorted(GOLDEN.iterdir()), ids=lambda path: path.name)
def test_the_manifests_are_valid(path: Path) -> None:
    for manifest in yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader):
        if manifest["apiVersion"].partition("/")[0] in NOT_KUBERNETES:
            continue
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize(("shutdown", "seconds"), [("30s", 100), ("1s", 13), ("500ms", 12), ("1m30s", 280)])
def test_the_kubelet_waits_longer_than_the_server_s_own_forced_end(shutdown: str, seconds: int) -> None:
    """The server gives three stages the whole timeout, then ends by force 5 s later (dittofs-server 1.8)."""
    assert termination_grace_period_s(shutdown) == seconds
