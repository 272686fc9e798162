"""The query parameters of a request, read and checked in one place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from hack.localcluster.apiserver.status import Cause, StatusError, bad_request, invalid_options


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of one request, by name; the first value of each."""

    values: Mapping[str, str]

    def text(self, name: str) -> str:
        """The parameter, empty when absent."""
        return self.values.get(name, "")

    def flag(self, name: str) -> bool:
        """The parameter as a bool, as the real server reads it: whatever is there and isn't false is true."""
        return name in self.values and self.values[name].lower() not in ("false", "0")

    def number(self, name: str) -> int | None:
        """The parameter as a number that is not negative; None when absent."""
        text = self.text(name)
        if not text:
            return None
        if not (text.isascii() and text.isdigit()):
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
        return int(text)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What a create, update or patch was asked to do besides its body."""

    manager: str
    dry_run: bool
    validation: str
    force: bool

    @classmethod
    def of(cls, query: Query, *, options: str, user_agent: str) -> WriteOptions:
        """The options of a write; `options` names them in messages (CreateOptions, UpdateOptions, PatchOptions)."""
        manager = query.text("fieldManager")
        if len(manager.encode()) > 128:
            text = "Too long: may not be more than 128 bytes"
            raise invalid_options(options, Cause("fieldManager", "FieldValueTooLong", text))
        if not manager.isprintable():
            text = f'Invalid value: "{manager}": should only contain printable characters'
            raise invalid_options(options, Cause("fieldManager", "FieldValueInvalid", text))
        return cls(
            # the real server names a writer that gives no name after the first part of its user agent
            manager=manager or user_agent.split("/", maxsplit=1)[0][:128] or "unknown",
            dry_run=dry_run(query, options=options),
            validation=_validation(query, options),
            force=query.flag("force"),
        )


def dry_run(query: Query, *, options: str) -> bool:
    """Whether the request must change nothing."""
    value = query.text("dryRun")
    if value not in ("", "All"):
        raise _unsupported(options, "dryRun", [value], '"All"')
    return value == "All"


def _validation(query: Query, options: str) -> str:
    value = query.text("fieldValidation") or "Warn"
    if value not in ("Ignore", "Warn", "Strict"):
        raise _unsupported(options, "fieldValidation", value, '"", "Ignore", "Strict", "Warn"')
    return value


def propagation(value: str, orphan_dependents: bool | None) -> str:
    """What becomes of dependents: Background, Foreground or Orphan. `orphan_dependents` is the old way to say it."""
    if value and orphan_dependents is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        text = f'Invalid value: "{value}": {why}'
        raise invalid_options("DeleteOptions", Cause("propagationPolicy", "FieldValueInvalid", text))
    if value not in ("", "Background", "Foreground", "Orphan"):
        raise _unsupported("DeleteOptions", "propagationPolicy", value, '"Foreground", "Background", "Orphan", "nil"')
    return value or ("Orphan" if orphan_dependents else "Background")


def dry_runs(values: list[str]) -> bool:
    """Whether options in a body ask that nothing is changed."""
    if values not in ([], ["All"]):
        raise _unsupported("DeleteOptions", "dryRun", values, '"All"')
    return bool(values)


def _unsupported(options: str, field: str, value: str | list[str], supported: str) -> StatusError:
    message = f"Unsupported value: {json.dumps(value)}: supported values: {supported}"
    return invalid_options(options, Cause(field, "FieldValueNotSupported", message))
