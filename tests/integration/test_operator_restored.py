"""A server whose control plane was lost, or is an older one: everything comes back, and nobody is locked out.

With `--server=real` the server that loses it is the real one.
"""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dittofs_operator.program import Program
from informers.client import Client
from reconcilers.api.resources import DITTOFS, DITTOFS_SHARE, PERSISTENT_VOLUME_CLAIM, SECRET
from tests.support.acceptance import PATIENCE_S, Server, World
from tests.support.eventually import eventually
from tests.support.place import Place, PlaceName

pytestmark = [
    pytest.mark.integration,
    pytest.mark.places(PlaceName.LOCAL, PlaceName.CONTROL_PLANE, reason="it reaches into the folders that volumes are"),
]

FIRST, SECOND = "first-password", "second-password"


@pytest.fixture
def world(client: Client, operator: Program, namespace: str) -> World:
    return World(client, namespace)


@pytest.fixture
def volumes(cluster: Place) -> Path:
    assert cluster.data_dir is not None
    return cluster.data_dir / "volumes"


def control_plane(world: World, volumes: Path) -> Path:
    """The folder that is the volume of the control-plane claim."""
    folder: Path = volumes / world.get(PERSISTENT_VOLUME_CLAIM, "demo-controlplane")["spec"]["volumeName"]
    assert any(folder.iterdir())
    return folder


def stop(world: World) -> None:
    world.patch(DITTOFS, "demo", spec={"replicas": 0})
    world.until_phase(DITTOFS, "demo", "Stopped")


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def want_password(world: World, password: str) -> None:
    """Ask for another admin password, and wait until it is in force."""
    world.patch(SECRET, "wanted", data={"password": base64.b64encode(password.encode()).decode()})
    eventually(lambda: world.secret_value("demo-admin", "password") == password, PATIENCE_S, what="the password")
    world.until_phase(DITTOFS, "demo", "Running")


def takes(world: World, password: str) -> bool:
    """Whether the server takes `password` for its admin."""
    server = world.server()
    return bool(Server.log_in(server.url, "admin", password).token)


def test_after_its_database_is_lost_everything_comes_back_from_the_custom_resources(
    world: World, volumes: Path
) -> None:
    """Upstream had no shares, users or groups to bring back, and none of them came back."""
    world.secret("alice", password="alice-password")
    world.instance(
        adapters={"smb": {"enabled": True}},
        groups=[{"name": "staff", "gid": 2000}],
        users=[
            {
                "name": "alice",
                "uid": 2001,
                "gid": 2000,
                "groups": ["staff"],
                "passwordSecretRef": {"name": "alice", "key": "password"},
            }
        ],
    )
    world.share(
        "export",
        permissions=[{"user": "alice", "level": "read-write"}],
        quota={"size": "5Gi"},
        quotas=[{"scope": "user", "id": 2001, "hardSize": "1Gi", "softFiles": 9, "grace": "1h"}],
        trash={"retentionDays": 7, "excludePatterns": ["*.tmp"]},
        snapshotPolicy={"interval": "6h", "ttl": "720h"},
        owner="alice",
        smb={"encryptData": True, "accessBasedEnumeration": True},
        retention={"policy": "ttl", "ttl": "24h"},
        blockedOperations=["MKNOD"],
    )
    world.share(
        "team",
        path="/team/projects",
        readOnly=True,
        defaultPermission="read",
        nfs={"squash": "root_to_admin", "allowedClients": ["10.0.0.0/8"], "anonymousUID": 70},
        permissions=[{"group": "staff", "level": "read"}],
    )
    world.share("closed", enabled=False)
    world.until_phase(DITTOFS_SHARE, "export", "Ready")
    _make_by_hand(world.server(), "/theirs")
    world.share("adopted", path="/theirs")
    for share in ("export", "team", "adopted"):
        world.until_phase(DITTOFS_SHARE, share, "Ready")
    world.until_phase(DITTOFS_SHARE, "closed", "Disabled")
    world.until_phase(DITTOFS, "demo", "Running")
    before = _held(world.server())

    stop(world)
    empty(control_plane(world, volumes))
    world.patch(DITTOFS, "demo", spec={"replicas": 1})

    world.until_phase(DITTOFS, "demo", "Running")
    eventually(lambda: _held(world.server()) == before, PATIENCE_S, what=f"all of {before}")
    for share in ("export", "team", "adopted"):
        world.until_phase(DITTOFS_SHARE, share, "Ready")
    url = world.server().url
    assert Server.log_in(url, "alice", "alice-password").token


def _make_by_hand(server: Server, name: str) -> None:
    """A share on a metadata store of its own, of another type than the operator's."""
    config = json.dumps({"path": "/data/metadata/theirs.db"})
    server.call("POST", "/store/metadata", {"name": "theirs", "type": "sqlite", "config": config})
    server.call("POST", "/shares", {"name": name, "metadata_store_id": "theirs", "local_block_store": "op-payload"})


def _held(server: Server) -> dict[str, object]:
    """What the server holds, without the identities that it gives itself."""
    users = {row["username"]: row for row in server.call("GET", "/users")}
    adapters = {kind: (row["enabled"], row["port"]) for kind, row in server.adapters().items()}
    shares = {name: _share(server, name) for name in server.shares()}
    groups = {row["name"]: row.get("gid") for row in server.call("GET", "/groups")}
    alice = users["alice"]
    return {
        "adapters": adapters,
        "shares": shares,
        "groups": groups,
        "alice": (alice["uid"], alice["gid"], sorted(alice["groups"]), alice["enabled"]),
    }


#: What a row has of its own, or from the time when it is looked at.
_OWN = frozenset(
    {"id", "metadata_store_id", "local_block_store_id", "created_at", "updated_at", "status", "last_run_at"}
    | {"used_bytes", "used_files", "physical_bytes", "usage_percent", "grace_started_at"}
)


def _share(server: Server, name: str) -> dict[str, object]:
    """The share with all that hangs on it."""
    path = f"/shares/{quote(name.removeprefix('/'), safe='')}"
    nfs = server.nfs(name)
    clients = (
        server.call("GET", f"/adapters/nfs/netgroups/{quote(nfs['netgroup'], safe='')}") if nfs["netgroup"] else {}
    )
    row = server.share(name)
    metadata = server.call("GET", f"/store/metadata/{row['metadata_store_id']}")
    local = server.call("GET", f"/store/block/local/{row['local_block_store_id']}")
    return {
        "row": _without_own(row),
        "stores": [(store["name"], store["type"], store["config"]) for store in (metadata, local)],
        "nfs": nfs,
        "clients": sorted(member["value"] for member in clients.get("members", ())),
        "permissions": server.call("GET", f"{path}/permissions"),
        "quotas": [_without_own(row) for row in server.call("GET", f"{path}/quotas")],
        "policies": [_without_own(row) for row in server.call("GET", "/snapshot-policies") if row["share"] == name],
    }


def _without_own(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in _OWN}


def test_the_admin_password_survives_another_wish_a_new_object_and_an_older_database(
    world: World, volumes: Path, tmp_path: Path
) -> None:
    """Decided by what is in force, not by what is wanted: the server takes a password at its very first start only."""
    world.secret("wanted", password=FIRST)
    world.instance(auth={"adminSecretRef": {"name": "wanted"}})
    world.until_phase(DITTOFS, "demo", "Running")
    assert takes(world, FIRST)

    want_password(world, SECOND)
    assert takes(world, SECOND)

    world.delete(DITTOFS, "demo")
    world.until_gone(DITTOFS, "demo")
    world.instance()
    world.until_phase(DITTOFS, "demo", "Running")
    assert takes(world, SECOND)
    world.until_event("demo", "Normal", "ClaimAdopted")

    stop(world)
    older = tmp_path / "older"
    shutil.copytree(control_plane(world, volumes), older)
    world.patch(DITTOFS, "demo", spec={"replicas": 1, "auth": {"adminSecretRef": {"name": "wanted"}}})
    world.until_phase(DITTOFS, "demo", "Running")
    want_password(world, "third-password")
    stop(world)
    folder = control_plane(world, volumes)
    empty(folder)
    shutil.copytree(older, folder, dirs_exist_ok=True)
    world.patch(DITTOFS, "demo", spec={"replicas": 1})

    told = world.until_told(DITTOFS, "demo", "Available", "False", "AdminLockedOut")
    assert '"demo-admin"' in told["message"]
    assert '"wanted"' in told["message"]
    world.patch(SECRET, "demo-admin", data={"password": base64.b64encode(SECOND.encode()).decode()})

    world.until_phase(DITTOFS, "demo", "Running")
    eventually(lambda: world.secret_value("demo-admin", "password") == "third-password", PATIENCE_S)
    assert takes(world, "third-password")
