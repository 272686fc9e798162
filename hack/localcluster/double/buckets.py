"""What the double knows of a bucket: whether its endpoint may be dialled, and whether somebody answers for it."""

from __future__ import annotations

import http.client
import ipaddress
import socket
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from hack.localcluster.double.answers import timestamp

_TIMEOUT_S = 2.0
#: A bucket that is there answers so to somebody without keys, as the double is.
_THERE = frozenset({HTTPStatus.OK, HTTPStatus.FORBIDDEN})


def check_endpoint(config: Mapping[str, Any]) -> None:
    """Raise ValueError, in the server's words, for an endpoint that it would not dial."""
    endpoint = str(config.get("endpoint") or "")
    if not endpoint:
        return
    host = urlsplit(endpoint).hostname or ""
    unsafe = "s3 block store: unsafe endpoint"
    try:
        address = ipaddress.ip_address(socket.gethostbyname(host))
    except OSError as error:
        raise ValueError(f'{unsafe}: resolve host "{host}": {error}') from error
    if address.is_link_local:
        raise ValueError(f'{unsafe}: host "{host}" resolves to link-local address {address} (cloud metadata)')
    if not config.get("allow_private_endpoint") and (address.is_loopback or address.is_private):
        raise ValueError(
            f'{unsafe}: host "{host}" resolves to private/internal address {address} '
            "(set allow_private_endpoint=true to permit)"
        )


def health(config: Mapping[str, Any]) -> dict[str, Any]:
    """The health of a store with this `config`; without an endpoint, which is AWS, nobody is asked."""
    bucket, endpoint = config["bucket"], str(config.get("endpoint") or "")
    if endpoint and not _answers(endpoint, bucket):
        return {"status": "unhealthy", "message": "S3 connectivity check failed", "checked_at": timestamp()}
    region = config.get("region") or "us-east-1"
    message = f"S3 bucket accessible: {bucket} (region: {region})"
    return {"status": "healthy", "message": message, "checked_at": timestamp()}


def _answers(endpoint: str, bucket: str) -> bool:
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=_TIMEOUT_S)
    try:
        connection.request("HEAD", f"/{bucket}")
        return connection.getresponse().status in _THERE
    except OSError:
        return False
    finally:
        connection.close()
