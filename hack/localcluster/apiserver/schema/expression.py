"""One compiled CEL expression, on the `cel` library with the functions that Kubernetes adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cel

from .quantity import parse_quantity


class EvaluationError(Exception):
    """The expression has no value for these variables; the text is CEL's."""


def _text(value: Any) -> str:
    return str(value)


def _is_quantity(text: str) -> bool:
    try:
        parse_quantity(text)
    except ValueError:
        return False
    return True


def _compare(one: dict[str, str], other: dict[str, str]) -> int:
    left, right = parse_quantity(one["quantity"]), parse_quantity(other["quantity"])
    return (left > right) - (left < right)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "isQuantity": _is_quantity,
    "quantity": lambda text: {"quantity": text},
    "compareTo": _compare,
    "string": _text,
}


class Expression:
    """A parsed expression over `self` and `oldSelf`."""

    def __init__(self, source: str) -> None:
        self._program = cel.compile(source)
        self.uses_old_self: bool = "oldSelf" in self._program.variables()

    def evaluate(self, variables: dict[str, Any]) -> Any:
        """The value; raises EvaluationError."""
        try:
            return self._program.execute(cel.Context(variables=variables, functions=_FUNCTIONS))
        except KeyError as error:
            raise EvaluationError(f"no such key: {error.args[0]}") from error
        except (ValueError, RuntimeError, TypeError, ArithmeticError, IndexError) as error:
            raise EvaluationError(str(error)) from error
