"""Where the contents of files are kept: a volume, or a bucket of an S3 service with a cache in front of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue

from reconcilers.api.common import ApiModel, LocalReference, SecretKeyName
from reconcilers.api.scalars import Size
from reconcilers.api.schema import Rule, validated
from reconcilers.api.storage import PayloadStorage, PayloadType, Storage

#: What names a bucket, a region, the address of an S3 service, and a part of its objects.
BUCKET = "^[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]$"
REGION = "^[A-Za-z0-9-]+$"
ENDPOINT = r"^(https?://[A-Za-z0-9.\[\]:-]+/?)?$"
PREFIX = "^([A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*/?)?$"


def _fixed(field: str) -> dict[str, JsonValue]:
    return validated(
        Rule(
            "self == oldSelf",
            f"payload.s3.{field} is fixed, at another place every file would be unreadable; create a new DittoFS",
        )
    )


class S3Credentials(LocalReference):
    """The static keys of an account of the S3 service, in a Secret."""

    access_key_id_key: Annotated[
        SecretKeyName, Field(alias="accessKeyIdKey", description="Key of the access key's identifier in the Secret.")
    ] = "access-key-id"
    secret_access_key_key: Annotated[
        SecretKeyName, Field(alias="secretAccessKeyKey", description="Key of the secret access key in the Secret.")
    ] = "secret-access-key"  # noqa: S105 - the name of a key


class CaReference(LocalReference):
    """Certificates of authorities in a Secret."""

    key: Annotated[SecretKeyName, Field(description="Key of the certificates, in PEM, within the Secret.")] = "ca.crt"


class S3(ApiModel):
    """Where in which S3 service the contents of files are kept."""

    bucket: Annotated[
        str,
        Field(
            min_length=3,
            max_length=63,
            pattern=BUCKET,
            description="The bucket, which must exist. Fixed.",
            json_schema_extra=_fixed("bucket"),
        ),
    ]
    region: Annotated[
        str,
        Field(
            min_length=1,
            max_length=63,
            pattern=REGION,
            description="Region that requests are signed for. A change restarts the server.",
        ),
    ] = "us-east-1"
    endpoint: Annotated[
        str,
        Field(
            max_length=253,
            pattern=ENDPOINT,
            description="Address of the S3 service, such as https://s3.example.com; empty: AWS's own for the region. "
            "Fixed.",
            json_schema_extra=_fixed("endpoint"),
        ),
    ] = ""
    prefix: Annotated[
        str,
        Field(
            max_length=255,
            pattern=PREFIX,
            description="What the names of all objects begin with; empty: `<namespace>/<name>/`. No two DittoFS may "
            "share it, since each deletes the objects it does not know. Fixed.",
            json_schema_extra=_fixed("prefix"),
        ),
    ] = ""
    force_path_style: Annotated[
        bool | None,
        Field(
            description="Whether the bucket stands in the path of requests, not in the host's name; absent: with an "
            "endpoint it does. A change restarts the server."
        ),
    ] = None
    allow_private_endpoint: Annotated[
        bool,
        Field(
            description="Whether the endpoint may have a private or loopback address, as one inside the cluster has; "
            "the server refuses it otherwise. Link-local addresses are refused always. A change restarts the server."
        ),
    ] = False
    ca_secret_ref: Annotated[
        CaReference | None,
        Field(
            description="The Secret with the authorities that signed for the endpoint; the server then trusts them in "
            "place of those in its image's own file. A change restarts the server."
        ),
    ] = None
    credentials_secret_ref: Annotated[
        S3Credentials,
        Field(
            description="The Secret with the keys that the server signs its requests with. The server keeps them in "
            "its database in clear. A change restarts the server."
        ),
    ]


class CacheStorage(Storage):
    """The claim of the cache."""

    size: Annotated[Size, Field(description="Size of the volume, at least 1Mi. Can only grow.")] = "10Gi"


class Cache(ApiModel):
    """What stands in front of the bucket: new data until it is uploaded, and what was read lately."""

    size: Annotated[
        Size,
        Field(
            description="How much of each share is kept in the cache, for each share: more than the files take, since "
            "what DittoFS v0.29.0 drops from a full cache reads as zeros after its next start (the condition Degraded "
            "warns of it with CacheTooSmall). A change restarts the server."
        ),
    ] = "8Gi"
    storage: Annotated[
        CacheStorage,
        Field(
            description="The volume of the cache, the claim `<name>-cache`. It is data, as that of the metadata is: "
            "without it the server reads files as zeros."
        ),
    ] = CacheStorage()


class Payload(ApiModel):
    """Where the contents of files are kept."""

    model_config = ConfigDict(
        json_schema_extra=validated(
            Rule(
                "(self.type == 's3') == has(self.s3)",
                "payload.s3 belongs to payload.type s3, which needs it: set both or neither",
                ".s3",
            )
        )
    )

    type: Annotated[
        PayloadType,
        Field(
            description="filesystem: on a volume; s3: in a bucket, with a cache on a volume; memory: lost with each "
            "restart, only together with metadata.type memory. Fixed.",
            json_schema_extra=validated(
                Rule("self == oldSelf", "payload.type is fixed; create a new DittoFS and restore into it")
            ),
        ),
    ] = PayloadType.FILESYSTEM
    storage: Annotated[
        PayloadStorage,
        Field(description="The volume of the contents, the claim `<name>-payload`; made for type filesystem only."),
    ] = PayloadStorage()
    s3: Annotated[S3 | None, Field(description="The bucket, with type s3.")] = None
