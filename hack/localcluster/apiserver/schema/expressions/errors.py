"""What goes wrong with an expression, before and while it runs."""

from __future__ import annotations


class CompileError(ValueError):
    """The expression is wrong whatever the object says; the text has the server's form, with the place marked."""

    def __init__(self, source: str, offset: int, problem: str) -> None:
        before = source[:offset]
        line, column = before.count("\n") + 1, offset - (before.rfind("\n") + 1)
        snippet = source.split("\n")[line - 1].replace("\t", " ")
        mark = "." * column + "^"
        super().__init__(f"ERROR: <input>:{line}:{column + 1}: {problem}\n | {snippet}\n | {mark}")
        self.problem = problem


class EvaluationError(Exception):
    """The expression has no value for this object; the text is CEL's."""


def no_such_overload() -> EvaluationError:
    """The values are of types that the operator or function does not take."""
    return EvaluationError("no such overload")
