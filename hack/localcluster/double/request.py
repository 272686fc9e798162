"""A request as a handler of the double sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hack.localcluster.double.answers import bad_request
from hack.localcluster.double.configuration import ServerConfiguration
from hack.localcluster.double.state import State


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked, by whom, of which server."""

    state: State
    configuration: ServerConfiguration
    started_at: float
    parameters: Mapping[str, str]
    body: bytes
    claims: Mapping[str, Any]

    def fields(self, **types: type | tuple[type, ...]) -> dict[str, Any]:
        """The fields of the JSON body that are among `types`; unknown ones are ignored, null is absent."""
        try:
            values = json.loads(self.body or b"{}")
        except ValueError:
            raise bad_request("Invalid request body") from None
        if not isinstance(values, dict):
            raise bad_request("Invalid request body")
        known = {name: value for name, value in values.items() if name in types and value is not None}
        for name, value in known.items():
            # A JSON true is no number, although Python counts bool among the ints.
            if not isinstance(value, types[name]) or (isinstance(value, bool) and types[name] is int):
                raise bad_request("Invalid request body")
        return known
