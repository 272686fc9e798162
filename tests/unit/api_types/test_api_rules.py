"""What the API server takes and refuses, with the message that a user reads."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from reconcilers.api.backup import DittoFSBackup
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.share import DittoFSShare
from tests.support import admission_cases as cases
from tests.support.crd_admission import Refused, admit, manifest

Spec = dict[str, Any]


@pytest.mark.parametrize("spec", cases.GOOD, ids=str)
def test_a_good_dittofs_is_taken(spec: Spec) -> None:
    admit(DittoFS, manifest(DittoFS, spec))


@pytest.mark.parametrize(("spec", "message"), cases.BAD, ids=str)
def test_a_bad_dittofs_is_refused_with_the_field_and_the_remedy(spec: Spec, message: str) -> None:
    with pytest.raises(Refused) as refusal:
        admit(DittoFS, manifest(DittoFS, spec))

    assert message in str(refusal.value)


def test_a_bad_size_gives_one_message_only() -> None:
    with pytest.raises(Refused) as refusal:
        admit(DittoFS, manifest(DittoFS, cases.payload(size="abc")), admit(DittoFS, manifest(DittoFS, {})))

    assert str(refusal.value).count("\n") == 0


@pytest.mark.parametrize(("before", "after"), cases.CHANGES, ids=str)
def test_a_change_that_can_be_made_is_taken(before: Spec, after: Spec) -> None:
    admit(DittoFS, manifest(DittoFS, after), admit(DittoFS, manifest(DittoFS, before)))


@pytest.mark.parametrize(("before", "after", "message"), cases.FIXED, ids=str)
def test_a_change_of_what_is_fixed_is_refused(before: Spec, after: Spec, message: str) -> None:
    stored = admit(DittoFS, manifest(DittoFS, before))

    with pytest.raises(Refused) as refusal:
        admit(DittoFS, manifest(DittoFS, after), stored)

    assert message in str(refusal.value)


@pytest.mark.parametrize("name", cases.GOOD_NAMES, ids=str)
def test_a_name_that_children_can_be_named_after_is_taken(name: str) -> None:
    admit(DittoFS, manifest(DittoFS, {}, name=name))


@pytest.mark.parametrize(("name", "message"), cases.BAD_NAMES, ids=str)
def test_a_name_that_children_cannot_be_named_after_is_refused(name: str, message: str) -> None:
    with pytest.raises(Refused) as refusal:
        admit(DittoFS, manifest(DittoFS, {}, name=name))

    assert message in str(refusal.value)


def test_a_dittofs_without_a_specification_is_refused() -> None:
    obj = manifest(DittoFS, {})
    del obj["spec"]

    with pytest.raises(Refused, match="spec: Required value"):
        admit(DittoFS, obj)


def test_the_bare_dittofs_is_completed_by_the_contracts_defaults() -> None:
    service = {"type": "ClusterIP"}

    assert admit(DittoFS, manifest(DittoFS, {}))["spec"] == {
        "image": "marmos91c/dittofs:v0.29.0",
        "imagePullPolicy": "IfNotPresent",
        "replicas": 1,
        "suspend": False,
        "database": {"sqlite": {"storage": {"size": "1Gi"}}},
        "metadata": {
            "type": "badger",
            "badger": {"blockCacheMB": 64, "indexCacheMB": 32},
            "storage": {"size": "10Gi"},
        },
        "payload": {"type": "filesystem", "storage": {"size": "50Gi"}},
        "adapters": {
            "nfs": {"enabled": True, "port": 2049, "service": service},
            "smb": {"enabled": False, "port": 445, "service": service},
            "api": {
                "port": 8080,
                "service": service,
                "tls": {"secretName": "", "clientCASecretName": "", "clientSecretName": ""},
            },
        },
        "auth": {"accessTokenDuration": "15m", "refreshTokenDuration": "168h"},
        "logging": {"level": "INFO", "format": "json"},
        "metrics": {
            "enabled": False,
            "port": 9090,
            "path": "/metrics",
            "serviceMonitor": {"enabled": False, "interval": "30s"},
        },
        "networkPolicy": {"enabled": True},
        "shutdownTimeout": "30s",
        "volumeRetention": "Retain",
    }


def test_part_of_a_block_is_completed_by_the_rest_of_its_defaults() -> None:
    spec = admit(DittoFS, manifest(DittoFS, {"metadata": {"storage": {"storageClassName": "fast"}}}))["spec"]

    assert spec["metadata"]["storage"] == {"size": "10Gi", "storageClassName": "fast"}
    assert spec["metadata"]["type"] == "badger"


def test_the_bare_share_is_completed_by_the_contracts_defaults() -> None:
    assert admit(DittoFSShare, manifest(DittoFSShare, cases.SHARE))["spec"] == {
        "instanceRef": {"name": "demo"},
        "suspend": False,
        "enabled": True,
        "readOnly": False,
        "owner": "",
        "defaultPermission": "none",
        "deletionPolicy": "Retain",
        "smb": {
            "encryptData": False,
            "accessBasedEnumeration": False,
            "changeNotifyDisabled": False,
            "streamsDisabled": False,
            "continuousAvailability": False,
            "allowMfsymlink": False,
        },
        "retention": {"policy": "lru", "ttl": ""},
        "cache": {"localSize": "", "readBuffer": ""},
        "nfs": {
            "squash": "root_to_guest",
            "anonymousUID": 65534,
            "anonymousGID": 65534,
            "allowAuthSys": True,
            "requireKerberos": False,
            "minKerberosLevel": "krb5",
            "disableReaddirplus": False,
        },
    }


@pytest.mark.parametrize("extra", cases.GOOD_SHARES, ids=str)
def test_a_good_share_is_taken(extra: Spec) -> None:
    admit(DittoFSShare, manifest(DittoFSShare, cases.SHARE | extra))


@pytest.mark.parametrize(("extra", "message"), cases.BAD_SHARES, ids=str)
def test_a_bad_share_is_refused_with_the_field(extra: Spec, message: str) -> None:
    with pytest.raises(Refused) as refusal:
        admit(DittoFSShare, manifest(DittoFSShare, cases.SHARE | extra))

    assert message in str(refusal.value)


@pytest.mark.parametrize(("before", "after", "message"), cases.MOVED_SHARES, ids=str)
def test_a_share_cannot_move(before: Spec, after: Spec, message: str) -> None:
    stored = admit(DittoFSShare, manifest(DittoFSShare, cases.SHARE | before))

    with pytest.raises(Refused) as refusal:
        admit(DittoFSShare, manifest(DittoFSShare, cases.SHARE | after), stored)

    assert message in str(refusal.value)


def test_what_a_share_may_do_can_change() -> None:
    stored = admit(DittoFSShare, manifest(DittoFSShare, cases.SHARE | {"path": "/a", "quota": {"size": "2Gi"}}))
    changed = copy.deepcopy(stored)
    changed["spec"] |= {"readOnly": True, "enabled": False, "defaultPermission": "read", "quota": {"size": "1Gi"}}

    admit(DittoFSShare, changed, stored)


def test_a_name_that_is_no_path_needs_one() -> None:
    admit(DittoFSShare, manifest(DittoFSShare, cases.SHARE, name="a" * 26))
    admit(DittoFSShare, manifest(DittoFSShare, cases.SHARE | {"path": "/a"}, name="a" * 27))

    with pytest.raises(Refused, match=r"set spec\.path or choose a shorter name"):
        admit(DittoFSShare, manifest(DittoFSShare, cases.SHARE, name="a" * 27))


def test_the_bare_backup_is_completed_by_the_contracts_defaults() -> None:
    assert admit(DittoFSBackup, manifest(DittoFSBackup, cases.BACKUP))["spec"] == {
        "instanceRef": {"name": "demo"},
        "operation": "Backup",
        "schedule": "",
        "timeZone": "UTC",
        "suspend": False,
        "retention": {"keepLast": 7, "maxAge": ""},
        "method": "Snapshot",
        "compression": "zstd",
        "job": {"activeDeadline": "2h"},
        "deletionPolicy": "Delete",
    }


@pytest.mark.parametrize("extra", cases.GOOD_BACKUPS, ids=str)
def test_a_good_backup_is_taken(extra: Spec) -> None:
    admit(DittoFSBackup, manifest(DittoFSBackup, cases.BACKUP | extra))


@pytest.mark.parametrize(("extra", "message"), cases.BAD_BACKUPS, ids=lambda case: str(case)[:60])
def test_a_bad_backup_is_refused_with_the_field(extra: Spec, message: str) -> None:
    with pytest.raises(Refused) as refusal:
        admit(DittoFSBackup, manifest(DittoFSBackup, cases.BACKUP | extra))

    assert message in str(refusal.value)


@pytest.mark.parametrize(("before", "after", "message"), cases.MOVED_BACKUPS, ids=str)
def test_what_is_fixed_of_a_backup_cannot_change(before: Spec, after: Spec, message: str) -> None:
    stored = admit(DittoFSBackup, manifest(DittoFSBackup, cases.BACKUP | before))

    with pytest.raises(Refused) as refusal:
        admit(DittoFSBackup, manifest(DittoFSBackup, cases.BACKUP | after), stored)

    assert message in str(refusal.value)


def test_the_name_of_a_schedule_leaves_room_for_that_of_its_backups() -> None:
    daily = cases.BACKUP | {"schedule": "@daily"}
    admit(DittoFSBackup, manifest(DittoFSBackup, cases.BACKUP, name="a" * 37))
    admit(DittoFSBackup, manifest(DittoFSBackup, daily, name="a" * 36))

    with pytest.raises(Refused, match=cases.SCHEDULE_NAME):
        admit(DittoFSBackup, manifest(DittoFSBackup, daily, name="a" * 37))


def test_a_schedule_can_be_changed() -> None:
    stored = admit(DittoFSBackup, manifest(DittoFSBackup, cases.BACKUP | {"schedule": "@daily"}))

    admit(DittoFSBackup, manifest(DittoFSBackup, cases.BACKUP | {"schedule": "0 3 * * *"}), stored)
