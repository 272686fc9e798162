"""Shares of the real DittoFS server through two clients that nobody here wrote: smbclient and libnfs.

Needs the server's binary, Debian's smbclient and libnfs-utils. Skipped without them, unless REQUIRE_REAL=1 turns that
into a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from hack.localcluster.cluster import LocalCluster
from informers import configuration
from informers.client import Client
from informers.resource import Resource
from reconcilers.api.resources import DITTOFS, DITTOFS_SHARE, POD, SECRET
from tests.support.acceptance import PATIENCE_S, USER, World
from tests.support.eventually import eventually
from tests.support.nfs_mount import USER_1000, NfsFailed, mount
from tests.support.operator_process import operator_process
from tests.support.real_server import nfs_client_or_skip, smb_client_or_skip
from tests.support.smb_client import SmbFailed, SmbShare, smb_share

pytestmark = [
    pytest.mark.integration,
    pytest.mark.places("local", reason="it has a local cluster of its own, whose pods run the real server"),
]

CRDS = Path(__file__).parents[2] / "manifests" / "crds"
DEFINITION = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
#: By user, the password in the Secret of the same name. Nobody declares the last one.
PASSWORDS = {"alice": "alice's long password", "bob": "bob's long password", "mallory": "anything goes"}
UIDS = {"alice": 1000, "bob": 1001}
MIB = 1 << 20
As = Callable[[str, str], SmbShare]


@pytest.fixture(scope="module")
def world(dfs_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An instance with NFS, SMB and two users, whose pod runs the real server, and all shares of these tests."""
    smb_client_or_skip()
    nfs_client_or_skip()
    with LocalCluster(tmp_path_factory.mktemp("real"), dfs_binary=dfs_binary) as cluster:
        client = Client(configuration.load(str(cluster.kubeconfig)).configuration, user_agent=USER)
        for file in sorted(CRDS.glob("*.yaml")):
            client.create(DEFINITION, yaml.safe_load(file.read_text()), field_manager=USER)
        made = World(client, "default")
        log = tmp_path_factory.mktemp("operator") / "log"
        with operator_process(cluster.kubeconfig, log, lease_namespace="default"):
            for user in UIDS:
                made.secret(user, password=PASSWORDS[user])
            users = [
                {"name": user, "uid": uid, "gid": uid, "passwordSecretRef": {"name": user}}
                for user, uid in UIDS.items()
            ]
            made.instance(adapters={"smb": {"enabled": True}}, metadata={"type": "sqlite"}, users=users)
            made.share("open", defaultPermission="read-write")
            made.share("team", permissions=[{"user": "alice", "level": "read-write"}, {"user": "bob", "level": "read"}])
            made.share("alices", permissions=[{"user": "alice", "level": "read-write"}])
            made.share("small", defaultPermission="read-write", quota={"size": "2Mi"})
            made.share("turning", defaultPermission="read-write")
            made.until_phase(DITTOFS, "demo", "Running")
            for share in ("open", "team", "alices", "small", "turning"):
                made.until_phase(DITTOFS_SHARE, share, "Ready")
            yield made
        client.close()
    assert cluster.leftovers() == []


@pytest.fixture
def smb(world: World, tmp_path: Path) -> As:
    """Gives a share as a user has it."""
    return lambda share, user: smb_share(world, share, tmp_path, user=user, password=PASSWORDS[user])


def test_a_user_of_the_specification_lists_writes_reads_and_removes(smb: As) -> None:
    share = smb("open", "alice")

    share.write("letter", "written over SMB")

    assert share.list() == {"letter"}
    assert share.read("letter") == "written over SMB"
    share.remove("letter")
    assert share.list() == set()


def test_what_is_written_over_one_protocol_is_read_over_the_other(world: World, smb: As, tmp_path: Path) -> None:
    over_nfs, over_smb = mount(world, "open", tmp_path), smb("open", "alice")

    over_smb.write("from-smb", "hello NFS")
    over_nfs.write("from-nfs", "hello SMB", user=USER_1000)

    assert over_nfs.read("from-smb", user=USER_1000) == "hello NFS"
    assert over_smb.read("from-nfs") == "hello SMB"
    assert over_smb.list() >= {"from-smb", "from-nfs"}


def test_who_may_read_can_list_and_read_but_not_write(smb: As) -> None:
    smb("team", "alice").write("plan", "for everybody to read")
    bob = smb("team", "bob")

    assert bob.read("plan") == "for everybody to read"
    with pytest.raises(SmbFailed, match="ACCESS_DENIED"):
        bob.write("mine", "x")
    with pytest.raises(SmbFailed):
        bob.remove("plan")
    assert smb("team", "alice").list() == {"plan"}


def test_who_has_no_permission_cannot_even_list(smb: As) -> None:
    smb("alices", "alice").write("diary", "x")

    with pytest.raises(SmbFailed, match="tree connect failed: NT_STATUS_ACCESS_DENIED"):
        smb("alices", "bob").list()


def test_a_stranger_and_a_wrong_password_are_refused(world: World, smb: As, tmp_path: Path) -> None:
    with pytest.raises(SmbFailed, match="LOGON_FAILURE"):
        smb("open", "mallory").list()
    wrong = smb_share(world, "open", tmp_path, user="alice", password="not alice's password")
    with pytest.raises(SmbFailed, match="LOGON_FAILURE"):
        wrong.list()


def test_a_write_beyond_the_quota_fails_over_both_protocols(world: World, smb: As, tmp_path: Path) -> None:
    over_smb, over_nfs = smb("small", "alice"), mount(world, "small", tmp_path)
    over_smb.write("fits", "x" * 1024)

    with pytest.raises(SmbFailed, match="DISK_FULL"):
        over_smb.write("too-much", "x" * (5 * MIB))
    with pytest.raises(NfsFailed):
        over_nfs.write("too-much-as-well", "x" * (5 * MIB), user=USER_1000)
    assert over_smb.read("fits") == "x" * 1024


def test_a_share_that_becomes_read_only_is_so_for_smb_and_can_be_written_again(world: World, smb: As) -> None:
    share = smb("turning", "alice")
    share.write("before", "x")

    world.patch(DITTOFS_SHARE, "turning", spec={"readOnly": True})
    world.until_phase(DITTOFS_SHARE, "turning", "Ready")
    with pytest.raises(SmbFailed, match="ACCESS_DENIED"):
        share.write("after", "x")
    assert share.read("before") == "x"

    world.patch(DITTOFS_SHARE, "turning", spec={"readOnly": False})
    world.until_phase(DITTOFS_SHARE, "turning", "Ready")
    share.write("again", "x")


def test_a_changed_password_is_taken_up_and_the_old_one_no_more(world: World, smb: As, tmp_path: Path) -> None:
    bob = smb("open", "bob")
    assert bob.list() >= set()
    patch = {"stringData": {"password": "another long password"}}
    world.patch(SECRET, "bob", **patch)
    changed = smb_share(world, "open", tmp_path, user="bob", password="another long password")

    def taken_up() -> bool:
        try:
            changed.list()
        except SmbFailed:
            return False
        return True

    eventually(taken_up, PATIENCE_S, what="the new password")
    with pytest.raises(SmbFailed, match="LOGON_FAILURE"):
        bob.list()
    world.patch(SECRET, "bob", stringData={"password": PASSWORDS["bob"]})


def test_a_disabled_share_lets_nobody_in_over_smb(world: World, smb: As) -> None:
    world.patch(DITTOFS_SHARE, "alices", spec={"enabled": False})
    world.until_phase(DITTOFS_SHARE, "alices", "Disabled")

    with pytest.raises(SmbFailed, match="tree connect failed"):
        smb("alices", "alice").list()

    world.patch(DITTOFS_SHARE, "alices", spec={"enabled": True})
    world.until_phase(DITTOFS_SHARE, "alices", "Ready")
    smb("alices", "alice").list()


def test_an_option_is_in_force_in_a_new_share_at_once_and_a_change_of_it_from_the_next_start_on(
    world: World, smb: As
) -> None:
    world.share("plain", defaultPermission="read-write", smb={"streamsDisabled": True})
    world.until_phase(DITTOFS_SHARE, "plain", "Ready")
    share = smb("plain", "alice")
    share.write("file", "x")
    with pytest.raises(SmbFailed):
        share.write("file:stream", "x")

    world.patch(DITTOFS_SHARE, "plain", spec={"smb": {"streamsDisabled": False}})
    world.until_told(DITTOFS_SHARE, "plain", "RestartRequired", "True", "WaitsForStart")
    with pytest.raises(SmbFailed):
        share.write("file:stream", "x")

    world.delete(POD, "demo-0")
    world.until_told(DITTOFS_SHARE, "plain", "RestartRequired", "False", "InForce")
    world.until_phase(DITTOFS, "demo", "Running")
    share.write("file:stream", "x")


def test_the_condition_tells_which_shares_smb_clients_cannot_ask_for(world: World, smb: As, tmp_path: Path) -> None:
    world.share("capital", path="/Open", defaultPermission="read-write")
    world.share("inner", path="/no/inner", defaultPermission="read-write")
    for share in ("capital", "inner"):
        world.until_phase(DITTOFS_SHARE, share, "Ready")
        assert world.told(DITTOFS_SHARE, share, "Ready") == ("True", "NotOverSMB")
        world.until_event(share, "Warning", "NotOverSMB")
    assert 'DittoFSShare "open"' in world.condition(DITTOFS_SHARE, "capital", "Ready")["message"]

    smb("Open", "alice").write("astray", "x")

    assert "astray" in mount(world, "open", tmp_path).list()
    over_nfs = mount(world, "capital", tmp_path)
    over_nfs.write("by-nfs", "x", user=USER_1000)
    assert over_nfs.list() == {"by-nfs"}
    with pytest.raises(SmbFailed, match="BAD_NETWORK_NAME"):
        smb("no/inner", "alice").list()
    assert world.told(DITTOFS_SHARE, "open", "Ready") == ("True", "Serving")
