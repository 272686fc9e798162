"""The DittoFS: one file server with its database, volumes, adapters and Services."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from reconcilers.api import resources
from reconcilers.api.accounts import Groups, Users
from reconcilers.api.adapters import Adapters
from reconcilers.api.common import INSTANCE_NAME_RULES, ApiModel, CustomResource, LocalReference, SecretKeyName
from reconcilers.api.database import Database, SqliteDatabase
from reconcilers.api.dittofs_status import COLUMNS, DittoFSStatus
from reconcilers.api.exposure import Metrics, NetworkPolicy
from reconcilers.api.object_storage import Cache, Payload
from reconcilers.api.overrides import ConfigOverrides
from reconcilers.api.pod import Pod
from reconcilers.api.scalars import Duration, Quantity
from reconcilers.api.schema import Definition, Rule, Scale, list_map, validated
from reconcilers.api.storage import Metadata

DEFAULT_IMAGE = "marmos91c/dittofs:v0.29.0"

_MEMORY_IS_ALL_OR_NOTHING = Rule(
    "(self.metadata.type == 'memory') == (self.payload.type == 'memory')",
    "metadata.type and payload.type must both be memory or neither: one without the other is useless after a restart",
)
_PORTS_DIFFER = Rule(
    "(!self.adapters.nfs.enabled || !self.adapters.smb.enabled || self.adapters.nfs.port != self.adapters.smb.port) && "
    "(!self.adapters.nfs.enabled || self.adapters.nfs.port != self.adapters.api.port) && "
    "(!self.adapters.smb.enabled || self.adapters.smb.port != self.adapters.api.port) && "
    "(!self.metrics.enabled || (self.metrics.port != self.adapters.api.port && "
    "(!self.adapters.nfs.enabled || self.metrics.port != self.adapters.nfs.port) && "
    "(!self.adapters.smb.enabled || self.metrics.port != self.adapters.smb.port)))",
    "adapters.nfs.port, adapters.smb.port, adapters.api.port and metrics.port must differ among the enabled ones; "
    "change one of them",
    ".adapters",
)
_CACHE_IS_FOR_S3 = Rule(
    "!has(self.cache) || self.payload.type == 's3'",
    "cache belongs to payload.type s3: remove cache, the other types have none",
    ".cache",
)
_CACHE_STAYS = Rule("has(self.cache) || !has(oldSelf.cache)", "cache cannot be removed; set its fields instead")
_CACHE_COMES_AS_IT_IS = Rule(
    "has(oldSelf.cache) || !has(self.cache) || (!has(self.cache.storage.storageClassName) && "
    "(!isQuantity(string(self.cache.storage.size)) || "
    "quantity(string(self.cache.storage.size)).compareTo(quantity('10Gi')) >= 0))",
    "this DittoFS was made without cache, so its cache has a volume of 10Gi of the default class: "
    "cache.storage.size can only grow from there, and cache.storage.storageClassName can't be set",
    ".cache",
)
_IMAGE = Rule(
    "self.matches('^[a-zA-Z0-9][a-zA-Z0-9._:/@-]*$')",
    "must be a container image such as marmos91c/dittofs:v0.29.0",
)


class ImagePullPolicy(StrEnum):
    """When a node fetches the image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class AdminSecretReference(LocalReference):
    """A password in a Secret."""

    password_key: Annotated[SecretKeyName, Field(description="Key of the password within the Secret.")] = "password"  # noqa: S105 - the name of a key


class JwtSecretReference(LocalReference):
    """A signing key in a Secret."""

    key: Annotated[SecretKeyName, Field(description="Key of the signing key within the Secret.")] = "jwt-secret"


class Auth(ApiModel):
    """Who may use the REST API, and for how long."""

    admin_secret_ref: Annotated[
        AdminSecretReference | None,
        Field(
            description="The Secret with the password wanted for the server's user admin: 8 to 72 bytes, plain. "
            "Absent: one is generated. The password in force is in the Secret `<name>-admin`."
        ),
    ] = None
    jwt_secret_ref: Annotated[
        JwtSecretReference | None,
        Field(
            description="The Secret with the key that signs tokens, at least 32 characters. Absent: one is generated "
            "into the Secret `<name>-jwt-secret`. A change restarts the server."
        ),
    ] = None
    access_token_duration: Annotated[
        Duration, Field(description="How long an access token is good, such as 15m. A change restarts the server.")
    ] = "15m"  # noqa: S105 - a duration
    refresh_token_duration: Annotated[
        Duration, Field(description="How long a refresh token is good, such as 168h. A change restarts the server.")
    ] = "168h"  # noqa: S105 - a duration


class LogLevel(StrEnum):
    """The least grave event that the server logs."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


class LogFormat(StrEnum):
    """The form of a line of the server's log."""

    JSON = "json"
    TEXT = "text"


class Logging(ApiModel):
    """What the server logs to its standard output."""

    level: Annotated[
        LogLevel, Field(description="The least grave event that is logged. A change restarts the server.")
    ] = LogLevel.INFO
    format: Annotated[
        LogFormat, Field(description="json: one object a line; text: for people. A change restarts the server.")
    ] = LogFormat.JSON


_ResourceList = Annotated[Mapping[str, Quantity], Field(json_schema_extra={"maxProperties": 16})]


class Resources(ApiModel):
    """Compute resources of the server's container."""

    requests: Annotated[
        _ResourceList, Field(description="What is reserved for the server, such as cpu: 500m and memory: 1Gi.")
    ] = Field(default_factory=dict)
    limits: Annotated[
        _ResourceList,
        Field(description="What the server may use at most. It sizes its own buffers by the memory limit."),
    ] = Field(default_factory=dict)


class VolumeRetention(StrEnum):
    """What becomes of data with the DittoFS."""

    RETAIN = "Retain"
    DELETE = "Delete"


class DittoFSSpec(ApiModel):
    """The file server that is wanted."""

    model_config = ConfigDict(
        json_schema_extra=validated(
            _MEMORY_IS_ALL_OR_NOTHING, _CACHE_IS_FOR_S3, _CACHE_STAYS, _CACHE_COMES_AS_IT_IS, _PORTS_DIFFER
        )
    )

    image: Annotated[
        str,
        Field(
            min_length=1,
            max_length=512,
            description="Container image of the server. A change restarts the server.",
            json_schema_extra=validated(_IMAGE),
        ),
    ] = DEFAULT_IMAGE
    image_pull_policy: Annotated[
        ImagePullPolicy, Field(description="When a node fetches the image: Always, IfNotPresent or Never.")
    ] = ImagePullPolicy.IF_NOT_PRESENT
    image_pull_secrets: Annotated[
        tuple[LocalReference, ...],
        Field(
            description="Secrets of type kubernetes.io/dockerconfigjson to fetch the image with.",
            json_schema_extra=list_map("name", max_items=16),
        ),
    ] = ()
    replicas: Annotated[
        int, Field(ge=0, le=1, description="1 runs the server, 0 stops it; its data stays. More is not possible.")
    ] = 1
    suspend: Annotated[
        bool, Field(description="While true the operator changes nothing of this instance; deletion still works.")
    ] = False
    database: Annotated[
        Database, Field(description="The control-plane database: what the server knows about shares and users.")
    ] = Database(sqlite=SqliteDatabase())
    metadata: Annotated[Metadata, Field(description="Where names, attributes and block lists of files are kept.")] = (
        Metadata()
    )
    payload: Annotated[Payload, Field(description="Where the contents of files are kept.")] = Payload()
    cache: Annotated[
        Cache | None,
        Field(description="The cache in front of the bucket, with payload.type s3 only; absent: one of the defaults."),
    ] = None
    adapters: Annotated[Adapters, Field(description="The protocols of the server and the Service of each.")] = (
        Adapters()
    )
    auth: Annotated[Auth, Field(description="Credentials and tokens of the server's REST API.")] = Auth()
    users: Users = ()
    groups: Groups = ()
    logging: Annotated[Logging, Field(description="What the server logs to its standard output.")] = Logging()
    metrics: Annotated[Metrics, Field(description="The server's metrics for Prometheus.")] = Metrics()
    network_policy: Annotated[
        NetworkPolicy, Field(description="Which connections the pod admits: those to the published ports, no others.")
    ] = NetworkPolicy()
    resources: Annotated[
        Resources, Field(description="Compute resources of the server's container. A change restarts the server.")
    ] = Resources()
    pod: Annotated[
        Pod,
        Field(
            description="Additions to the server's pod: placement, identity, variables, volumes. Restarts the server."
        ),
    ] = Pod()
    shutdown_timeout: Annotated[
        Duration,
        Field(
            description="How long the server may take to finish its work when it is stopped, such as 30s. "
            "A change restarts the server."
        ),
    ] = "30s"
    volume_retention: Annotated[
        VolumeRetention,
        Field(
            description="What becomes of the volume claims and of the Secrets `<name>-admin` and `<name>-jwt-secret` "
            "with the DittoFS: Retain keeps them, and a new DittoFS of the same name takes them over; Delete deletes "
            "them, and all files with them."
        ),
    ] = VolumeRetention.RETAIN
    config_overrides: Annotated[
        ConfigOverrides,
        Field(
            description="Settings of the server, by the keys of its config.yaml, merged over what the operator writes "
            "there. Secrets, and what other fields decide, are refused. A change restarts the server; what the server "
            "keeps in its database after its first start (ldap, kerberos) is not changed by it later."
        ),
    ] = Field(default_factory=dict)


class DittoFS(CustomResource):
    """A DittoFS file server: NFS and SMB in front of volumes, with a REST API, described by one object."""

    resource: ClassVar = resources.DITTOFS
    definition: ClassVar = Definition(
        short_names=("dfs",),
        columns=COLUMNS,
        rules=INSTANCE_NAME_RULES,
        scale=Scale(".spec.replicas", ".status.replicas"),
    )

    spec: Annotated[DittoFSSpec, Field(description="The file server that is wanted.")]
    status: Annotated[DittoFSStatus, Field(description="What the operator last saw; written by it alone.")] = (
        DittoFSStatus()
    )

    @property
    def cache(self) -> Cache:
        """The cache in front of the bucket, as specified or as it is without a word."""
        return self.spec.cache or Cache()

    def without_overrides(self) -> DittoFS:
        """The same without its configOverrides."""
        return self.model_copy(update={"spec": self.spec.model_copy(update={"config_overrides": {}})})
