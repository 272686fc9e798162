"""One stream of changes from the API server, as plain dicts.

Built on `kubernetes.watch.Watch`, of which only the reading of one answer is left: a server timeout is always given,
which turns off its reconnecting, its memory of resourceVersions and its repetition after 410 (`informers.reflector`
has all three).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import NamedTuple, Self

import kubernetes.watch
import orjson
import urllib3

from informers.connections import TRANSPORT_ERRORS, Interruption, explain
from informers.errors import ClientError, Garbled, Silent, Unreachable, status_code, status_error
from informers.resource import Manifest


class WatchEvent(NamedTuple):
    """One line of a watch: `type` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Manifest


class WatchStream:
    """The events of one watch request, read by one thread; `close` may be called from any thread, at any time.

    The request is sent by the first `next`. Ends when the server ends the stream in good order, or when closed. Raises
    the `ApiError` of an ERROR event or of a refused request, `Garbled` for a line that is no JSON or is cut,
    `Silent` when nothing comes for too long, and `Unreachable` when the connection breaks. `progress` is called when
    the request is accepted and after every piece that comes, be it an event or not; what it raises ends the stream.
    """

    def __init__(
        self,
        send: Callable[[], urllib3.BaseHTTPResponse],
        *,
        timeout_s: int,
        description: str,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._send = send
        self._description = description
        self._progress = progress
        self._interruption = Interruption()
        self._established = False
        self._helper = _PlainWatch()
        self._events = self._helper.stream(self._open, timeout_seconds=timeout_s)  # type: ignore[no-untyped-call]

    @property
    def established(self) -> bool:
        """Whether the server accepted the request."""
        return self._established

    @property
    def uncoded(self) -> bool:
        """Whether the ERROR event that ended the stream had no code."""
        return self._helper.uncoded

    def set_read_timeout(self, seconds: float) -> None:
        """The longest silence from now on; only the reading thread calls it."""
        self._interruption.set_timeout(seconds)

    def close(self) -> None:
        """Ends the stream: a reader that waits gets the end of the iteration at once. Idempotent."""
        self._interruption.interrupt()

    def __iter__(self) -> Iterator[WatchEvent]:
        return self

    def __next__(self) -> WatchEvent:
        if self._interruption.interrupted:
            raise StopIteration
        try:
            event: WatchEvent = next(self._events)
        except ClientError:
            self._end_if_closed()
            raise
        except TRANSPORT_ERRORS as error:
            self._end_if_closed()
            silent = isinstance(error, urllib3.exceptions.ReadTimeoutError)
            raise (Silent if silent else Unreachable)(f"{self._description}: {explain(error)}") from error
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._events.close()

    def _end_if_closed(self) -> None:
        if self._interruption.interrupted:
            raise StopIteration

    def _open(self, **_: object) -> _Lines:
        try:
            with self._interruption.over_this_thread():
                response = self._send()
        except BaseException:
            self._interruption.release()
            raise
        self._established = True
        lines = _Lines(response, self._description, progress=self._progress, released=self._interruption.release)
        try:
            self._progress()
        except BaseException:
            lines.close()
            raise
        return lines


class _PlainWatch(kubernetes.watch.Watch):
    """The helper with one decoding per line, no models, and our exceptions."""

    def __init__(self) -> None:
        super().__init__(return_type="dict")  # type: ignore[no-untyped-call]
        self.uncoded = False

    def unmarshal_event(self, data: str, return_type: object) -> WatchEvent:  # noqa: ARG002  # the helper's signature
        """Decodes one line."""
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise Garbled(f"a line of a watch is no JSON: {error}") from error
        if not isinstance(event, dict) or not isinstance(event.get("object"), dict) or "type" not in event:
            raise Garbled("a line of a watch is no event")
        if event["type"] == "ERROR":
            self.uncoded = status_code(event["object"]) is None
            raise status_error(event["object"])
        return WatchEvent(event["type"], event["object"])


class _Lines:
    """An answer as the helper reads it, but whole lines only: its own splitting takes quadratic time."""

    def __init__(
        self,
        response: urllib3.BaseHTTPResponse,
        description: str,
        *,
        progress: Callable[[], None],
        released: Callable[[], None],
    ) -> None:
        self._response = response
        self._description = description
        self._progress = progress
        self._released = released
        self.status = response.status

    def stream(self, amt: int | None, *, decode_content: bool) -> Iterator[bytes]:
        """The lines of the answer, each with its end."""
        begun: list[bytes] = []
        for segment in self._segments(amt, decode_content=decode_content):
            self._progress()
            if not begun and segment.find(b"\n") == len(segment) - 1:
                if self._says_something(segment):  # the usual one: a whole line
                    yield segment
                continue
            *whole, last = segment.split(b"\n")
            for line in whole:
                begun.append(line + b"\n")
                if self._says_something(joined := b"".join(begun)):
                    yield joined
                begun.clear()
            if last:
                begun.append(last)
        if b"".join(begun).strip():
            raise Garbled(f"{self._description} ended in the middle of a line")

    def close(self) -> None:
        """Closes the connection, unless it went back to its pool."""
        self._released()
        self._response.close()

    def release_conn(self) -> None:
        """Part of what the helper calls at the end; `close` has done it."""
        self._response.release_conn()

    def _segments(self, amt: int | None, *, decode_content: bool) -> Iterator[bytes]:
        if getattr(self._response, "chunked", True):
            return self._response.stream(amt, decode_content=decode_content)
        return iter(lambda: self._response.read1(decode_content=decode_content), b"")

    def _says_something(self, line: bytes) -> bool:
        """Whether it is more than white space; `Garbled` when it is no UTF-8, which the helper would replace."""
        if not line.isascii():
            try:
                line.decode()
            except UnicodeDecodeError as error:
                raise Garbled(f"{self._description} sent a line that is no UTF-8") from error
        return not line.isspace()
