"""How a watch came to its end, and what to do then. Pure: the `informers.reflector` that asks does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from informers.errors import ApiError, ClientError, Expired, Garbled, TooManyRequests, Unreachable

#: A watch that ends earlier, without one event, counts as failed: guards against a hot loop.
SHORT_WATCH_S = 1.0


class Ending(Enum):
    """How a watch came to its end."""

    CLOSED = "closed by the server in good order"
    SHORT = "closed by the server at once"
    BUSY = "turned away by the server"
    BROKEN = "the connection broke, was silent or was never made"
    GARBLED = "a line was no event"
    STILL_GARBLED = "a line was no event, and nothing had come before it"
    EXPIRED = "our version is too old"
    STILL_EXPIRED = "our version is too old, right after a list"
    REFUSED = "refused by the server"


@dataclass(frozen=True, slots=True)
class Reaction:
    """What to do next: list again or watch again from where we are; after a growing delay or at once."""

    relist: bool
    back_off: bool


#: client-go's decisions (reflector.go), except that a broken connection never costs a list: the version still holds.
REACTIONS: Mapping[Ending, Reaction] = {
    Ending.CLOSED: Reaction(relist=False, back_off=False),
    Ending.SHORT: Reaction(relist=True, back_off=True),
    Ending.BUSY: Reaction(relist=False, back_off=True),
    Ending.BROKEN: Reaction(relist=False, back_off=True),
    Ending.GARBLED: Reaction(relist=False, back_off=True),
    Ending.STILL_GARBLED: Reaction(relist=True, back_off=True),
    Ending.EXPIRED: Reaction(relist=True, back_off=False),
    Ending.STILL_EXPIRED: Reaction(relist=True, back_off=True),
    Ending.REFUSED: Reaction(relist=True, back_off=True),
}


def ending_of(error: ClientError | None, *, events: int, lasted_s: float, previous: Ending | None) -> Ending:
    """Names the end of a watch that gave `events` in `lasted_s` seconds; `previous` is how the one before it ended."""
    match error:
        case None:
            return Ending.SHORT if events == 0 and lasted_s < SHORT_WATCH_S else Ending.CLOSED
        case Expired():
            again = events == 0 and previous in (Ending.EXPIRED, Ending.STILL_EXPIRED)
            return Ending.STILL_EXPIRED if again else Ending.EXPIRED
        case TooManyRequests():
            return Ending.BUSY
        case Garbled():
            again = events == 0 and previous in (Ending.GARBLED, Ending.STILL_GARBLED)
            return Ending.STILL_GARBLED if again else Ending.GARBLED
        case Unreachable():
            return Ending.BROKEN
        case _:
            return Ending.REFUSED


def version_unavailable(error: ApiError) -> bool:
    """Whether a list failed because of the version it asked for: too old (410), or newer than what the server has.

    "Too large resource version" has three forms: a cause of its own, and, from older servers, only a text in a cause
    or in the message of a timeout (k/k#107133).
    """
    if isinstance(error, Expired):
        return True
    text = "Too large resource version"
    return (
        any(cause.reason == "ResourceVersionTooLarge" or text in cause.message for cause in error.causes)
        or text in error.message
    )
