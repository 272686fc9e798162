"""Keeps a sink equal to a collection on the API server: list, then watch, for ever, whatever goes wrong.

What to do after a watch has ended is decided in `informers.ending`, which touches nothing; the `Reflector` does it. It
ends only when told to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random
from typing import Any

from informers.backoff import BackoffPolicy, JitteredBackoff
from informers.clock import Clock
from informers.ending import (
    LOST,
    QUIET,
    REACTIONS,
    Ending,
    Reaction,
    ending_of,
    initial_ending_of,
    initial_reaction,
    version_unavailable,
)
from informers.errors import ApiError, ClientError, Forbidden, NotFound, Silent
from informers.intake import Intake
from informers.listwatch import ListerWatcher, Scope, Sink, WatchOptions
from informers.mirror import Mirror
from informers.pager import Pager
from informers.projection import Projection
from informers.standing import Standing
from informers.streamed import InitialEvents
from informers.watch import WatchStream

#: The server ends a watch after a random time in this range, so that reflectors do not reconnect in step.
WATCH_TIMEOUT_S = (300.0, 600.0)


class Reflector:
    """One list-and-watch loop. `run` blocks its thread until `stop` is called from another one.

    `count` is told the `informers.intake.Reason` of each thing that the server sent and that could not be taken.
    """

    def __init__(
        self,
        client: ListerWatcher,
        scope: Scope,
        sink: Sink,
        projection: Projection,
        *,
        clock: Clock,
        random: Random,
        logger: Any,  # noqa: ANN401 - structlog's bound loggers share no type
        options: WatchOptions | None = None,
        backoff: BackoffPolicy | None = None,
        count: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._scope = scope
        self._resource = scope.resource
        self._clock = clock
        self._random = random
        self._logger = logger
        self._options = options = options or WatchOptions()
        self._backoff = JitteredBackoff(backoff or BackoffPolicy(), clock=clock, random=random)
        self._intake = Intake(projection, logger=logger, count=count)
        self._mirror = Mirror(sink, self._intake)
        self._pager = Pager(client, scope, self._intake, page_size=options.page_size, logger=logger)
        self._standing = Standing(
            scope.resource, clock=clock, stale_after_s=options.stale_after_s, optional=options.optional
        )
        self._condition = threading.Condition()
        self._stopping = False
        self._stream: WatchStream | None = None
        self._accepted = False
        self._relist = True
        self._relist_at: float | None = None
        self._ask_newest = False
        self._plain = False
        self._lost = 0
        self._previous: Ending | None = None

    @property
    def last_error(self) -> str:
        """Why the last list or watch failed; empty when it did not."""
        return self._standing.last_error

    @property
    def last_contact(self) -> float | None:
        """The clock's monotonic time of the last list, event, bookmark or accepted watch; None before the first."""
        return self._standing.last_contact

    @property
    def absent(self) -> bool:
        """Whether the API server doesn't serve the type: not yet, or no longer."""
        return self._standing.absent

    @property
    def unready_reason(self) -> str | None:
        """Why what is held isn't fit to act on; None when it is."""
        if self._mirror.doubtful:
            return f"an event of {self._resource} named no object: a list has to tell what there is"
        return self._standing.unready_reason

    def run(self) -> None:
        """Lists and watches until stopped. Never raises."""
        while not self._stopping:
            try:
                delay_s = self._step()
            except (Exception, SystemExit) as error:  # noqa: BLE001  # P2: no exception may silence an informer
                self._relist = True
                delay_s = self._failed(error)
            self._pause(delay_s)

    def stop(self) -> None:
        """Ends `run` as soon as possible, whatever it waits for. Idempotent."""
        with self._condition:
            self._stopping = True
            stream = self._stream
            self._condition.notify_all()
        self._pager.stop()
        if stream is not None:
            stream.close()

    def _step(self) -> float:
        """One list or one watch; gives how many seconds to wait after it."""
        if not self._relist:
            return self._watch(None)
        try:
            if self._streams():
                initial = InitialEvents(started=self._clock.monotonic(), timeout_s=self._options.end_timeout_s)
                return self._watch(initial)
            self._list()
        except NotFound as error:
            return self._missed(error)
        return 0.0

    def _streams(self) -> bool:
        """Whether the next list is to be a streamed one."""
        usable = self._client.streamed_lists.usable(self._resource, now=self._clock.monotonic())
        return self._options.watch_list and not self._plain and usable

    def _list(self) -> None:
        asked = "" if self._ask_newest else self._mirror.version or "0"
        try:
            listing = self._pager.list(asked)
        except ApiError as error:
            if not version_unavailable(error) or asked == "":
                raise
            self._ask_newest = True
            listing = self._pager.list("")
        if self._stopping:
            return
        if self._plain:
            self._plain = False
            self._client.streamed_lists.failed(self._resource, now=self._clock.monotonic())
            self._logger.info("the list can't be streamed: listing in the plain way for a day")
        self._mirror.replace(listing.views, listing.left_out, listing.version)
        self._listed()

    def _listed(self) -> None:
        if self._standing.served():
            self._logger.info("the type is served again")
        self._relist = self._ask_newest = False
        self._lost = 0
        if self._previous in (Ending.SILENT, Ending.STILL_SILENT):
            self._previous = None
        self._logger.debug("listed", resource_version=self._mirror.version)

    def _watch(self, initial: InitialEvents | None) -> float:
        """One watch request, to its end; with `initial` it begins with a list. Gives how long to wait after it."""
        scope, options = self._scope, self._options
        newest = initial is not None and self._ask_newest
        stream = self._client.watch(
            scope.resource,
            resource_version="" if newest else self._mirror.version,
            timeout_s=int(self._random.uniform(*WATCH_TIMEOUT_S)),
            namespace=scope.namespace,
            label_selector=scope.label_selector,
            field_selector=scope.field_selector,
            metadata_only=scope.metadata_only,
            read_timeout_s=options.read_timeout_s if initial is None else options.end_timeout_s,
            send_initial_events=initial is not None,
            progress=self._progress,
        )
        self._mirror.begin(initial)
        self._relist_at, self._accepted = None, initial is not None
        with self._condition:
            if self._stopping:
                return 0.0
            self._stream = stream
        started, events, error = self._clock.monotonic(), 0, None
        try:
            with stream:
                for event in stream:
                    self._mirror.take(event)
                    self._taken(stream, initial)
                    events += 1
        except ClientError as raised:
            error = raised
        finally:
            self._stream = None
        if self._stopping:
            return 0.0
        self._intake.note(error, uncoded=stream.uncoded)
        if self._mirror.initial is not None:
            if isinstance(error, NotFound):
                raise error
            newest = newest or not self._mirror.version
            ending = initial_ending_of(error, accepted=stream.established, newest=newest)
            self._lost += ending in LOST and stream.established
            return self._ended(ending, initial_reaction(ending, lost=self._lost), error)
        lasted_s = self._clock.monotonic() - started
        ending = ending_of(error, events=events, lasted_s=lasted_s, previous=self._previous)
        if self._relist_at is not None:
            ending = Ending.DOUBTFUL
        return self._ended(ending, REACTIONS[ending], error)

    def _taken(self, stream: WatchStream, initial: InitialEvents | None) -> None:
        """The mirror took an event."""
        if self._mirror.initial is not None:
            return
        self._standing.contact()
        if initial is not None and self._relist:
            self._listed()
            stream.set_read_timeout(self._options.read_timeout_s)
        if self._mirror.doubtful and self._relist_at is None:
            delay_s = self._backoff.next_s()
            self._relist_at = self._clock.monotonic() + delay_s
            stream.set_read_timeout(min(delay_s, self._options.read_timeout_s))

    def _progress(self) -> None:
        """Something came, be it an event or not; raises `Silent` when nothing of use has come for too long."""
        now, initial = self._clock.monotonic(), self._mirror.initial
        if initial is not None:
            if now >= initial.deadline:
                raise Silent(f"the end of the streamed list of {self._resource} did not come in time")
        elif not self._accepted:
            self._accepted = True
            self._standing.contact()
        elif self._relist_at is not None and now >= self._relist_at:
            raise Silent(f"the watch of {self._resource} ends for a list")
        elif now > self._standing.stale_at:
            raise Silent(f"the watch of {self._resource} gave no event and no bookmark for too long")

    def _ended(self, ending: Ending, reaction: Reaction, error: ClientError | None) -> float:
        self._previous = ending
        self._relist, self._plain = reaction.relist, reaction.plain
        if ending in (Ending.EXPIRED, Ending.STILL_EXPIRED):
            self._ask_newest = True
        delay_s = self._backoff.after(error) if reaction.back_off else 0.0
        if self._relist_at is not None:
            delay_s = max(0.0, self._relist_at - self._clock.monotonic())
        reason = self._words(error) if error is not None else ending.value
        log = self._logger.debug if ending in QUIET else self._logger.warning
        if ending is Ending.EXPIRED:
            log = self._logger.info
        elif ending is not Ending.CLOSED:
            self._standing.failed(f"watch of {self._resource}: {reason}")
        log("watch ended", ending=ending.value, reason=reason, retry_in_s=round(delay_s, 1), relist=reaction.relist)
        return delay_s

    def _missed(self, error: NotFound) -> float:
        """The collection was answered with 404; the second time in a row its type is taken for absent."""
        if self._stopping:
            return 0.0
        if self._standing.missed():
            log = self._logger.info if self._options.optional else self._logger.warning
            log("the type isn't served: waiting for it")
            if self._options.optional or self._standing.listed:
                self._mirror.clear()
            self._ask_newest = True
        return self._backoff.after(error)

    def _failed(self, error: BaseException) -> float:
        if self._stopping:
            return 0.0
        self._intake.note(error)
        self._plain = False
        delay_s = self._backoff.after(error)
        reason = self._words(error)
        self._standing.failed(f"list of {self._resource}: {reason}")
        expected = isinstance(error, ClientError)
        log = self._logger.warning if expected else self._logger.exception
        log("list failed" if expected else "list or watch failed", reason=reason, retry_in_s=round(delay_s, 1))
        return delay_s

    def _words(self, error: BaseException) -> str:
        advice = self._options.forbidden_advice if isinstance(error, Forbidden) else ""
        return f"{error} ({advice})" if advice else str(error)

    def _pause(self, delay_s: float) -> None:
        until = self._clock.monotonic() + delay_s
        with self._condition:
            while not self._stopping and (left_s := until - self._clock.monotonic()) > 0:
                self._clock.wait(self._condition, left_s)
