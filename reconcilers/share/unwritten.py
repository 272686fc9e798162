"""What follows when the API server refuses a status."""

from __future__ import annotations

from informers.errors import ApiError, Conflict, NotFound
from informers.result import Done, RequeueAfter, Result

#: How soon to try again to write a status that others wrote in between of.
STALE_S = 1.0


class NotNoted(Exception):
    """What has to be in the status before the server is changed could not be written there."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(str(error))
        self.error = error


def unwritten(error: ApiError) -> Result:
    """The result of a pass whose status was refused; raises `error` where it is no part of an object's life."""
    match error:
        case NotFound():
            return Done()
        case Conflict():
            return RequeueAfter(STALE_S)
        case _:
            raise error
