"""Regular expressions of the RE2 dialect, which the API server speaks, on Python's engine."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

#: Groups that RE2 knows after "(?": everything else (look-around, atomic groups, conditionals) is refused.
_GROUP: Final = re.compile(r"\(\?(?:P?<(?P<name>[A-Za-z_]\w*)>|[imsU]*(?:-[imsU]+)?[:)])")
_POSIX: Final = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_POSSESSIVE: Final = re.compile(r"[*+?}]\+")
_UNKNOWN_ESCAPES: Final = "0123456789pPQEGhHRXkKZuUN"


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """`pattern` ready for an unanchored `search`; raises ValueError for what RE2 does not know."""
    translated = "".join(_translate(pattern))
    try:
        return re.compile(translated, re.ASCII)
    except re.error as error:
        raise ValueError(f"error parsing regexp: {error}: `{pattern}`") from error


def _translate(pattern: str) -> list[str]:
    out: list[str] = []
    at = 0
    while at < len(pattern):
        step = pattern[at]
        if step == "\\":
            piece, step = _escape(pattern, at)
        elif step == "[":
            piece, step = _character_class(pattern, at)
        elif step == "(" and pattern.startswith("(?", at):
            piece, step = _group(pattern, at)
        elif step == "$":
            # Python's $ also matches before a last newline
            piece = r"\Z"
        elif _POSSESSIVE.match(pattern, at):
            raise ValueError(f"error parsing regexp: invalid nested repetition operator: `{pattern}`")
        else:
            piece = step
        out.append(piece)
        at += len(step)
    return out


def _escape(pattern: str, at: int) -> tuple[str, str]:
    source = pattern[at : at + 2]
    if len(source) == 1:
        raise ValueError(f"error parsing regexp: trailing backslash at end of expression: `{pattern}`")
    if source == r"\z":
        return r"\Z", source
    if source[1] in _UNKNOWN_ESCAPES:
        raise ValueError(f"error parsing regexp: invalid escape sequence: `{source}`")
    return source, source


def _group(pattern: str, at: int) -> tuple[str, str]:
    match = _GROUP.match(pattern, at)
    if match is None:
        raise ValueError(f"error parsing regexp: invalid or unsupported Perl syntax: `{pattern[at : at + 3]}`")
    source = match.group()
    return (f"(?P<{match['name']}>" if match["name"] else source), source


def _character_class(pattern: str, at: int) -> tuple[str, str]:
    out = ["["]
    cursor = at + 1
    if pattern.startswith("^", cursor):
        out.append("^")
        cursor += 1
    first = True
    while cursor < len(pattern):
        step = pattern[cursor]
        if step == "]" and not first:
            return "".join([*out, "]"]), pattern[at : cursor + 1]
        end = pattern.find(":]", cursor)
        if pattern.startswith("[:", cursor) and end > 0:
            name = pattern[cursor + 2 : end]
            if name not in _POSIX:
                raise ValueError(f"error parsing regexp: invalid character class range: `{pattern[cursor:]}`")
            out.append(_POSIX[name])
            step = pattern[cursor : end + 2]
        elif step == "\\":
            piece, step = _escape(pattern, cursor)
            out.append(piece)
        else:
            # a bare "[", "&", "~" or "|" has no meaning in a class of RE2, but may have one in Python's
            out.append("\\" + step if step in "[&~|]" else step)
        cursor += len(step)
        first = False
    raise ValueError(f"error parsing regexp: missing closing ]: `{pattern[at:]}`")
