"""The values in a Secret, as it is read from the API; the texts about them never quote one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from informers.resource import View


class SecretProblem(Exception):
    """A Secret or the value in it is not there or not good; the text says which and what to do, never the value."""


def decode(secret: View, data_key: str) -> str:
    """The text under `data_key` of a whole Secret. Raises SecretProblem."""
    name = secret["metadata"]["name"]
    data = secret.get("data")
    encoded = data.get(data_key) if isinstance(data, Mapping) else None
    if encoded is None:
        raise SecretProblem(no_such_key(name, data_key))
    try:
        return base64.b64decode(str(encoded), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        # Without the cause: it quotes the value.
        raise SecretProblem(f'Secret "{name}" holds no UTF-8 text under "{data_key}": put text there') from None


def no_such_key(secret: str, data_key: str) -> str:
    """What to do about a Secret without the key."""
    return f'Secret "{secret}" has no key "{data_key}": add it, or name another Secret or key'


def absent(secret: str, data_key: str) -> str:
    """What to do about a Secret that is not there."""
    return f'Secret "{secret}" does not exist: create it with the key "{data_key}", or name another Secret'


def version_of(view: View) -> tuple[str, str]:
    """What changes whenever the object `view` does, or is another one of its name."""
    metadata = view["metadata"]
    return str(metadata.get("uid") or ""), str(metadata.get("resourceVersion") or "")
