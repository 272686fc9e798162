"""One compiled CEL expression over `self` and `oldSelf`, on the `cel` library."""

from __future__ import annotations

import logging
import re
from typing import Any, Final

import cel

from .functions import BUILT_IN, FUNCTIONS

# The library logs each error of a function; it reaches the writer of the object anyway.
logging.getLogger("cel").addHandler(logging.NullHandler())

_OURS: Final = "kubernetes_"
#: Texts and comments, which stay as they are, or the name of a called function.
_CALL: Final = re.compile(
    r"""//[^\n]*|[bB]?[rR][bB]?(?:'{3}.*?'{3}|"{3}.*?"{3}|'[^']*'|"[^"]*")"""
    r"""|'{3}(?:\\.|.)*?'{3}|"{3}(?:\\.|.)*?"{3}|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\b(?P<name>[A-Za-z_]\w*)(?=\s*\()""",
    re.DOTALL,
)
_FIELDS: Final = re.compile(r"(?<![\w.])(?:self|oldSelf)((?:\s*\.\s*[A-Za-z_]\w*\b(?!\s*\())+)")
_BOUND: Final = re.compile(r"\.\s*(?:all|exists|exists_one|existsOne|filter|map)\s*\(\s*([A-Za-z_]\w*)\s*,")
_VARIABLES: Final = frozenset({"self", "oldSelf", "optional"})
_TYPES: Final = frozenset({"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"})
_FUNCTION_ERROR: Final = re.compile(
    r"Function '\w+' error: (?:Python function call failed: )?(.*?)\. Check .*", re.DOTALL
)


class CompileError(ValueError):
    """The expression is wrong whatever the object says."""


class EvaluationError(Exception):
    """The expression has no value for this object; the text is CEL's."""


class Expression:
    """A rule or a message expression; immutable and safe to share."""

    __slots__ = ("_optional", "_program", "fields", "uses_old_self")

    def __init__(self, source: str, *, optional_old_self: bool = False) -> None:
        """Raises CompileError for what is no CEL, and for names that the local API server doesn't know."""
        try:
            names = cel.compile(source).references()
        except ValueError as error:
            raise CompileError(str(error).removeprefix(f"Failed to parse expression '{source}': ")) from error
        code = _CALL.sub(_without_text, source)
        variables = set(names["variables"]).difference(_BOUND.findall(code))
        functions = {name for name in names["functions"] if name.isidentifier()}
        unknown = sorted((variables - _VARIABLES - _TYPES) | (functions - FUNCTIONS.keys() - BUILT_IN))
        if unknown:
            problem = f"undeclared reference to '{unknown[0]}' (in container '')"
            raise CompileError(f"{problem}: the local API server has CEL's standard functions and those of quantities")
        self.uses_old_self: bool = "oldSelf" in variables
        #: The fields that are read from self and oldSelf, by their paths.
        self.fields = [tuple(re.findall(r"\w+", path)) for path in _FIELDS.findall(code)]
        self._optional = optional_old_self
        # the library does not let its own functions be replaced: ours have names of their own
        self._program = cel.compile(_CALL.sub(_renamed, source))

    def holds(self, value: Any, old: Any | None) -> bool:
        """Does the rule hold for this `self`? `old` is None where there is none. Raises EvaluationError."""
        holds = self._evaluate(value, old)
        if not isinstance(holds, bool):
            raise EvaluationError("cel expression must evaluate to a bool")
        return holds

    def text(self, value: Any, old: Any | None) -> str:
        """The message for this `self`. Raises EvaluationError."""
        text = self._evaluate(value, old)
        if not isinstance(text, str):
            raise EvaluationError("messageExpression must evaluate to a string")
        return text

    def _evaluate(self, value: Any, old: Any | None) -> Any:
        if self._optional:
            old = cel.OptionalValue.none() if old is None else cel.OptionalValue.of(old)
        try:
            return self._program.execute(cel.Context({"self": value, "oldSelf": old}, _FUNCTIONS))
        except KeyError as error:
            raise EvaluationError(f"no such key: {error.args[0]}") from error
        except TypeError as error:
            raise EvaluationError("no such overload") from error
        except OverflowError as error:
            raise EvaluationError("integer overflow") from error
        except ZeroDivisionError as error:
            raise EvaluationError("modulus by zero" if "modulo" in str(error) else "division by zero") from error
        except (IndexError, RuntimeError, ValueError) as error:
            raise EvaluationError(_reason(str(error))) from error


_FUNCTIONS: Final = {f"{_OURS}{name}": function for name, function in FUNCTIONS.items()}


def _renamed(match: re.Match[str]) -> str:
    return f"{_OURS}{match['name']}" if match["name"] in FUNCTIONS else match[0]


def _without_text(match: re.Match[str]) -> str:
    return match[0] if match["name"] else "''"


def _reason(text: str) -> str:
    match = _FUNCTION_ERROR.fullmatch(text)
    reason = match[1] if match else text
    # the library names the type of a Python error before its text
    kind, _, detail = reason.partition(": ")
    if kind == "TypeError" or text.startswith("Undefined variable or function"):
        return "no such overload"
    return detail if kind == "ValueError" else reason
