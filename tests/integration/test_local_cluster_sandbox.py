"""The real DittoFS server as a pod of the local cluster, reached through its Services, by NFS where libnfs is there."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.localcluster.cluster import LocalCluster
from informers import configuration
from informers.client import Client
from reconcilers.api.resources import POD, SERVICE
from tests.support.eventually import eventually
from tests.support.objects import PASSWORD, Objects
from tests.support.real_server import dfs_or_skip, nfs_client_or_skip

pytestmark = [pytest.mark.integration, pytest.mark.places("local", reason="it starts local clusters of its own")]

CREATED_FILE = "hello from the client"


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[Objects]:
    """A namespace of a cluster whose pods run the real server."""
    with LocalCluster(tmp_path / "cluster", dfs_binary=dfs_or_skip()) as cluster:
        assert cluster.server_kind.name == "real dfs"
        client = Client(configuration.load(str(cluster.kubeconfig)).configuration, user_agent="tests")
        yield Objects(client, "default")
        client.close()
    assert cluster.leftovers() == []


def call(address: str, path: str, *, method: str = "GET", body: object = None, token: str = "") -> Any:
    request = urllib.request.Request(f"http://{address}:8080{path}", method=method)
    request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, json.dumps(body).encode() if body else None, timeout=5) as answer:
        return json.loads(answer.read())


def login(objects: Objects) -> tuple[str, str]:
    address = objects.get(SERVICE, "demo-api")["spec"]["clusterIP"]
    body = {"username": "admin", "password": PASSWORD}
    return address, call(address, "/api/v1/auth/login", method="POST", body=body)["access_token"]


def new_pod(objects: Objects, *, old_uid: str = "") -> str:
    def look() -> str:
        pod = objects.ready_pod("demo-0")
        uid = pod["metadata"]["uid"] if pod else ""
        return uid if uid != old_uid else ""

    return eventually(look, 20, what="a ready pod")


def serve_export(objects: Objects) -> None:
    address, token = eventually(lambda: login(objects), what="a login")
    metadata = {"name": "m", "type": "badger", "config": json.dumps({"path": "/data/metadata/m"})}
    blocks = {"name": "p", "type": "fs", "config": json.dumps({"path": "/data/payload"})}
    share = {"name": "/export", "metadata_store_id": "m", "local_block_store": "p", "default_permission": "read-write"}
    for path, body in (("/store/metadata", metadata), ("/store/block/local", blocks), ("/shares", share)):
        call(address, f"/api/v1{path}", method="POST", body=body, token=token)
    options = {"squash": "none"}
    call(address, "/api/v1/shares/export/adapters/nfs/config", method="PATCH", body=options, token=token)


def nfs(tool: str, *arguments: str) -> str:
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_real_server_keeps_its_rows_over_a_new_pod(objects: Objects) -> None:
    objects.server()
    uid = new_pod(objects)
    serve_export(objects)
    objects.delete(POD, "demo-0")
    new_pod(objects, old_uid=uid)
    address, token = eventually(lambda: login(objects), what="a login")
    assert [share["name"] for share in call(address, "/api/v1/shares", token=token)] == ["/export"]


def test_files_are_served_by_nfs_and_survive_the_pod(tmp_path: Path, objects: Objects) -> None:
    nfs_client_or_skip()
    objects.server()
    uid = new_pod(objects)
    serve_export(objects)
    ingress = objects.get(SERVICE, "demo-nfs")["status"]["loadBalancer"]["ingress"][0]["ip"]
    if any(event["reason"] == "PortUnavailable" for event in _events(objects)):
        pytest.skip("this user may not listen on port 2049")
    export = f"nfs://{ingress}/export"
    version_3 = "version=3&nfsport=2049&mountport=2049"
    file = tmp_path / "hello.txt"
    file.write_text(CREATED_FILE)

    nfs("nfs-cp", str(file), f"{export}/hello.txt?{version_3}")

    assert "hello.txt" in nfs("nfs-ls", f"{export}?{version_3}")
    assert "hello.txt" in nfs("nfs-ls", f"{export}?version=4&nfsport=2049")
    objects.delete(POD, "demo-0")
    new_pod(objects, old_uid=uid)
    read = eventually(lambda: nfs("nfs-cat", f"{export}/hello.txt?{version_3}"), 20, what="the file")
    assert read == CREATED_FILE


def _events(objects: Objects) -> list[dict[str, Any]]:
    from informers.occurrence import EVENTS

    return objects.list(EVENTS)
