"""What compiled expressions do while they run: reading fields, and going through lists and maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from .errors import EvaluationError, no_such_overload
from .values import Optional

Scope: TypeAlias = Mapping[str, Any]
Run: TypeAlias = Callable[[Scope], Any]


def truth(value: Any) -> bool:
    """`value` if it is a boolean."""
    if not isinstance(value, bool):
        raise no_such_overload()
    return value


def field_of(value: Any, name: str) -> Any:
    """The field `name` of an object or map."""
    if not isinstance(value, dict):
        raise no_such_overload()
    if name not in value:
        raise EvaluationError(f"no such key: {name}")
    return value[name]


def has_field(value: Any, name: str) -> bool:
    """Has an object or map the field `name`?"""
    if isinstance(value, Optional):
        return value.present and has_field(value.value, name)
    if not isinstance(value, dict):
        raise no_such_overload()
    return name in value


def optional_field_of(value: Any, name: str) -> Optional:
    """The field `name`, or nothing."""
    if isinstance(value, Optional):
        return optional_field_of(value.value, name) if value.present else Optional()
    return Optional.of(value[name]) if has_field(value, name) else Optional()


def looping(macro: str, names: tuple[str, ...], source: Run, body: Run, filtered: Run | None) -> Run:
    """The loop `macro` over `source`, with the items under `names` in `body`."""
    match macro:
        case "all" | "exists":
            return lambda scope: _decided(_scopes(scope, names, source), body, decisive=macro == "exists")
        case "exists_one":
            return lambda scope: sum(truth(body(inner)) for inner in _scopes(scope, names, source)) == 1
        case "filter":
            return lambda scope: [inner[names[0]] for inner in _scopes(scope, names, source) if truth(body(inner))]
        case _:
            return lambda scope: [
                body(inner) for inner in _scopes(scope, names, source) if filtered is None or truth(filtered(inner))
            ]


def _scopes(scope: Scope, names: tuple[str, ...], source: Run) -> Iterator[dict[str, Any]]:
    items = source(scope)
    if not isinstance(items, list | dict):
        raise no_such_overload()
    if len(names) == 1:
        yield from ({**scope, names[0]: item} for item in items)
        return
    pairs = items.items() if isinstance(items, dict) else enumerate(items)
    yield from ({**scope, names[0]: first, names[1]: second} for first, second in pairs)


def _decided(scopes: Iterator[dict[str, Any]], body: Run, *, decisive: bool) -> bool:
    failed: EvaluationError | None = None
    for inner in scopes:
        # an error of one item does not matter when another one decides
        try:
            if truth(body(inner)) is decisive:
                return decisive
        except EvaluationError as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return not decisive
