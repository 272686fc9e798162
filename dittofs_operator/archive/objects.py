"""Removes from a bucket what the server put there for one share, and nothing else."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from datetime import datetime

import obstore

from dittofs_operator.archive.bucket import BucketPlace, open_store, told
from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.inputs import WrongInput
from informers.clock import Clock

#: All that the server puts below the prefix of a share: packed blocks, and in older releases single chunks.
FOLDERS = ("blocks/", "cas/")
#: As many as one request can name.
_PAGE = 1000
#: Of one request; the pod has to end soon after its time is over.
_REQUEST_TIMEOUT_S = 30.0
_RETRY_FOR_S = 60.0
#: How often it is looked whether anything is left, or has come meanwhile.
_LOOKS = 5

_INSTANCE = re.compile(r"([A-Za-z0-9_-][A-Za-z0-9_.-]*/)+")
#: The percent-encoded path of a share, and its generation.
_SHARE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._%-]*(~[1-9][0-9]{0,8})?/")


@dataclass(frozen=True, slots=True)
class Removed:
    """How much was removed, and how much below the prefix is not the server's."""

    objects: int
    kept: int


def check_prefix(prefix: str, instance_prefix: str) -> None:
    """Raise WrongInput unless `prefix` is that of one share of the instance with `instance_prefix`."""
    share = prefix.removeprefix(instance_prefix)
    if not _INSTANCE.fullmatch(instance_prefix) or share == prefix or not _SHARE.fullmatch(share):
        raise WrongInput(
            f"--prefix={prefix} is none of a share below --instance-prefix={instance_prefix}: both end in a slash, "
            "and the one is the other and a name"
        )


def remove_objects(
    place: BucketPlace, *, until: datetime, clock: Clock, last_look_from: datetime | None = None
) -> Removed:
    """Remove what the server put below the prefix of `place`, which is that of a share, and look that it is gone.

    Objects may still come before `last_look_from`. Raises ArchiveError, also when it is `until` before all is gone;
    then it can be done again.
    """
    store = open_store(place, timeout_s=_REQUEST_TIMEOUT_S, retry_for_s=_RETRY_FOR_S)
    location = f"s3://{place.bucket}/{place.prefix}"
    folders = tuple(f"{place.prefix}{folder}" for folder in FOLDERS)
    removed = 0
    for _ in range(_LOOKS):
        found = kept = 0
        with told(location):
            for page in obstore.list(store, prefix=place.prefix, chunk_size=_PAGE):
                if clock.now() >= until:
                    raise ArchiveError(Reason.TARGET_UNREACHABLE, f"{location}: the time was over before all was gone")
                names = [one["path"] for one in page if one["path"].startswith(folders)]
                kept += len(page) - len(names)
                if names:
                    obstore.delete(store, names)
                    found += len(names)
        removed += found
        if not found:
            if last_look_from is None or clock.now() >= last_look_from:
                return Removed(removed, kept)
            _wait(clock, last_look_from)
    raise ArchiveError(Reason.TARGET_REFUSED, f"{location}: objects are there again after they were removed")


def _wait(clock: Clock, moment: datetime) -> None:
    nobody = threading.Condition()
    with nobody:
        while (left_s := (moment - clock.now()).total_seconds()) > 0:
            clock.wait(nobody, left_s)
