"""What a container's image means here: nothing is pulled, its name decides."""

from __future__ import annotations

import hashlib
import re

#: A tag that no registry has, and a word in a repository's name: for tests of images that can't be pulled.
MISSING_TAG = "does-not-exist"
_BAD_WORD = re.compile(r"(^|[^a-z])bad([^a-z]|$)")

#: The entrypoint and the arguments of the server's image.
DITTOFS_BINARY = "/app/dfs"
DITTOFS_ARGUMENTS = ("start", "--foreground", "--config", "/config/config.yaml")


def repository(image: str) -> str:
    """`image` without its tag and digest."""
    name = image.partition("@")[0]
    head, separator, tail = name.rpartition(":")
    return head if separator and "/" not in tail else name


def pull_error(image: str) -> str | None:
    """Why `image` can't be pulled; None when it can."""
    tag = image.partition("@")[0].removeprefix(repository(image)).lstrip(":")
    if tag == MISSING_TAG or _BAD_WORD.search(repository(image)):
        return f'failed to pull and unpack image "{image}": {image}: not found'
    return None


def is_dittofs(image: str) -> bool:
    """Whether `image` holds the DittoFS server."""
    return repository(image).endswith("dittofs")


def is_operator(image: str) -> bool:
    """Whether `image` holds this operator."""
    return repository(image).rpartition("/")[2] == "dittofs-operator"


def image_id(image: str) -> str:
    """A stable identity in the form that container runtimes report."""
    return f"{repository(image)}@sha256:{hashlib.sha256(image.encode()).hexdigest()}"
