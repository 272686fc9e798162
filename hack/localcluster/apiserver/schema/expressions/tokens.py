"""The words of an expression."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from .errors import CompileError

RESERVED: Final = frozenset(
    {
        "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package",
        "namespace", "return", "var", "void", "while",
    }
)  # fmt: skip
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_TOKEN: Final = re.compile(
    r"""
    (?P<space>[ \t\r\n\f]+|//[^\n]*)
  | (?P<bytes>[bB](?:[rR])?(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
  | (?P<string>[rR]?(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''))
  | (?P<raw>[rR](?:"[^"\n]*"|'[^'\n]*'))
  | (?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
  | (?P<double>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)
  | (?P<uint>0x[0-9a-fA-F]+[uU]|[0-9]+[uU])
  | (?P<int>0x[0-9a-fA-F]+|[0-9]+)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<sign>\|\||&&|==|!=|<=|>=|\.\?|\[\?|[-+*/%!<>?:.,()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(
    r"\\(x[0-9a-fA-F]{2}|X[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2}|.)", re.S
)
_SIMPLE_ESCAPES: Final = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "'": "'", '"': '"', "`": "`", "?": "?",
}  # fmt: skip
_INT_MAXIMUM: Final = 2**63 - 1


class Kind(Enum):
    """What a token is."""

    LITERAL = "literal"
    NAME = "name"
    SIGN = "sign"
    END = "end"


@dataclass(frozen=True, slots=True)
class Uint:
    """An unsigned number, which CEL keeps apart from the signed ones."""

    value: int


@dataclass(frozen=True, slots=True)
class Token:
    """One word: its text, where it starts, and the value of a literal."""

    kind: Kind
    text: str
    offset: int
    value: Any = None


def tokens(source: str) -> Iterator[Token]:
    """The words of `source`, then one END."""
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise CompileError(source, at, f"Syntax error: token recognition error at: '{source[at]}'")
        if match.lastgroup != "space":
            yield _token(source, match)
        at = match.end()
    yield Token(Kind.END, "<EOF>", at)


def _token(source: str, match: re.Match[str]) -> Token:
    text, at = match.group(), match.start()
    match match.lastgroup:
        case "sign":
            return Token(Kind.SIGN, text, at)
        case "name":
            if text in _CONSTANTS:
                return Token(Kind.LITERAL, text, at, _CONSTANTS[text])
            return Token(Kind.SIGN if text == "in" else Kind.NAME, text, at)
        case "double":
            return Token(Kind.LITERAL, text, at, float(text))
        case "uint":
            return Token(Kind.LITERAL, text, at, Uint(int(text[:-1], 0) if "x" in text else int(text[:-1])))
        case "int":
            # one more than the maximum may follow a minus sign; the parser looks at that
            value = int(text, 16) if text.startswith("0x") else int(text)
            if value > _INT_MAXIMUM + 1:
                raise CompileError(source, at, "invalid int literal")
            return Token(Kind.LITERAL, text, at, value)
        case _:
            return Token(Kind.LITERAL, text, at, _string(source, text, at))


def _string(source: str, text: str, at: int) -> str | bytes:
    prefix = text[: next(index for index, letter in enumerate(text) if letter in "\"'")].lower()
    quoted = text[len(prefix) :]
    width = 3 if quoted[:3] in ('"""', "'''") and len(quoted) >= 6 else 1
    content = quoted[width:-width]
    if "r" not in prefix:
        content = _ESCAPE.sub(lambda match: _unescaped(source, match, at), content)
    return content.encode() if "b" in prefix else content


def _unescaped(source: str, match: re.Match[str], at: int) -> str:
    code = match[1]
    if code in _SIMPLE_ESCAPES:
        return _SIMPLE_ESCAPES[code]
    if code[0] in "xXuU":
        return chr(int(code[1:], 16))
    if len(code) == 3:
        return chr(int(code, 8))
    raise CompileError(source, at, f"Syntax error: token recognition error at: '\\{code}'")
