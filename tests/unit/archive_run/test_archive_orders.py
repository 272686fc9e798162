"""The commands of the Jobs are commands of the program, with every file that they name mounted."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from dittofs_operator.archive.flags import add_commands
from reconcilers.api.backup import DittoFSBackup
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import DITTOFS, DITTOFS_BACKUP
from reconcilers.backup.archive.orders import Orders, location
from reconcilers.builders.job import RESULT_FILE, JobOptions, job
from tests.support.crd_admission import admit

BUCKET = {
    "bucket": "archives",
    "prefix": "of/demo",
    "region": "eu-1",
    "endpoint": "https://s3.example/",
    "caSecretRef": {"name": "ca", "key": "root.pem"},
    "credentialsSecretRef": {"name": "s3", "accessKeyIdKey": "id", "secretAccessKeyKey": "secret"},
}
CLAIM = {"claimName": "kept"}
SEALED = {"encryption": {"keySecretRef": {"name": "seal", "key": "k"}}}
LOCAL: dict[str, Any] = {}
REMOTE = {"payload": {"type": "s3", "s3": {"bucket": "files", "credentialsSecretRef": {"name": "files"}}}}
POSTGRES = {"database": {"postgresSecretRef": {"name": "pg"}}}


def instance(spec: dict[str, Any]) -> DittoFS:
    metadata = {"name": "demo", "namespace": "default", "uid": "i1"}
    whole = {"apiVersion": DITTOFS.api_version, "kind": DITTOFS.kind, "metadata": metadata, "spec": spec}
    return DittoFS.from_view(admit(DittoFS, whole))


def backup(**spec: Any) -> DittoFSBackup:
    metadata = {"name": "weekly", "namespace": "default", "uid": "u1"}
    whole = {
        "apiVersion": DITTOFS_BACKUP.api_version,
        "kind": DITTOFS_BACKUP.kind,
        "metadata": metadata,
        "spec": {"instanceRef": {"name": "demo"}, **spec},
    }
    completed = admit(DittoFSBackup, whole) | {"status": {"manifestSHA256": "ab" * 32}}
    return DittoFSBackup.from_view(completed)


def parsed(options: JobOptions) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_commands(parser.add_subparsers(dest="command"))
    return parser.parse_args(options.arguments)


def unmounted(owner: DittoFSBackup, options: JobOptions) -> list[str]:
    """The folders that the flags name and the pod does not have."""
    (container,) = job(owner, options)["spec"]["template"]["spec"]["containers"]
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    named = [flag.partition("=")[2] for flag in options.arguments]
    paths = [path for path in named if path.startswith("/") and path != RESULT_FILE]
    return [path for path in paths if not any(path == mount or path.startswith(f"{mount}/") for mount in mounts)]


@pytest.mark.parametrize("spec", [LOCAL, REMOTE, POSTGRES], ids=["local", "bucket", "postgres"])
@pytest.mark.parametrize("place", [{"pvc": CLAIM}, {"s3": BUCKET}], ids=["claim", "s3"])
@pytest.mark.parametrize("more", [{}, SEALED], ids=["open", "sealed"])
def test_every_job_is_one_that_the_program_takes(
    spec: dict[str, Any], place: dict[str, Any], more: dict[str, Any]
) -> None:
    one = instance(spec)
    made = backup(method="Archive", target=place, **more)
    back = backup(operation="Restore", restore={"archive": {"id": "old-1", **place}}, **more)
    orders = Orders(made, "operator:1", one)
    for owner, options in (
        (made, orders.write(one)),
        (made, orders.read()),
        (made, orders.remove()),
        (back, Orders(back, "operator:1", one).restore(one, 3)),
    ):
        flags = parsed(options)
        assert flags.archive == ("old-1" if owner is back else "weekly-u1")
        assert unmounted(owner, options) == []
        assert "secret" not in " ".join(options.arguments).replace("/job/", "")
        if hasattr(flags, "metadata"):
            assert (flags.control_plane is None) == (spec is POSTGRES)
            assert (flags.cache is None, flags.payload is None) == ((False, True) if spec is REMOTE else (True, False))
        if hasattr(flags, "page"):
            assert flags.page == 3
            assert (flags.admin_password is None) == (spec is POSTGRES)
            assert (flags.payload_credentials is None) == (spec is not REMOTE)


def test_a_bucket_is_told_as_it_is_written() -> None:
    made = backup(method="Archive", target={"s3": BUCKET})
    flags = parsed(Orders(made, "operator:1").read())

    assert (flags.bucket, flags.prefix, flags.region) == ("archives", "of/demo/", "eu-1")
    assert (flags.endpoint, flags.virtual_hosted) == ("https://s3.example", False)
    assert location(made) == "s3://archives/of/demo/weekly-u1"
    secrets = {one.name: dict(one.items) for one in Orders(made, "operator:1").read().secrets}
    assert secrets == {
        "s3": {"id": "access-key-id", "secret": "secret-access-key"},
        "ca": {"root.pem": "file"},
    }


def test_without_an_endpoint_the_bucket_is_in_the_host_unless_it_is_said_otherwise() -> None:
    keys = {"credentialsSecretRef": {"name": "s3"}}
    for spec, virtual in (({}, True), ({"forcePathStyle": True}, False), ({"forcePathStyle": False}, True)):
        made = backup(method="Archive", target={"s3": {"bucket": "archives", **keys, **spec}})
        assert parsed(Orders(made, "operator:1").read()).virtual_hosted is virtual
