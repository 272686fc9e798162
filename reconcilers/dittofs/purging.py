"""The files of deleted shares on their way out: listed for the next pod, off the list when one has removed them."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass

from informers.resource import ObjectKey
from reconcilers import names
from reconcilers.access import Cache
from reconcilers.api.dittofs import DittoFS
from reconcilers.dittofs.facts import PodFacts
from reconcilers.dittofs.report import Report
from reconcilers.purge import Purge, PurgeLists


@dataclass(frozen=True, slots=True)
class LastWords:
    """What the container `purge` said (`reconcilers.builders.purge`): numbers of the list."""

    #: All up to this one are done with.
    last: int
    kept: frozenset[int]
    failed: frozenset[int]

    @classmethod
    def of(cls, message: str) -> LastWords | None:
        """From its termination message; None when that is nothing of it."""
        number, *told = message.split() or [""]
        if not number.isdigit():
            return None
        found = [match for text in told if (match := _TOLD.fullmatch(text))]
        kept, failed = (
            frozenset(int(match["number"]) for match in found if match["what"] == what) for what in ("kept", "failed")
        )
        return cls(int(number), kept, failed)


_TOLD = re.compile("(?P<what>kept|failed)=(?P<number>[0-9]+)")


class Purging:
    """Looks after the lists. Safe for many threads, for different instances."""

    def __init__(self, *, claims: Cache, lists: PurgeLists) -> None:
        self._claims = claims
        self._lists = lists
        self._lock = threading.Lock()
        #: By uid of the instance, the pod whose failures were told.
        self._told: dict[str, str] = {}

    def listed(self, instance: DittoFS) -> Purge:
        """What is still to go, as the cache has it."""
        claim = names.metadata_claim(instance.metadata.name)
        return Purge.of(self._claims.get(ObjectKey(instance.metadata.namespace, claim)))

    def settle(self, instance: DittoFS, pod: PodFacts | None, report: Report) -> Purge:
        """What is still to go, without what `pod` said to be done with; that stands in `report`."""
        purge = self.listed(instance)
        words = LastWords.of(pod.purged) if pod is not None else None
        if pod is None or words is None or not purge.addresses:
            return purge
        self._tell_failures(instance, pod, purge, words, report)
        done = purge.up_to(words.last)
        if not done:
            return purge
        with report.step("the list of deleted shares"):
            for address in self._lists.remove(instance, done):
                kept = purge.addresses[address] in words.kept
                (report.purge_kept if kept else report.purged).append(address)
        return purge.without(done)

    def forget(self, uid: str) -> None:
        """Drop what was remembered of an instance that is gone."""
        with self._lock:
            self._told.pop(uid, None)

    def _tell_failures(self, instance: DittoFS, pod: PodFacts, purge: Purge, words: LastWords, report: Report) -> None:
        failed = [address for address, number in purge.addresses.items() if number in words.failed]
        with self._lock:
            before = self._told.get(instance.metadata.uid)
            if failed:
                self._told[instance.metadata.uid] = pod.uid
        if before != pod.uid:
            report.purge_failed += failed
