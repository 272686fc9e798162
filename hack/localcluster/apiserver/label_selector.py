"""Label selectors such as `app=x,tier in (a,b),!old`, read as k8s.io/apimachinery labels.Parse reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from hack.localcluster.apiserver.metadata import QUALIFIED_TEXT, VALUE_TEXT
from hack.localcluster.apiserver.status import StatusError, bad_request

Labels = Mapping[str, str]
Test = Callable[[Labels], bool]

_TOKEN = re.compile(r"\s*([^\s!=<>(),]+|!=|==|=|!|<|>|\(|\)|,)")
_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_SYMBOLS = frozenset(("!=", "==", "=", "!", "<", ">", "(", ")", ","))


def parse(text: str) -> list[Test]:
    """The requirements of a selector, all of which must hold; 400 when it can't be read."""
    return _Parser(_TOKEN.findall(text)).requirements()


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def requirements(self) -> list[Test]:
        found: list[Test] = []
        while True:
            if self._peek() == "":
                return found
            if self._peek() in _SYMBOLS - {"!", ","}:
                raise _refused(f"found '{self._peek()}', expected: !, identifier, or 'end of string'")
            found.append(self._requirement())
            follows = self._next()
            if follows == "":
                return found
            if follows != ",":
                raise _refused(f"found '{follows}', expected: ',' or 'end of string'")
            if self._peek() in _SYMBOLS - {"!"} or self._peek() == "":
                raise _refused(f"found '{self._peek()}', expected: identifier after ','")

    def _requirement(self) -> Test:
        absent = self._peek() == "!"
        if absent:
            self._next()
        key = self._next()
        if key in _SYMBOLS or not key:
            raise _refused(f"found '{key}', expected: identifier")
        if not _KEY.fullmatch(key):
            raise _refused(f'<nil>: Invalid value: "{key}": {QUALIFIED_TEXT}')
        if absent:
            return lambda labels: key not in labels
        if self._peek() in ("", ","):
            return lambda labels: key in labels
        return self._operation(key)

    def _operation(self, key: str) -> Test:
        operator = self._next()
        if operator in ("in", "notin"):
            values = self._values(key)
            return lambda labels: (labels.get(key) in values) is (operator == "in")
        if operator not in ("=", "==", "!="):
            raise _refused(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")
        value = self._exact(key)
        return lambda labels: (labels.get(key) == value) is (operator != "!=")

    def _exact(self, key: str) -> str:
        if self._peek() in ("", ","):
            return ""
        value = self._next()
        if value in _SYMBOLS:
            raise _refused(f"found '{value}', expected: identifier")
        return _checked(key, value)

    def _values(self, key: str) -> frozenset[str]:
        if (token := self._next()) != "(":
            raise _refused(f"found '{token}' expected: '('")
        values: set[str] = set()
        expects_value = True
        while (token := self._next()) != ")":
            if token == ",":
                if expects_value:
                    values.add("")
                expects_value = True
            elif token in _SYMBOLS or not token:
                raise _refused(f"found '{token}', expected: ',', ')' or identifier")
            else:
                values.add(_checked(key, token))
                expects_value = False
        if expects_value:
            values.add("")
        return frozenset(values)

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token


def _checked(key: str, value: str) -> str:
    if not _VALUE.fullmatch(value):
        raise _refused(f'values[0][{key}]: Invalid value: "{value}": {VALUE_TEXT}')
    return value


def _refused(why: str) -> StatusError:
    return bad_request(f"unable to parse requirement: {why}")
