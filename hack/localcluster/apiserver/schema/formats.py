"""The `format`s of strings that the API server checks; a format it does not know restricts nothing."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,][0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_DURATION: Final = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?(?:ns|us|µs|ms|s|m|h))+|0")
_HOST_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_EMAIL: Final = re.compile(r"[^@\s<>]+@[^@\s<>]+")
_MAC: Final = re.compile(r"[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4})")
_UUID: Final = re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_HOSTNAME_MAXIMUM: Final = 255


def is_date(text: str) -> bool:
    """A day such as 2026-01-31."""
    return _DATE.fullmatch(text) is not None and _is_time(f"{text}T00:00:00")


def is_date_time(text: str) -> bool:
    """A moment of RFC 3339."""
    match = _DATE_TIME.fullmatch(text)
    return match is not None and _is_time(f"{match[1]}T{match[2]}")


def is_duration(text: str) -> bool:
    """A duration in Go's notation, such as 1h30m."""
    return _DURATION.fullmatch(text) is not None


def is_byte(text: str) -> bool:
    """Standard base64."""
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def is_ipv4(text: str) -> bool:
    """An IPv4 address."""
    return _parses(ipaddress.IPv4Address, text)


def is_ipv6(text: str) -> bool:
    """An IPv6 address without zone."""
    return "%" not in text and _parses(ipaddress.IPv6Address, text)


def is_cidr(text: str) -> bool:
    """An address with a prefix length."""
    return "/" in text and text.rpartition("/")[2].isdigit() and _parses(ipaddress.ip_interface, text)


def is_hostname(text: str) -> bool:
    """A DNS name."""
    labels = text.rstrip(".").split(".")
    return len(text) <= _HOSTNAME_MAXIMUM and all(_HOST_LABEL.fullmatch(label) for label in labels)


def is_uri(text: str) -> bool:
    """An absolute URI, or an absolute path."""
    return text.startswith("/") or bool(_parses(urlsplit, text) and urlsplit(text).scheme)


FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "byte": is_byte,
    "cidr": is_cidr,
    "date": is_date,
    "date-time": is_date_time,
    "datetime": is_date_time,
    "duration": is_duration,
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "hostname": is_hostname,
    "ipv4": is_ipv4,
    "ipv6": is_ipv6,
    "mac": lambda text: _MAC.fullmatch(text) is not None,
    "uri": is_uri,
    "uuid": lambda text: _UUID.fullmatch(text) is not None,
}


def _is_time(text: str) -> bool:
    return _parses(datetime.fromisoformat, text)


def _parses(parser: Callable[[str], object], text: str) -> bool:
    try:
        parser(text)
    except ValueError:
        return False
    return True
