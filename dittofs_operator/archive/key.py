"""The key of an encrypted archive: read from a file, and turned into keys that no other archive has."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dittofs_operator.archive.errors import ArchiveError, Reason

KEY_BYTES = 32
SALT_BYTES = 32
_NONCE_BYTES = 12
_MAX_FILE_BYTES = 4096
_PURPOSE = "dittofs archive 1 "


def read_key(file: Path) -> bytes:
    """The 32 bytes in `file`, as they are or in base64; raises ArchiveError."""
    remedy = "make one with: openssl rand -base64 32"
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_FILE_BYTES)
    except FileNotFoundError:
        raise ArchiveError(Reason.KEY_MISSING, f"there is no key in {file}: {remedy}") from None
    except OSError as error:
        raise ArchiveError(Reason.KEY_UNUSABLE, f"the key in {file} can't be read: {error.strerror}") from None
    if len(content) == KEY_BYTES:
        return content
    try:
        decoded = base64.b64decode(content.strip(), validate=True)
    except binascii.Error:
        decoded = b""
    if len(decoded) != KEY_BYTES:
        raise ArchiveError(Reason.KEY_UNUSABLE, f"{file} must hold {KEY_BYTES} bytes, or those in base64: {remedy}")
    return decoded


@dataclass(frozen=True, slots=True)
class ArchiveKeys:
    """What seals the frames and the manifest of one archive.

    The salt is drawn anew for each attempt at an archive, so the number of a frame can be its nonce: no key ever seals
    two frames of one number.
    """

    salt: bytes
    #: Tells the right key from another one without giving it away.
    check: str
    _frames: AESGCM = field(repr=False)
    _manifest: bytes = field(repr=False)

    @classmethod
    def derive(cls, key: bytes, salt: bytes) -> ArchiveKeys:
        """The keys of the archive with `salt`."""

        def derived(purpose: str) -> bytes:
            info = (_PURPOSE + purpose).encode()
            return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=info).derive(key)

        return cls(salt, derived("check").hex(), AESGCM(derived("frames")), derived("manifest"))

    def seal(self, archive: str, index: int, content: bytes) -> bytes:
        """`content` encrypted as frame `index` of the `archive`, with the tag at the end."""
        return self._frames.encrypt(_nonce(index), content, _place(archive, index))

    def open(self, archive: str, index: int, stored: bytes) -> bytes | None:
        """The content of what `seal` made for this very place; None for anything else."""
        try:
            return self._frames.decrypt(_nonce(index), stored, _place(archive, index))
        except InvalidTag:
            return None

    def authenticate(self, manifest: bytes) -> str:
        """What only those can make for `manifest` who have the key."""
        return hmac.new(self._manifest, manifest, sha256).hexdigest()


def _nonce(index: int) -> bytes:
    return index.to_bytes(_NONCE_BYTES, "big")


def _place(archive: str, index: int) -> bytes:
    return f"{archive}/{index}".encode()
