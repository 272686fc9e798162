"""Keeps a sink equal to a collection on the API server: list, then watch, for ever, whatever goes wrong.

What to do after a watch has ended is decided in `informers.ending`, which touches nothing; the `Reflector` does it. It
ends only when told to.
"""

from __future__ import annotations

import threading
from random import Random
from typing import Any

from informers.backoff import BackoffPolicy, JitteredBackoff
from informers.client import WATCH_READ_TIMEOUT_S, ObjectList
from informers.clock import Clock
from informers.connections import Interruption
from informers.ending import REACTIONS, Ending, Reaction, ending_of, version_unavailable
from informers.errors import ApiError, ClientError, Expired
from informers.listwatch import ListerWatcher, Scope, Sink
from informers.projection import Projection
from informers.resource import Manifest, ObjectKey, View
from informers.watch import WatchEvent, WatchStream

#: Objects asked for in one page of a list.
PAGE_SIZE = 500

#: The server ends a watch after a random time in this range, so that reflectors do not reconnect in step.
WATCH_TIMEOUT_S = (300.0, 600.0)

#: However long a server wants us to stay away, look again after this.
RETRY_AFTER_MAX_S = 300.0


class Reflector:
    """One list-and-watch loop. `run` blocks its thread until `stop` is called from another one."""

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
        backoff: BackoffPolicy | None = None,
        page_size: int = PAGE_SIZE,
        read_timeout_s: float = WATCH_READ_TIMEOUT_S,
    ) -> None:
        self._client = client
        self._scope = scope
        self._sink = sink
        self._projection = projection
        self._clock = clock
        self._random = random
        self._logger = logger
        self._backoff = JitteredBackoff(backoff or BackoffPolicy(), clock=clock, random=random)
        self._page_size = page_size
        self._read_timeout_s = read_timeout_s

        self._condition = threading.Condition()
        self._stopping = False
        self._stream: WatchStream | None = None
        self._interruption = Interruption()

        self._version = ""
        self._ask_newest = False
        self._server_pages = False
        self._previous: Ending | None = None
        self._last_contact: float | None = None
        self._last_error = ""

    @property
    def last_error(self) -> str:
        """Why the last list or watch failed; empty when it did not."""
        return self._last_error

    @property
    def last_contact(self) -> float | None:
        """The clock's monotonic time of the last list, event or bookmark; None before the first."""
        return self._last_contact

    def run(self) -> None:
        """Lists and watches until stopped. Never raises."""
        relist = True
        while not self._stopping:
            delay_s = 0.0
            try:
                if relist:
                    self._list()
                    relist = False
                reaction, delay_s = self._watch()
                relist = reaction.relist
            except Exception as error:  # noqa: BLE001  # P2: an exception of any kind must not silence an informer
                relist = True
                delay_s = self._failed(error)
            self._pause(delay_s)

    def stop(self) -> None:
        """Ends `run` as soon as possible, whatever it waits for. Idempotent."""
        with self._condition:
            self._stopping = True
            stream = self._stream
            self._condition.notify_all()
        self._interruption.interrupt()
        if stream is not None:
            stream.close()

    def _list(self) -> None:
        asked = "" if self._ask_newest else self._version or "0"
        try:
            views, version = self._pages(asked)
        except ApiError as error:
            if not version_unavailable(error) or asked == "":
                raise
            self._ask_newest = True
            views, version = self._pages("")
        if self._stopping:
            return
        self._ask_newest = False
        self._version = version
        self._sink.replace(views, version)
        self._contact()
        self._logger.debug("listed", objects=len(views), resource_version=version)

    def _pages(self, version: str) -> tuple[list[View], str]:
        # with a concrete version a limit makes the server bypass its watch cache; only where it has none it helps
        paged = version in ("", "0") or self._server_pages
        page = self._page(limit=self._page_size if paged else 0, resource_version=version)
        views = self._views(page)
        first_version = page.resource_version
        while page.continue_token and not self._stopping:
            if version == "0":
                self._server_pages = True
            try:
                page = self._page(limit=self._page_size, continue_token=page.continue_token)
            except Expired:
                self._logger.info("the pages of a list expired: listing as a whole")
                page = self._page(limit=0, resource_version=version)
                return self._views(page), page.resource_version
            views.extend(self._views(page))
        return views, first_version

    def _page(self, *, limit: int, resource_version: str = "", continue_token: str = "") -> ObjectList:
        scope = self._scope
        try:
            with self._interruption.over_this_thread():
                return self._client.list(
                    scope.resource,
                    namespace=scope.namespace,
                    label_selector=scope.label_selector,
                    field_selector=scope.field_selector,
                    limit=limit,
                    continue_token=continue_token,
                    resource_version=resource_version,
                    metadata_only=scope.metadata_only,
                )
        finally:
            self._interruption.release()

    def _views(self, page: ObjectList) -> list[View]:
        return [view for obj in page.items if (view := self._view(obj)) is not None]

    def _view(self, obj: Manifest) -> View | None:
        """What to keep of `obj`; None when it is foreign or the projection fails on it: one odd one stops nothing."""
        if not self._projection.accepts(obj):
            self._logger.warning("ignored a foreign object", kind=obj.get("kind"))
            return None
        key = ObjectKey.of(obj)
        try:
            return self._projection.view(obj)
        except Exception:
            self._logger.exception("ignored an object: its transform failed", key=str(key))
            return None

    def _watch(self) -> tuple[Reaction, float]:
        """One watch request, to its end; gives what to do next and after how many seconds."""
        scope = self._scope
        stream = self._client.watch(
            scope.resource,
            resource_version=self._version,
            timeout_s=int(self._random.uniform(*WATCH_TIMEOUT_S)),
            namespace=scope.namespace,
            label_selector=scope.label_selector,
            field_selector=scope.field_selector,
            metadata_only=scope.metadata_only,
            read_timeout_s=self._read_timeout_s,
        )
        with self._condition:
            if self._stopping:
                return REACTIONS[Ending.CLOSED], 0.0
            self._stream = stream
        started, events, error = self._clock.monotonic(), 0, None
        try:
            with stream:
                for event in stream:
                    self._take(event)
                    events += 1
        except ClientError as raised:
            error = raised
        finally:
            self._stream = None
        if self._stopping:
            return REACTIONS[Ending.CLOSED], 0.0
        lasted_s = self._clock.monotonic() - started
        return self._ended(ending_of(error, events=events, lasted_s=lasted_s, previous=self._previous), error)

    def _take(self, event: WatchEvent) -> None:
        metadata = event.object.get("metadata") or {}
        version = metadata.get("resourceVersion") or self._version
        if event.type == "BOOKMARK":
            self._sink.advance(version)
        elif event.type in ("ADDED", "MODIFIED", "DELETED"):
            view = self._view(event.object)
            if view is not None:
                (self._sink.remove if event.type == "DELETED" else self._sink.put)(view)
        else:
            self._logger.warning("a watch sent an event of unknown type", type=event.type)
        self._version = version
        self._contact()

    def _ended(self, ending: Ending, error: ClientError | None) -> tuple[Reaction, float]:
        self._previous = ending
        reaction = REACTIONS[ending]
        delay_s = 0.0
        if reaction.back_off:
            delay_s = self._delay_s(error)
        if ending in (Ending.EXPIRED, Ending.STILL_EXPIRED):
            self._ask_newest = True
        reason = str(error) if error is not None else ending.value
        if ending is Ending.CLOSED:
            self._logger.debug("watch ended", ending=ending.value)
        elif ending is Ending.EXPIRED:
            self._logger.info("watch ended", ending=ending.value, reason=reason)
        else:
            self._last_error = f"watch of {self._scope.resource}: {reason}"
            self._logger.warning(
                "watch ended", ending=ending.value, reason=reason, retry_in_s=round(delay_s, 1), relist=reaction.relist
            )
        return reaction, delay_s

    def _failed(self, error: Exception) -> float:
        if self._stopping:
            return 0.0
        delay_s = self._delay_s(error)
        self._last_error = f"list of {self._scope.resource}: {error}"
        expected = isinstance(error, ClientError)
        log = self._logger.warning if expected else self._logger.exception
        log("list failed" if expected else "list or watch failed", reason=str(error), retry_in_s=round(delay_s, 1))
        return delay_s

    def _delay_s(self, error: Exception | None) -> float:
        delay_s = self._backoff.next_s()
        told_s = error.retry_after_s if isinstance(error, ApiError) else None
        return max(delay_s, min(told_s or 0.0, RETRY_AFTER_MAX_S))

    def _contact(self) -> None:
        self._last_contact = self._clock.monotonic()
        self._last_error = ""

    def _pause(self, delay_s: float) -> None:
        until = self._clock.monotonic() + delay_s
        with self._condition:
            while not self._stopping and (left_s := until - self._clock.monotonic()) > 0:
                self._clock.wait(self._condition, left_s)
