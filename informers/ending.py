"""How a watch came to its end, and what to do then. Pure: the `informers.reflector` that asks does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from informers.errors import ApiError, ClientError, Expired, Garbled, NotFound, Silent, TooManyRequests, Unreachable

#: A watch that ends earlier, without one event, counts as failed: guards against a hot loop.
SHORT_WATCH_S = 1.0

#: So many streamed lists in a row that break off before their end are one too many: list in the plain way.
MAX_LOST = 3


class Ending(Enum):
    """How a watch came to its end."""

    CLOSED = "closed by the server in good order"
    SHORT = "closed by the server at once"
    BUSY = "turned away by the server"
    BROKEN = "the connection broke or was never made"
    SILENT = "nothing came for too long"
    STILL_SILENT = "nothing came for too long, twice in a row"
    GARBLED = "a line was no event"
    STILL_GARBLED = "a line was no event, and nothing had come before it"
    DOUBTFUL = "an event named no object, so that only a list can tell what there is"
    EXPIRED = "our version is too old"
    STILL_EXPIRED = "our version is too old, right after a list"
    MISSING = "the type is not served"
    REFUSED = "refused by the server"


@dataclass(frozen=True, slots=True)
class Reaction:
    """What to do next: list again or watch again from where we are; after a growing delay or at once.

    `plain`: the list that follows is not to be streamed.
    """

    relist: bool
    back_off: bool
    plain: bool = False


#: client-go's decisions (reflector.go), except that a broken connection never costs a list: the version still holds.
REACTIONS: Mapping[Ending, Reaction] = {
    Ending.CLOSED: Reaction(relist=False, back_off=False),
    Ending.SHORT: Reaction(relist=True, back_off=True),
    Ending.BUSY: Reaction(relist=False, back_off=True),
    Ending.BROKEN: Reaction(relist=False, back_off=True),
    Ending.SILENT: Reaction(relist=False, back_off=True),
    Ending.STILL_SILENT: Reaction(relist=True, back_off=True),
    Ending.GARBLED: Reaction(relist=False, back_off=True),
    Ending.STILL_GARBLED: Reaction(relist=True, back_off=True),
    Ending.DOUBTFUL: Reaction(relist=True, back_off=False),
    Ending.EXPIRED: Reaction(relist=True, back_off=False),
    Ending.STILL_EXPIRED: Reaction(relist=True, back_off=True),
    Ending.MISSING: Reaction(relist=True, back_off=True),
    Ending.REFUSED: Reaction(relist=True, back_off=True),
}

#: The same for a streamed list that ended before all had come: it begins anew, or a plain list takes its place.
INITIAL_REACTIONS: Mapping[Ending, Reaction] = {
    Ending.CLOSED: Reaction(relist=True, back_off=True),
    Ending.SHORT: Reaction(relist=True, back_off=True),
    Ending.BUSY: Reaction(relist=True, back_off=True),
    Ending.BROKEN: Reaction(relist=True, back_off=True),
    Ending.SILENT: Reaction(relist=True, back_off=False, plain=True),
    Ending.STILL_SILENT: Reaction(relist=True, back_off=False, plain=True),
    Ending.GARBLED: Reaction(relist=True, back_off=True),
    Ending.STILL_GARBLED: Reaction(relist=True, back_off=True),
    Ending.DOUBTFUL: Reaction(relist=True, back_off=True),
    Ending.EXPIRED: Reaction(relist=True, back_off=False),
    Ending.STILL_EXPIRED: Reaction(relist=True, back_off=False, plain=True),
    Ending.MISSING: Reaction(relist=True, back_off=True),
    Ending.REFUSED: Reaction(relist=True, back_off=False, plain=True),
}

#: Endings that are no warning: the ways watches end (also silently, where a server sends no bookmarks), and what others
#: say more exactly (the intake, the standing).
QUIET = frozenset((Ending.CLOSED, Ending.SILENT, Ending.GARBLED, Ending.STILL_GARBLED, Ending.DOUBTFUL, Ending.MISSING))

#: Endings that say of a streamed list no more than that it broke off.
LOST = frozenset((Ending.CLOSED, Ending.SHORT, Ending.BROKEN, Ending.GARBLED, Ending.STILL_GARBLED))

#: An ending that comes again with no event in between is another one.
_REPEATED: Mapping[Ending, Ending] = {
    Ending.SILENT: Ending.STILL_SILENT,
    Ending.GARBLED: Ending.STILL_GARBLED,
    Ending.EXPIRED: Ending.STILL_EXPIRED,
}


def ending_of(error: ClientError | None, *, events: int, lasted_s: float, previous: Ending | None) -> Ending:
    """Names the end of a watch that gave `events` in `lasted_s` seconds; `previous` is how the one before it ended."""
    match error:
        case None:
            return Ending.SHORT if events == 0 and lasted_s < SHORT_WATCH_S else Ending.CLOSED
        case Expired():
            return _first_or_repeated(Ending.EXPIRED, events, previous)
        case TooManyRequests():
            return Ending.BUSY
        case Silent():
            return _first_or_repeated(Ending.SILENT, events, previous)
        case Garbled():
            return _first_or_repeated(Ending.GARBLED, events, previous)
        case Unreachable():
            return Ending.BROKEN
        case NotFound():
            return Ending.MISSING
        case _:
            return Ending.REFUSED


def initial_ending_of(error: ClientError | None, *, accepted: bool, newest: bool) -> Ending:
    """The same for a streamed list; `accepted` by the server, and asked for `newest`, with no version."""
    if isinstance(error, ApiError) and version_unavailable(error):
        return Ending.STILL_EXPIRED if newest else Ending.EXPIRED
    if isinstance(error, Silent) and not accepted:
        return Ending.BROKEN
    return ending_of(error, events=0, lasted_s=SHORT_WATCH_S, previous=None)


def initial_reaction(ending: Ending, *, lost: int) -> Reaction:
    """What to do after a streamed list ended early; `lost` streams in a row broke off, this one included."""
    if ending in LOST and lost >= MAX_LOST:
        return Reaction(relist=True, back_off=False, plain=True)
    return INITIAL_REACTIONS[ending]


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


def _first_or_repeated(ending: Ending, events: int, previous: Ending | None) -> Ending:
    again = _REPEATED[ending]
    return again if events == 0 and previous in (ending, again) else ending
