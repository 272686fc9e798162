"""Texts of built-in kinds that stand for something else: times and bytes."""

from __future__ import annotations

import re
import string
from typing import Any

_TIME = "io.k8s.apimachinery.pkg.apis.meta.v1.Time"
_MICRO_TIME = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"
_SECONDS = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d")
_ZONE = r"([Zz]|[+-]\d\d:\d\d)"
_FRACTION = {_TIME: re.compile(rf"(\.\d+)?{_ZONE}"), _MICRO_TIME: re.compile(rf"\.\d{{6}}{_ZONE}")}
_LAYOUT = {_TIME: "2006-01-02T15:04:05Z07:00", _MICRO_TIME: "2006-01-02T15:04:05.000000Z07:00"}
_WANTED = {_TIME: "Z07:00", _MICRO_TIME: ".000000"}
_BASE64 = frozenset(string.ascii_letters + string.digits + "+/")


def unreadable(definition: str, schema: dict[str, Any], text: str) -> str:
    """Why `text` can't be read as what its schema says it is; empty when it can."""
    if definition in _LAYOUT:
        return _time(definition, text)
    return _base64(text) if schema.get("format") == "byte" else ""


def _time(definition: str, text: str) -> str:
    began = _SECONDS.match(text)
    rest, wanted = (text[began.end() :], _WANTED[definition]) if began else (text, "2006")
    if began and _FRACTION[definition].fullmatch(rest):
        return ""
    return f'parsing time "{text}" as "{_LAYOUT[definition]}": cannot parse "{rest}" as "{wanted}"'


def _base64(text: str) -> str:
    digits = text.rstrip("=")
    wrong = next((index for index, digit in enumerate(digits) if digit not in _BASE64), -1)
    if wrong < 0 and (len(text) % 4 or len(text) - len(digits) > 2):
        wrong = len(digits)
    return f"illegal base64 data at input byte {wrong}" if wrong >= 0 else ""
