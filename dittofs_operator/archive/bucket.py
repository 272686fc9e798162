"""An archive in a bucket: the objects `<prefix><id>/…`, of which the manifest is the last.

Every object is put by one request, so there are no uploads to abort: it is there or it is not. The client of S3 is
obstore: typed, one wheel without dependencies, and its libraries lie under much of the data tooling of Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.names import MANIFEST, PARTS
from reconcilers.remote_store import S3Keys

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

_CONNECT_TIMEOUT_S = 10
#: Of one request, which moves a part at most.
_REQUEST_TIMEOUT_S = 300
_RETRY_FOR_S = 180.0
_MAX_RETRIES = 8

_GROW = "free space in the bucket, or raise its quota"
_KEYS = "put the keys of an account that exists into the Secret"
_ALLOW = "let the account of the keys list, read, write and delete objects there"
_REGION = "name the region of the bucket"
#: What to say to the codes of S3. Anything not listed is told by its code.
_ON_CODE: Mapping[str, tuple[Reason, str]] = {
    "NoSuchBucket": (Reason.TARGET_MISSING, "make the bucket, or name another"),
    "AccessDenied": (Reason.TARGET_REFUSED, _ALLOW),
    "SignatureDoesNotMatch": (Reason.TARGET_REFUSED, _KEYS),
    "InvalidAccessKeyId": (Reason.TARGET_REFUSED, _KEYS),
    "XAdminUserNotFound": (Reason.TARGET_REFUSED, _KEYS),
    "AuthorizationHeaderMalformed": (Reason.TARGET_REFUSED, _REGION),
    "PermanentRedirect": (Reason.TARGET_REFUSED, _REGION),
    "QuotaExceeded": (Reason.TARGET_FULL, _GROW),
    "InsufficientStorage": (Reason.TARGET_FULL, _GROW),
    "XMinioStorageFull": (Reason.TARGET_FULL, _GROW),
}
#: What to say when no answer came, by what the client says of it.
_ON_SILENCE: Mapping[str, str] = {
    "NotValidForName": "its certificate is of another name: correct the endpoint",
    "InvalidCertificate": "its certificate is not trusted: give the certificate of its authority",
    "dns error": "its name is not known: correct the endpoint",
    "ConnectionRefused": "nothing listens there: correct the endpoint, or start the service",
    "TimedOut": "it does not answer: look at the network and its policies",
}
_CODE = re.compile(r"<Code>([A-Za-z]{1,64})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """Where in which S3 service archives are, and how to get there."""

    bucket: str
    prefix: str
    #: Empty: that of AWS.
    endpoint: str
    region: str
    keys: S3Keys = field(repr=False)
    #: Certificates of authorities in PEM, beside those of the system; empty: none.
    authorities: str = ""
    #: The bucket is a part of the host's name instead of the path.
    virtual_hosted: bool = False


def open_store(place: BucketPlace, *, timeout_s: float, retry_for_s: float, prefix: str | None = None) -> S3Store:
    """The client of the bucket, or of what is below `prefix`; sends nothing.

    A request may take `timeout_s`, and is sent again, with growing pauses, for `retry_for_s`.
    """
    config: S3Config = {
        "region": place.region,
        "access_key_id": place.keys.access_key_id,
        "secret_access_key": place.keys.secret_access_key,
        "virtual_hosted_style_request": place.virtual_hosted,
    }
    if place.endpoint:
        config["endpoint"] = _bucket_host(place) if place.virtual_hosted else place.endpoint
    options: ClientConfig = {
        "allow_http": place.endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=_CONNECT_TIMEOUT_S),
        "timeout": timedelta(seconds=timeout_s),
    }
    if place.authorities:
        options["root_certificate"] = place.authorities
    return S3Store(
        place.bucket,
        prefix=prefix,
        config=config,
        client_options=options,
        retry_config={"max_retries": _MAX_RETRIES, "retry_timeout": timedelta(seconds=retry_for_s)},
    )


def _bucket_host(place: BucketPlace) -> str:
    # The client puts the bucket into the path by itself, and into the host of AWS alone.
    scheme, _, host = place.endpoint.partition("://")
    return f"{scheme}://{host}" if host.startswith(f"{place.bucket}.") else f"{scheme}://{place.bucket}.{host}"


@contextmanager
def told(location: str) -> Iterator[None]:
    """What the service at `location` refuses within, as an ArchiveError."""
    try:
        yield
    except (BaseError, FileNotFoundError, PermissionError) as error:
        # Never the text itself: answers of S3 quote identifiers of keys and what was signed.
        raise _told_of(location, str(error)) from None


class BucketTarget:
    """An archive at `place`."""

    def __init__(self, place: BucketPlace, archive: str, *, retry_for_s: float = _RETRY_FOR_S) -> None:
        prefix = f"{place.prefix.strip('/')}/{archive}".lstrip("/")
        self.location = f"s3://{place.bucket}/{prefix}"
        self._store = open_store(place, prefix=prefix, timeout_s=_REQUEST_TIMEOUT_S, retry_for_s=retry_for_s)

    def begin(self) -> None:
        """Delete what an interrupted attempt put."""
        self._delete_parts()

    def put(self, name: str, pieces: Sequence[bytes]) -> None:
        """Put the object."""
        with told(self.location):
            obstore.put(self._store, name, b"".join(pieces), use_multipart=False)

    def commit(self, manifest: bytes) -> None:
        """Put the manifest."""
        self.put(MANIFEST, [manifest])

    def remove(self) -> None:
        """Delete the manifest first, then the parts."""
        with told(self.location):
            obstore.delete(self._store, MANIFEST)
        self._delete_parts()

    def read(self, name: str, offset: int, size: int) -> bytes:
        """What is in the object there."""
        with told(self.location):
            return bytes(obstore.get_range(self._store, name, start=offset, length=size))

    def size(self, name: str) -> int | None:
        """The size of the object; None without one."""
        with told(self.location):
            try:
                return obstore.head(self._store, name)["size"]
            except (BaseError, FileNotFoundError, PermissionError) as refused:
                # The answer has no text, and is the same without a bucket. A list is told what is wrong.
                next(iter(obstore.list(self._store, chunk_size=1)), None)
                if isinstance(refused, FileNotFoundError):
                    return None
                raise

    def _delete_parts(self) -> None:
        with told(self.location):
            for page in obstore.list(self._store, prefix=PARTS):
                obstore.delete(self._store, [one["path"] for one in page])


def _told_of(location: str, text: str) -> ArchiveError:
    code, status = _CODE.search(text), _STATUS.search(text)
    if status is None:
        remedy = next((said for part, said in _ON_SILENCE.items() if part in text), "it does not answer")
        return ArchiveError(Reason.TARGET_UNREACHABLE, f"{location} can't be reached: {remedy}")
    said = code.group(1) if code else status.group(1)
    if known := _ON_CODE.get(said):
        return ArchiveError(known[0], f"{location}: {said}: {known[1]}")
    if status.group(1).startswith("5"):
        return ArchiveError(Reason.TARGET_UNREACHABLE, f"{location}: {said}: look at the service, then try again")
    return ArchiveError(Reason.TARGET_REFUSED, f"{location}: {said}: look at the bucket and the account")
