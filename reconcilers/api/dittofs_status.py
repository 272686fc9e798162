"""What the operator reports about a DittoFS, and the words it uses for it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from reconcilers.api.common import ApiModel, Conditions
from reconcilers.api.schema import Column

COLUMNS = (
    Column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "Whether clients can use the server."),
    Column("Phase", "string", ".status.phase", "The state in one word."),
    Column("Endpoint", "string", ".status.endpoint", "Where NFS clients inside the cluster connect to."),
    Column("Database", "string", ".status.database", "The kind of control-plane database."),
    Column("Version", "string", ".status.version", "Version of the server."),
    Column(
        "Reason",
        "string",
        '.status.conditions[?(@.type=="Ready")].reason',
        "Why the server is ready or not.",
        priority=1,
    ),
    Column("Age", "date", ".metadata.creationTimestamp", "Time since it was created."),
)


class DittoFSPhase(StrEnum):
    """The state of a DittoFS in one word: the first that fits, in this order."""

    DELETING = "Deleting"
    SUSPENDED = "Suspended"
    MAINTENANCE = "Maintenance"
    STOPPED = "Stopped"
    FAILED = "Failed"
    WAITING_FOR_DATABASE = "WaitingForDatabase"
    PROVISIONING = "Provisioning"
    DEGRADED = "Degraded"
    RUNNING = "Running"
    PENDING = "Pending"


class DittoFSCondition(StrEnum):
    """The condition types of a DittoFS; all are present from the first pass on."""

    DATABASE_READY = "DatabaseReady"
    CONFIG_READY = "ConfigReady"
    STATEFUL_SET_READY = "StatefulSetReady"
    AVAILABLE = "Available"
    READY = "Ready"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"


class Endpoint(ApiModel):
    """Where one adapter can be reached."""

    host: Annotated[str, Field(max_length=253, description="DNS name of the Service inside the cluster.")] = ""
    cluster_ip: Annotated[
        str, Field(alias="clusterIP", max_length=64, description="Address of the Service inside the cluster.")
    ] = ""
    address: Annotated[
        str,
        Field(
            max_length=253,
            description="Address to mount from: of the load balancer where there is one, else of the Service.",
        ),
    ] = ""
    port: Annotated[int, Field(ge=0, le=65535, description="TCP port of the Service.")] = 0


class Endpoints(ApiModel):
    """Where the enabled adapters can be reached."""

    nfs: Annotated[Endpoint | None, Field(description="NFS; absent while it is disabled.")] = None
    smb: Annotated[Endpoint | None, Field(description="SMB; absent while it is disabled.")] = None
    api: Annotated[Endpoint | None, Field(description="The REST API.")] = None


class DittoFSStatus(ApiModel):
    """What the operator last saw of the server."""

    observed_generation: Annotated[
        int, Field(ge=0, description="The metadata.generation of the specification that this status is about.")
    ] = 0
    ready: Annotated[bool, Field(description="Whether clients can use the server: the condition Ready is True.")] = (
        False
    )
    # Plain text, no enum: a later version adds phases, and this one must still read what that one wrote.
    phase: Annotated[
        str,
        Field(
            max_length=32,
            description="The state in one word: " + ", ".join(DittoFSPhase) + ".",
        ),
    ] = ""
    api_reachable: Annotated[
        bool, Field(description="Whether the operator can log in to the REST API; shares wait for this alone.")
    ] = False
    endpoint: Annotated[
        str, Field(max_length=320, description="Host and port that NFS clients inside the cluster connect to.")
    ] = ""
    endpoints: Annotated[Endpoints, Field(description="Where the enabled adapters can be reached.")] = Endpoints()
    database: Annotated[
        str, Field(max_length=32, description="The kind of control-plane database: sqlite or postgres.")
    ] = ""
    version: Annotated[str, Field(max_length=63, description="Version of the running server.")] = ""
    payload_location: Annotated[
        str,
        Field(
            max_length=640, description="Where the contents of files are, as s3://bucket/prefix/; with type s3 only."
        ),
    ] = ""
    cache_lost: Annotated[
        bool,
        Field(
            description="Whether the cache was lost while the metadata was not: files would read as zeros, so the "
            "shares are disabled and no client is let in."
        ),
    ] = False
    config_hash: Annotated[
        str, Field(max_length=64, description="Hash of what the pod consumes at its start; another one restarts it.")
    ] = ""
    shares: Annotated[int, Field(ge=0, description="How many shares are declared for this instance.")] = 0
    replicas: Annotated[int, Field(ge=0, description="How many pods of the server exist: 0 or 1.")] = 0
    conditions: Conditions = ()
