"""Connected clients: here there are none, since nobody can mount anything of the double."""

from __future__ import annotations

from hack.localcluster.double.answers import Answer, json_answer, not_found
from hack.localcluster.double.request import Request


def list_clients(request: Request) -> Answer:  # noqa: ARG001 - every handler is given its request
    """GET /clients."""
    return json_answer([])


def disconnect(request: Request) -> Answer:  # noqa: ARG001 - every handler is given its request
    """DELETE /clients/{id}."""
    raise not_found("client not found")
