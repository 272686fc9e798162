"""Function signatures as text, such as `string.matches(string) -> bool`, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from .types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    QUANTITY,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    Bindings,
    ListType,
    MapType,
    OptionalType,
    Type,
    Variable,
)

_NAMED: Final[dict[str, Type]] = {
    "bool": BOOL,
    "bytes": BYTES,
    "double": DOUBLE,
    "duration": DURATION,
    "dyn": DYN,
    "int": INT,
    "quantity": QUANTITY,
    "string": STRING,
    "timestamp": TIMESTAMP,
    "type": TYPE,
    "uint": UINT,
}
_SIGNATURE: Final = re.compile(
    r"(?:(?P<receiver>[a-z]+(?:\([^)]*\))?)\.)?(?P<name>[^(]+)\((?P<rest>.*)\) -> (?P<result>.+)"
)
_WORD: Final = re.compile(r"\s*([A-Za-z]+)\s*")


@dataclass(frozen=True, slots=True)
class Overload:
    """One way to call a function. A member's receiver is its first parameter."""

    name: str
    is_member: bool
    parameters: tuple[Type, ...]
    result: Type
    implementation: Callable[..., Any]

    def accepts(self, arguments: tuple[Type, ...]) -> Type | None:
        """The type of the result for arguments of these types; None when they don't fit."""
        if len(arguments) != len(self.parameters):
            return None
        bindings = Bindings()
        for wanted, given in zip(self.parameters, arguments, strict=True):
            if not bindings.accepts(wanted, given):
                return None
        return bindings.resolve(self.result)


def overload(signature: str, implementation: Callable[..., Any], *, qualified: bool = False) -> Overload:
    """The overload that `signature` describes; `qualified` for a function whose name has a dot."""
    text = signature.replace(".", "·", 1) if qualified else signature
    match = _SIGNATURE.fullmatch(text)
    if match is None:
        raise ValueError(f"{signature!r} is no signature")
    parameters = _types(match["rest"])
    if match["receiver"]:
        parameters = (_type(match["receiver"], 0)[0], *parameters)
    return Overload(
        match["name"].replace("·", "."),
        bool(match["receiver"]),
        parameters,
        _type(match["result"], 0)[0],
        implementation,
    )


def _types(text: str) -> tuple[Type, ...]:
    found: list[Type] = []
    at = 0
    while at < len(text):
        kind, at = _type(text, at)
        found.append(kind)
        at += 1
    return tuple(found)


def _type(text: str, at: int) -> tuple[Type, int]:
    match = _WORD.match(text, at)
    if match is None:
        raise ValueError(f"no type at {text[at:]!r}")
    name, at = match[1], match.end()
    if name in _NAMED:
        return _NAMED[name], at
    if not text.startswith("(", at):
        return Variable(name), at
    parts: list[Type] = []
    while text[at] != ")":
        part, at = _type(text, at + 1)
        parts.append(part)
    at += 1
    match name:
        case "list":
            return ListType(parts[0]), at
        case "map":
            return MapType(parts[0], parts[1]), at
        case _:
            return OptionalType(parts[0]), at
