"""Every name that the operator gives: children, labels, annotations, keys, ports, paths, rows on the server.

Names of children keep clear of Percona's, so that a DittoFS and its database cluster can share a name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import quote

from informers.resource import ObjectKey
from reconcilers.api.resources import GROUP

FINALIZER = f"{GROUP}/finalizer"

#: Owner of the fields of everything that the operator applies.
FIELD_MANAGER = "dittofs-operator"
#: Owner of the shares-hash annotation alone: the main manager's apply would drop the annotation otherwise.
SHARES_FIELD_MANAGER = "dittofs-operator-shares"
#: Owner of the operation annotation alone.
BACKUPS_FIELD_MANAGER = "dittofs-operator-backups"

#: On the DittoFS: the hold of a backup, `reconcilers.hold`.
OPERATION_ANNOTATION = f"{GROUP}/operation"
#: On the pod template: hash of what the pod consumes at its start.
CONFIG_HASH_ANNOTATION = f"{GROUP}/config-hash"
#: On the DittoFS: hash of its declared shares, by which the share reconciler asks for a new ConfigMap.
SHARES_HASH_ANNOTATION = f"{GROUP}/shares-hash"
#: On claims and Secrets that outlive their DittoFS: what says that they are ours although nobody owns them.
INSTANCE_KIND_ANNOTATION = f"{GROUP}/instance-kind"
INSTANCE_KIND = "DittoFS"
#: On the claim of a cache that was made anew although the metadata was there already: its files read as zeros.
CACHE_LOST_ANNOTATION = f"{GROUP}/cache-lost"
#: On the pod template: the start of the last process that had to end for what its rows say to be taken up.
RESTARTED_ANNOTATION = f"{GROUP}/restarted-process"
#: On the claim of the metadata: the addresses of deleted shares whose files are still there. It stays with the files,
#: whatever becomes of the DittoFS.
PURGE_ANNOTATION = f"{GROUP}/purge"
#: In the selector of a Service that must lead nowhere for a while: no pod has it.
CLOSED_LABEL = f"{GROUP}/closed"
CACHE_LOST = "cache-lost"
#: On a DittoFSBackup that a schedule made: that one's name, to select by.
SCHEDULE_LABEL = f"{GROUP}/schedule"
#: On the same: that one's uid, since another schedule may have the name by now.
SCHEDULE_UID_ANNOTATION = f"{GROUP}/schedule-uid"

NAME_LABEL = "app.kubernetes.io/name"
INSTANCE_LABEL = "app.kubernetes.io/instance"
COMPONENT_LABEL = "app.kubernetes.io/component"
PART_OF_LABEL = "app.kubernetes.io/part-of"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
VERSION_LABEL = "app.kubernetes.io/version"

APPLICATION = "dittofs"
#: The name label of the operator's own objects.
OPERATOR = "dittofs-operator"
MANAGED_BY = "dittofs-operator"
#: Selects the children of all instances, for the informers of them.
MANAGED_SELECTOR = f"{MANAGED_BY_LABEL}={MANAGED_BY}"

#: The container of the pod that serves.
CONTAINER = "dittofs"
#: The one that removes the files of deleted shares before the server starts.
PURGE_CONTAINER = "purge"


class Component(StrEnum):
    """Values of the component label."""

    SERVER = "server"
    #: Of claims that archives are kept on.
    ARCHIVE = "archive"
    JOB = "job"


class PortName(StrEnum):
    """Names of the ports of the container and of the Services."""

    NFS = "nfs"
    SMB = "smb"
    API = "api"
    METRICS = "metrics"


# Inside the pod the ports are fixed: the server runs as a user that may not bind those below 1024.
NFS_CONTAINER_PORT = 12049
SMB_CONTAINER_PORT = 12445
API_CONTAINER_PORT = 8080
METRICS_CONTAINER_PORT = 9090

CONFIG_MOUNT = "/etc/dittofs"
CONTROL_PLANE_MOUNT = "/data/controlplane"
METADATA_MOUNT = "/data/metadata"
PAYLOAD_MOUNT = "/data/payload"
CACHE_MOUNT = "/data/cache"
PURGE_MOUNT = "/run/dittofs/purge"
API_CERTIFICATE_MOUNT = "/run/dittofs/api"
API_CLIENT_CA_MOUNT = "/run/dittofs/api-clients"
DATABASE_CA_MOUNT = "/run/dittofs/database"
S3_CA_MOUNT = "/run/dittofs/s3"
METRICS_TOKEN_MOUNT = "/run/dittofs/metrics"  # noqa: S105 - a folder
CONTROL_PLANE_DATABASE = f"{CONTROL_PLANE_MOUNT}/controlplane.db"
#: Up to which number of the list of deleted shares the files are removed; no store is called so.
PURGE_RECORD = f"{METADATA_MOUNT}/.purged"

CONFIG_KEY = "config.yaml"
SHARES_KEY = "shares.yaml"
PURGE_KEY = "purge"
CA_KEY = "ca.crt"
CERTIFICATE_KEY = "tls.crt"
PRIVATE_KEY_KEY = "tls.key"
JWT_SECRET_KEY = "jwt-secret"  # noqa: S105 - the name of a key
ADMIN_USERNAME_KEY = "username"
ADMIN_PASSWORD_KEY = "password"  # noqa: S105 - the name of a key
#: While the password is being changed: the one that may be in force already.
ADMIN_NEXT_PASSWORD_KEY = "next-password"  # noqa: S105 - the name of a key
ADMIN_USERNAME = "admin"

#: What the names of our stores on the server begin with.
STORE_PREFIX = "op-"
#: The block store that all shares of an instance with a filesystem or memory payload have in common.
PAYLOAD_STORE = "op-payload"
#: The one that all shares of an instance with an S3 payload have in common.
CACHE_STORE = "op-cache"


@dataclass(frozen=True, slots=True)
class ChildName:
    """How a kind of child is named: after its instance, with a suffix. Called with the name of an instance."""

    suffix: str = ""

    def __call__(self, instance: str) -> str:
        """The name of the child of `instance`."""
        return f"{instance}{self.suffix}"


#: The ConfigMap; `<name>-config` would be that of a Percona cluster of the same name.
config_map = ChildName("-dittofs-config")
#: The Secret with the generated signing key.
jwt_secret = ChildName("-jwt-secret")
#: The Secret with the admin password in force.
admin_secret = ChildName("-admin")
#: The pod's ServiceAccount.
service_account = ChildName()
stateful_set = ChildName()
#: The one pod of the StatefulSet.
pod = ChildName("-0")
#: The claim of the control-plane database.
control_plane_claim = ChildName("-controlplane")
#: The claim of the metadata of files.
metadata_claim = ChildName("-metadata")
#: The claim of the contents of files.
payload_claim = ChildName("-payload")
#: The claim of the cache in front of a bucket.
cache_claim = ChildName("-cache")
#: The headless Service that gives the pod its DNS name.
headless_service = ChildName("-headless")
nfs_service = ChildName("-nfs")
smb_service = ChildName("-smb")
#: The Service of the REST API.
api_service = ChildName("-api")
#: The Service of the metrics.
metrics_service = ChildName("-metrics")
network_policy = ChildName()
service_monitor = ChildName()
#: The claim that the operator makes for archives; called with the name of a DittoFSBackup, or of its schedule.
archive_claim = ChildName("-archive")
#: The ConfigMap with what the Jobs of a DittoFSBackup are told; called with its name.
archive_contents = ChildName("-archive")


def service_host(service: str, namespace: str) -> str:
    """The DNS name of a Service inside the cluster, without the cluster's own domain."""
    return f"{service}.{namespace}.svc"


def api_host(instance: ObjectKey) -> str:
    """The DNS name under which the REST API of `instance` is addressed."""
    return service_host(api_service(instance.name), instance.namespace)


def selector_labels(instance: str) -> dict[str, str]:
    """The labels by which Services and the StatefulSet find the pod; they never change."""
    return {NAME_LABEL: APPLICATION, INSTANCE_LABEL: instance, COMPONENT_LABEL: Component.SERVER.value}


def labels(instance: str, image: str) -> dict[str, str]:
    """The labels of every child of `instance`, whose server runs `image`."""
    version = image_version(image)
    return {
        **selector_labels(instance),
        PART_OF_LABEL: APPLICATION,
        MANAGED_BY_LABEL: MANAGED_BY,
        **({VERSION_LABEL: version} if version else {}),
    }


def image_version(image: str) -> str:
    """The version that `image` names, as a label value: its tag, or the first 12 digits of its digest.

    Empty when it has neither, or when the tag is no label value.
    """
    reference, _, digest = image.partition("@")
    _, _, tag = reference.rpartition("/")[2].partition(":")
    version = tag or digest.partition(":")[2][:12]
    version = version[:63].rstrip("._-")
    return version if _LABEL_VALUE.fullmatch(version) else ""


_LABEL_VALUE = re.compile("[A-Za-z0-9][A-Za-z0-9._-]*")


def address(path: str, generation: int) -> str:
    """Where the data of the share `path` is, as the name that its stores and folders are made of.

    The path itself, or with `~2` behind it where the files of an earlier share of the path are not removed yet.
    """
    return path if generation == 1 else f"{path}~{generation}"


def address_of(store: str, path: str) -> str:
    """The address of the share `path` whose metadata store is called `store`; empty when that is none of ours."""
    plain = metadata_store(path)
    generation = store.removeprefix(f"{plain}~") if store != plain else "1"
    found = address(path, int(generation)) if _GENERATION.fullmatch(generation) else ""
    return found if found and metadata_store(found) == store else ""


_GENERATION = re.compile("[1-9][0-9]{0,8}")


def path_of(address: str) -> str:
    """The path of the share that is, or was, at `address`; no path has a `~`."""
    return address.partition("~")[0]


def store_key(address: str) -> str:
    """What the stores and folders of the share at `address` are named after: `/a/b` gives `a%2Fb`.

    Never a UID: after the loss of the control-plane database the path is the address of the data.
    """
    return quote(address.removeprefix("/"), safe="")


def metadata_store(address: str) -> str:
    """Name of the server's row of the metadata store of the share at `address`."""
    return f"{STORE_PREFIX}{store_key(address)}"


def remote_store(address: str) -> str:
    """Name of the server's row of the remote block store of the share at `address`."""
    return f"{STORE_PREFIX}{store_key(address)}"


def local_store(address: str, plain: str) -> str:
    """Name of the row of the local block store for shares like that at `address`: `plain`, or `plain` with its `~2`."""
    return plain + _suffix(address)


def local_directory(address: str, mount: str) -> str:
    """The directory of that store below `mount`; the server makes a folder of its own for each share in it."""
    return "/".join(filter(None, (mount, _suffix(address))))


def contents_directory(address: str, mount: str) -> str:
    """Directory, in the pod, of the contents of the share at `address`, or of its cache."""
    return f"{local_directory(address, mount)}/shares/{store_key(path_of(address))}"


def _suffix(address: str) -> str:
    _, mark, generation = address.partition("~")
    return f"{mark}{generation}"


def object_prefix(instance: ObjectKey, specified: str) -> str:
    """What the names of all objects of `instance` begin with, where `specified` says nothing else; ends in a slash.

    Never with a UID: a new DittoFS of the same name must find its files.
    """
    return f"{specified.strip('/') or f'{instance.namespace}/{instance.name}'}/"


def scheduled_backup(schedule: str, slot: datetime) -> str:
    """The DittoFSBackup that the one called `schedule` makes for `slot`, in UTC."""
    return f"{schedule}-{slot:%Y%m%d-%H%M%S}"


def backup_snapshot(uid: str) -> str:
    """What the server's snapshots of the DittoFSBackup with this uid are called, one in each share."""
    return f"{STORE_PREFIX}backup-{uid}"


def archive(backup: str, uid: str) -> str:
    """What the archive of the DittoFSBackup with this name and uid is called at its target."""
    return f"{backup[:_ARCHIVE_NAME_SHOWN]}-{uid}"


#: Of a long name a part: with the uid it is at most what a target takes, and tells people enough.
_ARCHIVE_NAME_SHOWN = 80


def netgroup(path: str) -> str:
    """The list of clients that may mount the share `path`; named after the path, which outlives the object."""
    return f"op-{store_key(path)}"


def badger_directory(address: str) -> str:
    """Directory of the badger store of the share at `address`, in the pod."""
    return f"{METADATA_MOUNT}/{store_key(address)}"


def sqlite_file(address: str) -> str:
    """File of the SQLite metadata store of the share at `address`, in the pod."""
    return f"{METADATA_MOUNT}/{store_key(address)}.db"
