"""What the commands are given in files: the description of the instance, and Secrets as the kubelet mounts them."""

from __future__ import annotations

import gzip
import shutil
import zlib
from pathlib import Path

from pydantic import ValidationError

from dittofs_operator.archive.control_plane_edit import MAX_PASSWORD_BYTES, MIN_PASSWORD_BYTES
from dittofs_operator.archive.manifest import Description
from reconcilers.remote_store import S3Keys

ACCESS_KEY_FILE, SECRET_KEY_FILE = "access-key-id", "secret-access-key"


class WrongInput(Exception):
    """A file that the command was given is none of its kind; the message is one line, and quotes no Secret."""


def read_description(file: Path) -> Description:
    """The description of the instance; raises WrongInput."""
    try:
        return Description.model_validate_json(_read(file))
    except ValidationError as error:
        first = error.errors()[0]
        raise WrongInput(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def read_keys(folder: Path) -> S3Keys:
    """The keys of an account of S3, each in a file; raises WrongInput."""
    return S3Keys(*(_read_line(folder / name) for name in (ACCESS_KEY_FILE, SECRET_KEY_FILE)))


def read_password(file: Path) -> str:
    """A password that the server takes; raises WrongInput."""
    password = _read_line(file)
    if not MIN_PASSWORD_BYTES <= len(password.encode()) <= MAX_PASSWORD_BYTES:
        raise WrongInput(f"{file}: must hold {MIN_PASSWORD_BYTES} to {MAX_PASSWORD_BYTES} bytes")
    return password


def read_authorities(file: Path) -> str:
    """Certificates in PEM; raises WrongInput."""
    text = _read(file)
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise WrongInput(f"{file}: holds no certificate in PEM")
    return text


def plain_objects(file: Path, scratch: Path) -> Path:
    """The file of the Kubernetes objects; one that ends in `.gz` opened, in `scratch`. Raises WrongInput."""
    if file.suffix != ".gz":
        return file
    opened = scratch / file.stem
    try:
        with gzip.open(file) as packed, opened.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    except (OSError, EOFError, zlib.error) as error:
        raise WrongInput(f"{file}: can't be opened ({error}): it must be compressed with gzip") from None
    return opened


def _read_line(file: Path) -> str:
    if not (text := _read(file).removesuffix("\n")):
        raise WrongInput(f"{file}: is empty")
    return text


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise WrongInput(f"{file}: {error.strerror}: name the file of the Secret or ConfigMap") from None
    except UnicodeDecodeError:
        raise WrongInput(f"{file}: is no text in UTF-8") from None
