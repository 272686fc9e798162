"""The claims of a real server, archived to a real S3 server over TLS, destroyed, and restored under a fresh server.

Needs the server's binary, versitygw (`make s3`) and Debian's libnfs-utils. Skipped without them, unless REQUIRE_REAL=1
turns that into a failure.
"""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dittofs_operator.archive.manifest import Bucket, Payload
from dittofs_operator.cli import main
from tests.support.archived import DESCRIPTION, ID, KEY, OBJECTS
from tests.support.authority import Authority
from tests.support.dittofs_server import PASSWORD, real_dittofs_server
from tests.support.eventually import eventually
from tests.support.real_server import dfs_or_skip, nfs_client_or_skip
from tests.support.s3_server import S3Server, s3_server

pytestmark = [pytest.mark.integration, pytest.mark.places("local", reason="it needs no cluster")]

NEW_PASSWORD = "of-the-new-cluster"
BUCKET = "archives"
READY_S = 30.0
#: Of a share of each kind: what the metadata of its files is kept in.
SHARES = {"export": "badger", "rows": "sqlite"}
SIZES = (0, 1, 4095, 65_536, 1_048_577, 5_000_000)


@dataclass(frozen=True)
class Rest:
    """The REST API with the admin logged in."""

    url: str
    password: str

    def call(self, method: str, path: str, body: object = None) -> Any:
        token = self._send("POST", "/auth/login", {"username": "admin", "password": self.password}, "")["access_token"]
        return self._send(method, path, body, token)

    def _send(self, method: str, path: str, body: object, token: str) -> Any:
        request = urllib.request.Request(f"{self.url}/api/v1{path}", method=method)
        request.add_header("Authorization", f"Bearer {token}")
        request.add_header("Content-Type", "application/json")
        content = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, content, timeout=20) as answer:
            return json.loads(answer.read() or b"null")


@dataclass(frozen=True)
class Nfs:
    """The shares over NFS, with libnfs."""

    port: int
    scratch: Path

    def write(self, share: str, name: str, content: bytes) -> None:
        (self.scratch / "file").write_bytes(content)
        self._run("nfs-cp", str(self.scratch / "file"), self._url(share, name))

    def read(self, share: str, name: str) -> bytes:
        return self._run("nfs-cat", self._url(share, name))

    def list(self, share: str) -> list[str]:
        """Mode, links, owners, sizes and names."""
        return sorted(self._run("nfs-ls", self._url(share, "")).decode().splitlines())

    def _url(self, share: str, name: str) -> str:
        ports = f"nfsport={self.port}&mountport={self.port}"
        return f"nfs://127.0.0.1/{share}{name and f'/{name}'}?version=3&{ports}&uid=1000&gid=1000"

    @staticmethod
    def _run(*command: str) -> bytes:
        return subprocess.run(command, capture_output=True, timeout=20, check=True).stdout


@pytest.fixture(scope="module")
def authority() -> Authority:
    made = Authority()
    made.issue("localhost")
    return made


@pytest.fixture(scope="module")
def s3(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3"), authority.issued, bucket=BUCKET) as running:
        yield running


@dataclass(frozen=True)
class Pod:
    """What the Job has mounted."""

    folder: Path
    place: tuple[str, ...]

    def run(self, command: str, *flags: str) -> dict[str, Any]:
        """The result, or what was wrong."""
        result = self.folder / "result"
        main([command, f"--archive={ID}", *self.place, f"--result={result}", *flags])
        told: dict[str, Any] = json.loads(result.read_text())
        return told


@pytest.fixture
def pod(s3: S3Server, authority: Authority, tmp_path: Path) -> Pod:
    files = {
        "authorities": authority.text,
        "key": base64.b64encode(KEY).decode(),
        "password": NEW_PASSWORD,
        "description": DESCRIPTION.model_dump_json(by_alias=True),
        "objects": json.dumps(OBJECTS),
        "keys/access-key-id": s3.keys[0],
        "keys/secret-access-key": s3.keys[1],
    }
    (folder := tmp_path / "pod").mkdir()
    for name in ("keys", "scratch"):
        (folder / name).mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)
    place = (f"--bucket={BUCKET}", f"--prefix={tmp_path.name}", f"--endpoint=https://localhost:{s3.port}")
    return Pod(folder, (*place, f"--authorities={folder}/authorities", f"--credentials={folder}/keys"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(rest: Rest, port: int) -> None:
    """NFS alone."""
    rest.call("PUT", "/adapters/smb", {"enabled": False})
    rest.call("PUT", "/adapters/nfs", {"enabled": True, "port": port})


def share_files(rest: Rest, data: Path) -> None:
    """Two shares with stores of their own."""
    local = {"name": "op-payload", "type": "fs", "config": json.dumps({"path": str(data / "payload")})}
    rest.call("POST", "/store/block/local", local)
    for share, kind in SHARES.items():
        path = data / "metadata" / (share if kind == "badger" else f"{share}.db")
        rest.call("POST", "/store/metadata", {"name": share, "type": kind, "config": json.dumps({"path": str(path)})})
        row = {"name": f"/{share}", "metadata_store_id": share, "local_block_store": "op-payload"}
        rest.call("POST", "/shares", {**row, "default_permission": "read-write"})


def snapshots(rest: Rest) -> list[str]:
    return [one["state"] for one in rest.call("GET", "/shares/export/snapshots")]


def test_a_real_servers_files_rights_and_snapshots_come_back_under_the_password_of_the_new_cluster(
    pod: Pod, s3: S3Server, tmp_path: Path
) -> None:
    nfs_client_or_skip()
    binary = str(dfs_or_skip(in_a_sandbox=False))
    data, nfs = tmp_path / "data", Nfs(free_port(), tmp_path)
    claims = tuple(f"--{name}={path}" for name, path in claims_of(data).items())
    instance = (*claims, f"--description={pod.folder}/description", f"--scratch={pod.folder}/scratch")
    sealed = f"--key={pod.folder}/key"
    random = Random(1)
    files = {f"of-{size}": random.randbytes(size) for size in SIZES}

    empty_claims(data)
    with real_dittofs_server(binary, data) as server:
        rest = Rest(server.url, PASSWORD)
        serve(rest, nfs.port)
        share_files(rest, data)
        for share in SHARES:
            for name, content in files.items():
                nfs.write(share, name, content)
        rest.call("POST", "/shares/export/snapshots", {"name": "kept"})
        eventually(lambda: snapshots(rest) == ["ready"], READY_S, what="a snapshot")
        lists = {share: nfs.list(share) for share in SHARES}

    made = pod.run("backup", *instance, sealed, f"--objects={pod.folder}/objects")
    assert made["result"] == "Completed", made
    assert {name.rpartition("/")[2] for name in s3.objects(BUCKET, f"{tmp_path.name}/{ID}/")} >= {"manifest.json"}
    known = f"--manifest-sha256={made['manifestSHA256']}"
    assert pod.run("verify", known, sealed) == {**made, "opened": True}

    shutil.rmtree(data)
    empty_claims(data)
    with real_dittofs_server(binary, data):
        pass
    restored = pod.run("restore", *instance, sealed, known, "--uid=5e7a", f"--admin-password={pod.folder}/password")
    assert restored == made

    with real_dittofs_server(binary, data) as server:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            Rest(server.url, PASSWORD).call("GET", "/shares")
        rest = Rest(server.url, NEW_PASSWORD)
        assert {row["name"] for row in rest.call("GET", "/shares")} == {f"/{share}" for share in SHARES}
        assert snapshots(rest) == ["ready"]
        for share in SHARES:
            assert {name: nfs.read(share, name) for name in files} == files
            assert nfs.list(share) == lists[share]
        nfs.write("export", "later", b"and it takes more")
        assert nfs.read("export", "later") == b"and it takes more"


def empty_claims(data: Path) -> None:
    data.mkdir()
    for name in ("payload", "cache"):
        (data / name).mkdir()


def claims_of(data: Path) -> dict[str, Path]:
    """The folders of a server's claims, by flag."""
    return {"control-plane": data, "metadata": data / "metadata", "payload": data / "payload"}


def share_bucket(rest: Rest, data: Path, s3: S3Server, prefix: str) -> None:
    """A share whose contents are in a bucket, with a cache in front."""
    keys = {"access_key_id": s3.keys[0], "secret_access_key": s3.keys[1]}
    place = {"bucket": BUCKET, "endpoint": f"https://localhost:{s3.port}", "prefix": prefix, "region": "us-east-1"}
    remote = {**place, **keys, "force_path_style": True, "allow_private_endpoint": True}
    stores = (
        ("block/local", "op-cache", "fs", {"path": str(data / "cache")}),
        ("block/remote", "op-export", "s3", remote),
        ("metadata", "op-export", "badger", {"path": str(data / "metadata" / "export")}),
    )
    for where, name, kind, config in stores:
        rest.call("POST", f"/store/{where}", {"name": name, "type": kind, "config": json.dumps(config)})
    row = {"name": "/export", "metadata_store_id": "op-export", "local_block_store": "op-cache"}
    rest.call("POST", "/shares", {**row, "remote_block_store": "op-export", "default_permission": "read-write"})


def test_a_killed_server_with_a_bucket_comes_back_with_the_keys_of_today(
    pod: Pod, s3: S3Server, tmp_path: Path
) -> None:
    """What was not uploaded comes from the archive, the rest from the bucket, for which the old keys are no good."""
    nfs_client_or_skip()
    binary = str(dfs_or_skip(in_a_sandbox=False))
    data, nfs, trusted = tmp_path / "data", Nfs(free_port(), tmp_path), pod.folder / "authorities"
    prefix, random = f"{tmp_path.name}-files/", Random(2)
    files = {f"of-{size}": random.randbytes(size) for size in SIZES}

    empty_claims(data)
    with real_dittofs_server(binary, data, authorities=trusted) as server:
        rest = Rest(server.url, PASSWORD)
        serve(rest, nfs.port)
        share_bucket(rest, data, s3, prefix)
        for name, content in files.items():
            nfs.write("export", name, content)
        rest.call("POST", "/system/drain-uploads")
        nfs.write("export", "late", b"hardly uploaded")
        files["late"] = b"hardly uploaded"
        assert server.process is not None
        server.process.kill()
    s3.change_keys("AKTODAY", "key-of-today")

    bucket = Bucket(endpoint=f"https://localhost:{s3.port}", bucket=BUCKET, prefix=prefix)
    described = {"payload": Payload.S3, "bucket": bucket, "clean_stop": False}
    (pod.folder / "description").write_text(DESCRIPTION.model_copy(update=described).model_dump_json(by_alias=True))
    (pod.folder / "keys" / "access-key-id").write_text("AKTODAY")
    (pod.folder / "keys" / "secret-access-key").write_text("key-of-today")
    claims = {**claims_of(data), "cache": data / "cache"}
    del claims["payload"]
    mounts = tuple(f"--{name}={path}" for name, path in claims.items())
    instance = (*mounts, f"--description={pod.folder}/description", f"--scratch={pod.folder}/scratch")

    made = pod.run("backup", *instance, f"--objects={pod.folder}/objects")
    assert (made["result"], made["cleanStop"], made["covered"]["payload"]) == ("Completed", False, "Bucket"), made
    shutil.rmtree(data)
    empty_claims(data)
    with real_dittofs_server(binary, data):
        pass
    secrets = (f"--admin-password={pod.folder}/password", f"--payload-credentials={pod.folder}/keys")
    assert pod.run("restore", *instance, *secrets, "--uid=5e7a") == made

    with real_dittofs_server(binary, data, authorities=trusted) as server:
        assert {name: nfs.read("export", name) for name in files} == files
        before = s3.objects(BUCKET, prefix)
        nfs.write("export", "later", random.randbytes(100_000))
        Rest(server.url, NEW_PASSWORD).call("POST", "/system/drain-uploads")
        eventually(lambda: s3.objects(BUCKET, prefix) > before, READY_S, what="an upload with the keys of today")
