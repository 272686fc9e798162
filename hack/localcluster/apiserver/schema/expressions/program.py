"""One compiled expression over `self` and `oldSelf`."""

from __future__ import annotations

from typing import Any

from .compiler import Compiler, Typed
from .errors import CompileError
from .syntax import parse
from .types import BOOL, DYN, STRING, OptionalType, Type
from .values import Optional


class Program:
    """A rule or a message expression; immutable and safe to share."""

    __slots__ = ("_optional", "_run", "uses_old_self")

    def __init__(self, typed: Typed, *, uses_old_self: bool, optional: bool) -> None:
        self._run = typed.run
        self._optional = optional
        self.uses_old_self = uses_old_self

    def evaluate(self, value: Any, old: Any | None) -> Any:
        """The value for this `self`; `old` is None where there is none. Raises EvaluationError."""
        if self._optional:
            old = Optional() if old is None else Optional.of(old)
        return self._run({"self": value, "oldSelf": old})


def compile_rule(source: str, self_type: Type, *, optional_old_self: bool = False) -> Program:
    """A rule, which gives a boolean; raises CompileError with the server's words."""
    return _compile(source, self_type, BOOL, "cel expression must evaluate to a bool", optional=optional_old_self)


def compile_message(source: str, self_type: Type, *, optional_old_self: bool = False) -> Program:
    """A messageExpression, which gives a text; raises CompileError with the server's words."""
    return _compile(
        source, self_type, STRING, "messageExpression must evaluate to a string", optional=optional_old_self
    )


def _compile(source: str, self_type: Type, wanted: Type, problem: str, *, optional: bool) -> Program:
    old_type = OptionalType(self_type) if optional else self_type
    compiler = Compiler(source, {"self": self_type, "oldSelf": old_type})
    typed = compiler.compile(parse(source))
    if typed.type not in (wanted, DYN):
        raise CompileError(source, 0, problem)
    return Program(typed, uses_old_self="oldSelf" in compiler.used, optional=optional)
