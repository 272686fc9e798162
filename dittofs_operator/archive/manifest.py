"""The manifest: what an archive is of, and the hash of every byte of it. Written last; without it there is no archive.

Its bytes are the canonical JSON of its content, so that not one of them can change unseen.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from dittofs_operator.archive.compression import Compression
from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.key import ArchiveKeys
from dittofs_operator.archive.names import ARCHIVE_ID, MANIFEST, PARTS

FORMAT_VERSION = 1
_CHECKSUM = "sha256"
_AUTHENTICATION = "authentication"

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
#: What authenticates a manifest; nothing where the archive is not encrypted.
_PROOF = TypeAdapter(Annotated[str, Field(pattern="^([0-9a-f]{64})?$")])


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class ControlPlane(StrEnum):
    """Where the server keeps its rows."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"


class Metadata(StrEnum):
    """What the server keeps the metadata of files in."""

    BADGER = "badger"
    SQLITE = "sqlite"


class Payload(StrEnum):
    """Where the server keeps the contents of files."""

    FILESYSTEM = "filesystem"
    S3 = "s3"


class Instance(_Model):
    """The DittoFS that was archived."""

    namespace: str
    name: str
    uid: str


class Bucket(_Model):
    """Where the contents of files are that the archive only refers to."""

    endpoint: str = ""
    bucket: str
    prefix: str


class Description(_Model):
    """What the archive is of, as told by whoever asked for it."""

    instance: Instance
    image: str
    control_plane: ControlPlane
    metadata: Metadata
    payload: Payload
    bucket: Bucket | None = None
    #: Whether the server ended by itself before it was archived; after a kill it replays its logs at the next start.
    clean_stop: bool
    #: By path of the share: the server's snapshots that keep what the archive refers to from being deleted.
    snapshots: dict[str, str] = {}


class Coverage(StrEnum):
    """Where a part of the instance is."""

    INCLUDED = "Included"
    #: In a database of its own, which has to be backed up by itself.
    EXTERNAL = "External"
    #: In the bucket, but for what was not uploaded, which is included.
    BUCKET = "Bucket"


class Covered(_Model):
    """What of the instance the archive holds."""

    control_plane: Coverage
    metadata: Coverage
    payload: Coverage


class Tree(_Model):
    """One of the folders at the top of the tar stream."""

    name: str
    files: Count
    directories: Count
    #: The sizes of the files, holes included.
    bytes: Count


class ResourceName(_Model):
    """A Kubernetes object in the tar stream's objects.json."""

    kind: str
    namespace: str = ""
    name: str


class Encryption(_Model):
    """How to tell whether a key is the right one."""

    algorithm: Literal["AES-256-GCM"] = "AES-256-GCM"
    salt: Sha256
    check: Sha256


class Part(_Model):
    """A file or object of the archive: so many frames, one after the other."""

    name: Annotated[str, Field(pattern=f"^{PARTS}/[0-9]{{5,9}}$")]
    bytes: Count
    sha256: Sha256
    #: Stored size and hash of each.
    frames: tuple[tuple[Count, Sha256], ...]


class Manifest(_Model):
    """Everything that has to be known to read an archive but for the key."""

    format_version: Literal[1] = 1
    id: Annotated[str, Field(pattern=f"^{ARCHIVE_ID.pattern}$")]
    created: str
    operator: str
    description: Description
    covered: Covered
    trees: tuple[Tree, ...]
    resources: tuple[ResourceName, ...]
    compression: Compression
    encryption: Encryption | None
    #: Of the tar stream, per frame; the last one has what is left.
    frame_bytes: Annotated[int, Field(gt=0, le=64 << 20)]
    content_bytes: Count
    parts: tuple[Part, ...]

    @property
    def stored_bytes(self) -> int:
        """What the parts take at the target."""
        return sum(part.bytes for part in self.parts)


def dump(manifest: Manifest, keys: ArchiveKeys | None) -> bytes:
    """The bytes of `manifest`; those of an encrypted archive are authenticated with its `keys`."""
    document = manifest.model_dump(mode="json", by_alias=True)
    if keys is not None:
        document[_AUTHENTICATION] = keys.authenticate(_canonical(document))
    document[_CHECKSUM] = sha256(_canonical(document)).hexdigest()
    return _canonical(document)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A manifest as it was read, with what proves that somebody with the key wrote it."""

    manifest: Manifest
    authentication: str
    authenticated: bytes = field(repr=False)

    def unlock(self, key: bytes | None) -> ArchiveKeys | None:
        """The keys of the archive, None where it is not encrypted; raises ArchiveError."""
        encryption = self.manifest.encryption
        if encryption is None and key is not None:
            # Else who can write there, and has no key, could put an archive of theirs in the place of an encrypted one.
            raise ArchiveError(
                Reason.KEY_WRONG, f"the archive {self.manifest.id} is not encrypted: if that is right, give no key"
            )
        if encryption is None:
            return None
        if key is None:
            raise ArchiveError(Reason.KEY_MISSING, f"the archive {self.manifest.id} is encrypted: give its key")
        keys = ArchiveKeys.derive(key, bytes.fromhex(encryption.salt))
        if not hmac.compare_digest(keys.check, encryption.check):
            raise ArchiveError(
                Reason.KEY_WRONG,
                f"the key is not that of the archive {self.manifest.id}: give the one it was made with",
            )
        if not hmac.compare_digest(self.authentication, keys.authenticate(self.authenticated)):
            raise _damaged("it was not written by somebody who has the key")
        return keys


def load(content: bytes) -> Loaded:
    """The manifest in `content`; raises ArchiveError.

    A newer version of the format has its checksum in the same way: damage is never taken for novelty.
    """
    try:
        document = json.loads(content)
        whole = isinstance(document, dict) and _canonical(document) == content
        whole = whole and document.pop(_CHECKSUM, "") == sha256(_canonical(document)).hexdigest()
    except (ValueError, RecursionError):
        whole = False
    if not whole:
        raise _damaged("its checksum is not that of its content")
    version = document.get("formatVersion")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ArchiveError(
            Reason.ARCHIVE_NEWER,
            f"the archive is of format {version}, and this version of the operator reads up to {FORMAT_VERSION}: "
            "use the version that made it, or a later one",
        )
    authenticated = _canonical({name: value for name, value in document.items() if name != _AUTHENTICATION})
    try:
        proof = _PROOF.validate_python(document.pop(_AUTHENTICATION, ""))
        return Loaded(Manifest.model_validate(document), proof, authenticated)
    except ValidationError as error:
        first = error.errors()[0]
        raise _damaged(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "strict")


def _damaged(what: str) -> ArchiveError:
    return ArchiveError(
        Reason.ARCHIVE_DAMAGED, f"{MANIFEST} is damaged ({what}): restore it from a copy, or use another archive"
    )
