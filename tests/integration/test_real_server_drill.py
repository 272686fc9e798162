"""The drill: files written over NFS, archived, everything destroyed, restored elsewhere, and every byte compared.

Needs the server's binary and Debian's libnfs-utils. Skipped without them, unless REQUIRE_REAL=1 turns that into a
failure.
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import yaml

from hack.localcluster.cluster import LocalCluster
from hack.localcluster.kubelet.sandbox import support
from informers import configuration
from informers.client import Client
from informers.resource import Resource
from reconcilers.api.resources import (
    DITTOFS,
    DITTOFS_BACKUP,
    DITTOFS_SHARE,
    PERSISTENT_VOLUME_CLAIM,
    SECRET,
    SERVICE,
)
from tests.support.acceptance import USER, World
from tests.support.operator_process import operator_process
from tests.support.real_server import nfs_client_or_skip

pytestmark = [
    pytest.mark.integration,
    pytest.mark.places("local", reason="it has a local cluster of its own, whose pods run the real server"),
    pytest.mark.skipif(not support().possible, reason=f"no sandbox: {support().reason}"),
]

MANIFESTS = Path(__file__).parents[2] / "manifests"
DEFINITION = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
SIZES = (0, 1, 4095, 65_536, 3_000_001)
#: By name of the DittoFSShare, what is wanted of it beside the path.
SHARES = {
    "export": {"defaultPermission": "read-write", "quota": {"size": "1Gi"}},
    "projects": {"path": "/team/projects", "defaultPermission": "read-write", "nfs": {"squash": "none"}},
}


@pytest.fixture(scope="module")
def world(dfs_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The namespace default of a cluster of its own, looked after by an operator that knows its image."""
    log = tmp_path_factory.mktemp("operator") / "log"
    image = "--image=example.com/dittofs-operator:v1"
    with LocalCluster(tmp_path_factory.mktemp("real"), dfs_binary=dfs_binary) as cluster:
        client = Client(configuration.load(str(cluster.kubeconfig)).configuration, user_agent=USER)
        for file in sorted((MANIFESTS / "crds").glob("*.yaml")):
            for manifest in yaml.safe_load_all(file.read_text()):
                client.create(DEFINITION, manifest, field_manager=USER)
        with operator_process(cluster.kubeconfig, log, lease_namespace="default", flags=(image,)):
            yield World(client, "default")
        client.close()


def url(world: World, share: str, name: str = "", *, instance: str) -> str:
    service = world.get(SERVICE, f"{instance}-nfs")["spec"]
    address, port = service["clusterIP"], service["ports"][0]["port"]
    path = world.status(DITTOFS_SHARE, share)["path"]
    return f"nfs://{address}{path}{name and f'/{name}'}?version=3&nfsport={port}&mountport={port}&uid=1000&gid=1000"


def run(*command: str) -> bytes:
    return subprocess.run(command, capture_output=True, timeout=20, check=True).stdout


def seen(world: World, instance: str, names: tuple[str, ...]) -> dict[str, tuple[list[str], dict[str, bytes]]]:
    """Of each share the mode, links, owner, size and name of every file, and its bytes."""
    return {
        share: (
            sorted(run("nfs-ls", url(world, share, instance=instance)).decode().splitlines()),
            {name: run("nfs-cat", url(world, share, name, instance=instance)) for name in names},
        )
        for share in SHARES
    }


def test_what_was_archived_is_there_again_after_everything_else_was_destroyed(world: World, tmp_path: Path) -> None:
    nfs_client_or_skip()
    random, names = Random(1), tuple(f"of-{size}" for size in SIZES)
    world.secret("archive-key", key=base64.b64encode(random.randbytes(32)).decode())
    world.instance("first")
    world.until_phase(DITTOFS, "first", "Running")
    for share, spec in SHARES.items():
        world.share(share, instance="first", **spec)
    for share in SHARES:
        world.until_phase(DITTOFS_SHARE, share, "Ready")
        for size, name in zip(SIZES, names, strict=True):
            (tmp_path / "file").write_bytes(random.randbytes(size))
            run("nfs-cp", str(tmp_path / "file"), url(world, share, name, instance="first"))
    before = seen(world, "first", names)
    wanted = {share: world.get(DITTOFS_SHARE, share)["spec"] for share in SHARES}

    sealed = {"encryption": {"keySecretRef": {"name": "archive-key"}}}
    world.backup("kept", instance="first", method="Archive", target={"pvc": {"size": "1Gi"}}, **sealed)
    world.until_phase(DITTOFS_BACKUP, "kept", "Completed")
    archive = world.status(DITTOFS_BACKUP, "kept")["archiveID"]
    world.patch(DITTOFS_BACKUP, "kept", spec={"deletionPolicy": "Retain"})
    for kind, gone in ((DITTOFS_BACKUP, "kept"), *((DITTOFS_SHARE, share) for share in SHARES), (DITTOFS, "first")):
        world.delete(kind, gone)
        world.until_gone(kind, gone)
    for claim in ("controlplane", "metadata", "payload"):
        world.delete(PERSISTENT_VOLUME_CLAIM, f"first-{claim}")
    world.delete(SECRET, "first-admin")

    world.instance("second")
    source = {"archive": {"id": archive, "pvc": {"claimName": "kept-archive"}}}
    world.backup("again", instance="second", operation="Restore", restore=source, **sealed)
    world.until_phase(DITTOFS_BACKUP, "again", "Completed")

    for share in SHARES:
        world.until_phase(DITTOFS_SHARE, share, "Ready")
        assert world.get(DITTOFS_SHARE, share)["spec"] == wanted[share] | {"instanceRef": {"name": "second"}}
    assert seen(world, "second", names) == before
    assert {row["name"] for row in world.server("second").call("GET", "/shares")} == {"/export", "/team/projects"}
    run("nfs-cp", str(tmp_path / "file"), url(world, "export", "later", instance="second"))
