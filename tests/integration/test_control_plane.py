"""Start and end of a control plane, and what its simulated node does that the local cluster's doesn't."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hack.controlplane.binaries import find_binaries
from hack.controlplane.control_plane import ControlPlane, StartFailed
from hack.controlplane.resources import PERSISTENT_VOLUME
from informers import configuration
from informers.client import Client
from informers.errors import Forbidden, NotFound
from informers.resource import ObjectKey, Resource
from reconcilers.api.resources import PERSISTENT_VOLUME_CLAIM, POD, SECRET, SERVICE
from tests.support.eventually import eventually
from tests.support.objects import Objects
from tests.support.place import Place

pytestmark = [pytest.mark.integration, pytest.mark.places("controlplane", reason="it is about the control plane")]

ROOT = Path(__file__).parents[2]
ENDPOINT_SLICE = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")

#: Says its folder and stays until it is killed.
STAY = """
import sys, threading
from pathlib import Path
from hack.controlplane.binaries import find_binaries
from hack.controlplane.control_plane import ControlPlane

with ControlPlane(Path(sys.argv[1]), binaries=find_binaries(tell=print)) as plane:
    print(plane.data_dir, flush=True)
    threading.Event().wait()
"""


@pytest.fixture
def objects(client: Client, namespace: str) -> Objects:
    return Objects(client, namespace)


def test_it_starts_within_fifteen_seconds_and_leaves_nothing_behind(tmp_path: Path) -> None:
    began = time.monotonic()
    with ControlPlane(tmp_path / "plane", binaries=find_binaries(tell=print)) as plane:
        took = time.monotonic() - began
        assert plane.kubeconfig.stat().st_mode & 0o777 == 0o600
        assert len(plane.leftovers()) == 5  # folder, kubeconfig, three processes
    assert plane.leftovers() == []
    assert list((tmp_path / "plane").iterdir()) == []
    assert took < 15


def test_no_process_outlives_a_run_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STAY, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline()
        plane = ControlPlane(tmp_path, binaries=find_binaries(tell=print))
        assert len(_processes(plane)) == 3
        os.kill(parent.pid, signal.SIGKILL)
    eventually(lambda: not _processes(plane), what="the end of all processes")


def test_a_program_that_ends_at_its_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    broken = tmp_path / "etcd"
    broken.write_text("#!/bin/sh\necho 'no space left'\nexit 1\n")
    broken.chmod(0o755)
    binaries = find_binaries(tell=print)
    plane = ControlPlane(
        tmp_path / "plane", binaries=type(binaries)(broken, binaries.api_server, binaries.controller_manager)
    )
    with pytest.raises(StartFailed, match=r"^etcd ended at its start: no space left$"):
        plane.start()
    assert plane.leftovers() == []


def test_the_operators_identity_may_do_what_its_role_says_and_no_more(cluster: Place) -> None:
    operator = Client(configuration.load(str(cluster.operator_kubeconfig)).configuration, user_agent="tests")
    operator.list(SECRET)
    with pytest.raises(Forbidden, match=r'User "system:serviceaccount:dittofs-system:dittofs-operator" cannot list'):
        operator.list(PERSISTENT_VOLUME)
    operator.close()


def test_a_volume_goes_with_its_claim(cluster: Place, client: Client, objects: Objects) -> None:
    claim = objects.claim("data")
    name = f"pvc-{claim['metadata']['uid']}"
    eventually(lambda: objects.get(PERSISTENT_VOLUME_CLAIM, "data")["status"]["phase"] == "Bound", what="binding")
    assert cluster.data_dir is not None
    assert (cluster.data_dir / "volumes" / name).is_dir()

    objects.delete(PERSISTENT_VOLUME_CLAIM, "data")

    eventually(lambda: not _exists(client, PERSISTENT_VOLUME, name), 20, what="the end of the volume")
    assert not (cluster.data_dir / "volumes" / name).exists()


def test_a_pod_gets_a_token_of_its_service_account(cluster: Place, objects: Objects) -> None:
    objects.stateful_set("web")
    pod = eventually(lambda: objects.ready_pod("web-0"), what="a ready pod")
    assert cluster.data_dir is not None
    (volume,) = (entry["name"] for entry in pod["spec"]["volumes"] if "projected" in entry)
    folder = cluster.data_dir / "pods" / pod["metadata"]["uid"] / "volumes" / volume
    assert (folder / "namespace").read_text() == objects.namespace
    assert (folder / "token").read_text().count(".") == 2
    assert "BEGIN CERTIFICATE" in (folder / "ca.crt").read_text()


def test_ready_pods_become_endpoints_of_their_service(objects: Objects) -> None:
    objects.server()
    pod = eventually(lambda: objects.ready_pod("demo-0"), what="a ready pod")

    def addresses() -> list[str]:
        slices = [item for item in objects.list(ENDPOINT_SLICE) if item["metadata"]["name"].startswith("demo-api-")]
        return [address for item in slices for entry in item["endpoints"] or () for address in entry["addresses"]]

    eventually(lambda: addresses() == [pod["status"]["podIP"]], what="an endpoint")
    assert objects.get(SERVICE, "demo-api")["spec"]["clusterIP"].startswith("127.")
    assert objects.get(POD, "demo-0")["spec"]["nodeName"] == "local"


def _processes(plane: ControlPlane) -> list[str]:
    return [words for words in plane.leftovers() if words.startswith("process ")]


def _exists(client: Client, resource: Resource, name: str) -> bool:
    try:
        client.get(resource, ObjectKey("", name))
    except NotFound:
        return False
    return True
