"""The flags of `dittofs-operator backup | verify | restore | remove | remove-objects`, which Jobs run."""

from __future__ import annotations

import argparse
import contextlib
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from dittofs_operator.archive.names import ARCHIVE_ID

BACKUP, VERIFY, RESTORE, REMOVE = _OF_ARCHIVES = ("backup", "verify", "restore", "remove")
REMOVE_OBJECTS = "remove-objects"
COMMANDS = (*_OF_ARCHIVES, REMOVE_OBJECTS)
_SHA256 = re.compile("[0-9a-f]{64}")
_CODES = (
    "Ends with 0 when all is done; else with 10 when the source, 11 when the target, 12 when the way to it, 13 when "
    "the key has to be seen to, 14 when there is no archive, 15 when it is damaged, 16 when it is of a later version, "
    "17 when a claim has to be seen to, 18 when the instance has to be another, 19 when it was asked to stop, 2 when "
    "the flags are wrong, and 1 when the program failed."
)


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the commands and their flags."""
    helps = {
        BACKUP: "archive a stopped server's claims into a folder or a bucket",
        VERIFY: "read a whole archive back, and compare it with its hashes",
        RESTORE: "restore an archive into the empty claims of a stopped server; print its Kubernetes objects",
        REMOVE: "remove an archive, or what is left of one; done too when there is none",
    }
    for name in _OF_ARCHIVES:
        parser = commands.add_parser(name, help=helps[name], allow_abbrev=False, epilog=_CODES)
        _add_place(parser)
        if name != REMOVE:
            parser.add_argument(
                "--key", type=Path, metavar="FILE", help="32 bytes, or those in base64, that encrypt it"
            )
        if name == BACKUP:
            _add_instance(parser)
            parser.add_argument(
                "--objects", type=Path, required=True, metavar="FILE", help="List of objects, in JSON; or that in a .gz"
            )
            parser.add_argument("--compression", choices=("zstd", "none"), default="zstd", help="of the parts")
        if name == VERIFY:
            _add_hash(parser)
        if name == RESTORE:
            _add_instance(parser)
            _add_hash(parser)
            parser.add_argument("--uid", type=_id, required=True, help="of the object that asks for it: once for each")
            parser.add_argument("--page", type=_page, metavar="NUMBER", help="of the objects, to put into the result")
            parser.add_argument(
                "--admin-password", type=Path, metavar="FILE", help="password that the restored server is to have"
            )
            parser.add_argument(
                "--payload-credentials", type=Path, metavar="FOLDER", help="keys that the restored server is to use"
            )
    parser = commands.add_parser(
        REMOVE_OBJECTS,
        help="remove the objects that a server put into a bucket for one share; done too when there are none",
        allow_abbrev=False,
        epilog=_CODES,
    )
    parser.add_argument("--bucket", required=True, help="the bucket of the instance")
    parser.add_argument("--prefix", required=True, help="what the names of the share's objects begin with")
    parser.add_argument(
        "--instance-prefix", required=True, metavar="PREFIX", help="the same of the instance, below which it must be"
    )
    parser.add_argument("--until", type=_time, required=True, metavar="TIME", help="when to give up, in RFC 3339")
    parser.add_argument(
        "--last-look-from", type=_time, metavar="TIME", help="until when objects may still come; without it they don't"
    )
    _add_service(parser)


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--archive", type=_id, required=True, metavar="ID", help="name of the archive")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--folder", type=Path, help="where the archives are: the folder of a mounted claim")
    place.add_argument("--bucket", help="where the archives are: a bucket of S3")
    parser.add_argument("--prefix", default="", help="what the names of the objects begin with")
    _add_service(parser)


def _add_service(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--endpoint", default="", metavar="URL", help="of the S3 service; without it that of AWS")
    parser.add_argument("--region", default="us-east-1", help="of the bucket (us-east-1)")
    parser.add_argument("--virtual-hosted", action="store_true", help="the bucket is in the host's name, not the path")
    parser.add_argument("--authorities", type=Path, metavar="FILE", help="certificates that sign the service's")
    parser.add_argument(
        "--credentials", type=Path, metavar="FOLDER", help="with the files access-key-id and secret-access-key"
    )
    parser.add_argument("--result", type=Path, metavar="FILE", help="gets the outcome in JSON, at most 4 KiB")


def _add_instance(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--description", type=Path, required=True, metavar="FILE", help="of the instance, in JSON")
    parser.add_argument("--scratch", type=Path, required=True, metavar="FOLDER", help="for the control-plane database")
    parser.add_argument("--control-plane", type=Path, metavar="FOLDER", help="where that claim is mounted")
    parser.add_argument("--metadata", type=Path, required=True, metavar="FOLDER", help="where that claim is mounted")
    parser.add_argument("--payload", type=Path, metavar="FOLDER", help="where that claim is mounted")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="where that claim is mounted")


def _add_hash(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest-sha256", type=_sha256, metavar="HASH", help="what the backup told")


def _id(text: str) -> str:
    if not ARCHIVE_ID.fullmatch(text):
        raise argparse.ArgumentTypeError("must be 1 to 128 of A-Z a-z 0-9 . _ - and begin with a letter or digit")
    return text


def _page(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError("must be a number from 0")
    return int(text)


def _time(text: str) -> datetime:
    with contextlib.suppress(ValueError):
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found
    raise argparse.ArgumentTypeError("must be a time with its zone, such as 2030-01-02T03:04:05Z")


def _sha256(text: str) -> str:
    if not _SHA256.fullmatch(text):
        raise argparse.ArgumentTypeError("must be the 64 hexadecimal digits of a SHA-256")
    return text
