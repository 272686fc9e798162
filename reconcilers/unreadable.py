"""What is told of an object that does not fit our model of it: definitions of another version let it in.

The fields and what is asked of them are named, never what stands in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from informers.clock import Clock
from informers.errors import ApiError, Conflict, NotFound
from informers.resource import View
from informers.result import Done, RequeueAfter, Result, Terminal
from reconcilers.access import Recorder
from reconcilers.api.common import InvalidObject
from reconcilers.conditions import Condition, false, to_status, unknown
from reconcilers.status_writer import StatusWriter

INVALID_SPEC = "InvalidSpec"

#: How soon to look again at an object whose status was written meanwhile, or was made readable.
AGAIN_S = 1.0

_REMEDY = (
    "correct it, and install the CustomResourceDefinitions of this version of the operator, which refuse such an object"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Tells of the unreadable objects of one kind."""

    status: StatusWriter
    recorder: Recorder
    clock: Clock
    #: All condition types of the kind, and those that are False for such an object; the others are Unknown.
    conditions: Iterable[StrEnum]
    failing: frozenset[StrEnum]
    phase: str

    def tell(self, view: View, error: InvalidObject) -> Result:
        """Report the object `view`; its status only needs to be one that can be read again."""
        before = self.status.last(view)
        readable = {name: value for name, value in before.items() if name not in _unreadable_status(error)}
        wrong = [f"{field}: {reason}" for field, reason in error.problems if not field.startswith("status")]
        message = f"the operator can't read {'; '.join(wrong)}: {_REMEDY}"
        status = self._wanted(view, readable, message) if wrong else readable
        try:
            changed = self.status.write(view, status)
        except NotFound:
            return Done()
        except Conflict:
            return RequeueAfter(AGAIN_S)
        except ApiError as refusal:
            return Terminal(f"{error}; its status can't say so: {refusal}")
        if not wrong:
            return RequeueAfter(AGAIN_S)
        if changed:
            self.recorder.warning(view, INVALID_SPEC, message)
        return Terminal(str(error))

    def _wanted(self, view: View, before: Mapping[str, Any], message: str) -> dict[str, Any]:
        generation = int(view["metadata"].get("generation") or 0)
        conditions = to_status(
            [self._condition(kind, message) for kind in self.conditions],
            previous=before.get("conditions") or (),
            observed_generation=generation,
            now=self.clock.now(),
        )
        told = {"observedGeneration": generation, "ready": False, "phase": self.phase, "conditions": conditions}
        return {**before, **told}

    def _condition(self, kind: StrEnum, message: str) -> Condition:
        if kind in self.failing:
            return false(kind, INVALID_SPEC, message)
        return unknown(kind, INVALID_SPEC, "not looked at while the specification can't be read")


def _unreadable_status(error: InvalidObject) -> set[str]:
    """The fields of the status that are among the problems."""
    return {field.split(".")[1] for field, _ in error.problems if field.startswith("status.")}
