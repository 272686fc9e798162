"""Expressions mean what they mean on a real API server, or are refused."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from hack.localcluster.apiserver.schema.expression import CompileError, EvaluationError, Expression
from hack.localcluster.apiserver.schema.node import parse
from hack.localcluster.apiserver.schema.values import convert

SCHEMA = parse(
    {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "count": {"type": "integer"},
            "ratio": {"type": "number"},
            "on": {"type": "boolean"},
            "size": {"x-kubernetes-int-or-string": True},
            "names": {"type": "array", "items": {"type": "string"}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "nested": {"type": "object", "properties": {"count": {"type": "integer"}}},
            "namespace": {"type": "string"},
            "dash-ed": {"type": "string"},
            "wait": {"type": "string", "format": "duration"},
            "at": {"type": "string", "format": "date-time"},
        },
    }
)
VALUE = {
    "name": "héé",
    "count": 3,
    "ratio": 2,
    "size": 5,
    "names": ["a", "b"],
    "labels": {"k": "v"},
    "nested": {"count": 4},
    "namespace": "x",
    "dash-ed": "y",
    "wait": "1h30m",
    "at": "2026-01-01T01:00:00+01:00",
}


def holds(rule: str, **value: Any) -> bool:
    return Expression(rule).holds(convert(value, SCHEMA), None)


@pytest.mark.parametrize(
    "rule",
    [
        # counted in characters, and the same words in texts and comments are left alone
        "size(self.name) == 3 && self.name.size() == 3 && size(self.names) == 2 && self.labels . size () == 1",
        "'size(self)' + r'\\size(' + \"'size(\" == '''size(self)\\\\size('size(''' // size(self.count)",
        "self.name.matches('^h') && !self.name.matches('^é') && self.name.matches(r'[^\\w]+$')",
        "!'٣'.matches('[\\\\d]') && '3'.matches('[[:digit:]]')",
        "string(self.size) == '5' && string(self.name) == self.name && string(false) == 'false'",
        "string(1.5) == '1.5' && string(self.ratio) == '2' && string(duration('1h')) == '3600s'",
        "self.at.getHours() == 0 && self.at < timestamp('2026-01-01T00:00:01Z')",
        "self.at == timestamp('2026-01-01T00:00:00Z') && timestamp('2026-01-01T01:00:00+01:00').getHours() == 0",
        "self.ratio == 2.0 && type(self.ratio) == double && type(self.size) == int",
        "self.wait == duration('90m') && self.wait > duration('1.5h') - duration('1s')",
        "duration('1µs') > duration('0') && duration('-1s') < duration('0s') && duration('1us') == duration('1000ns')",
        "isQuantity('1Gi') && !isQuantity('1GB') && !isQuantity('')",
        "quantity('1Gi').compareTo(quantity('1024Mi')) == 0 && quantity('1Gi') == quantity('1024Mi')",
        "quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('500m').isLessThan(quantity('1'))",
        "self.__namespace__ == 'x' && self.dash__dash__ed == 'y'",
        "has(self.nested.count) && !has(self.on) && !has(self.labels.z)",
        "self.labels.all(k, k == 'k') && 'k' in self.labels && self.labels['k'] == self.labels.k",
        "self.names.exists_one(n, n == 'b') && self.names.map(n, n + '!') == ['a!', 'b!']",
        "true || duration('1d') > duration('0s')",
        "self.count / 0 == 1 || true",
    ],
)
def test_it_holds(rule: str) -> None:
    assert holds(rule, **VALUE)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("self.nested.count == 1", "no such key: nested"),
        ("has(self.nested.count)", "no such key: nested"),
        ("self.labels['z'] == ''", "no such key: z"),
        ("self.names[5] == ''", "index out of bounds: 5"),
        ("self.count / 0 == 1", "division by zero"),
        ("self.count % 0 == 1", "modulus by zero"),
        ("self.count * 9223372036854775807 == 1", "integer overflow"),
        ("self.size + 1 == 6", "no such overload"),
        ("self.count.startsWith('a')", "no such overload"),
        ("isQuantity(self.count)", "no such overload"),
        ("size(self.count) == 1", "no such overload"),
        ("quantity('1').compareTo('1') == 0", "no such overload"),
        ("string(self.names) == ''", "no such overload"),
        ("duration(self.name) > duration('0s')", "type conversion error from 'string' to 'google.protobuf.Duration'"),
        (
            "timestamp('2026-01-01') == timestamp('')",
            "type conversion error from 'string' to 'google.protobuf.Timestamp'",
        ),
        ("string(timestamp('2026-01-01T00:00:00Z')) == ''", "the local API server does not write times as text"),
        ("quantity(self.name).compareTo(quantity('1')) == 0", "quantities must match the regular expression '"),
        ("self.name.matches('(?=a)')", "error parsing regexp: "),
        ("self.name", "cel expression must evaluate to a bool"),
    ],
)
def test_an_expression_without_a_value_says_why(rule: str, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        holds(rule, name="a", count=3, size="5", names=[], labels={})

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("text", ["9999999h", "1h-5m", "NaNh", "infh", "1e5h", "1 h", "1d", "5", "", "1ns"])
def test_a_duration_that_a_real_server_refuses_or_that_is_too_fine_has_no_value(text: str) -> None:
    with pytest.raises(EvaluationError):
        holds(f"duration('{text}') >= duration('0s')")


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("other == 1", "undeclared reference to 'other' (in container '')"),
        ("nosuch(self.name)", "undeclared reference to 'nosuch' (in container '')"),
        ("isIP(self.name)", "undeclared reference to 'isIP' (in container '')"),
        ("self.name.lowerAscii() == 'a'", "undeclared reference to 'lowerAscii' (in container '')"),
        ("self.names.all(n, m, n < 2)", "undeclared reference to 'all' (in container '')"),
        ("self.labels.optMap(k, k)", "undeclared reference to 'k' (in container '')"),
        ("self.?name.orValue('') == ''", "ERROR: <input>:1:5: unsupported syntax '.?'"),
        ("self.count ==", "ERROR: <input>:1:14: Syntax error: mismatched input '<EOF>'"),
        ("self.name == 'a", "ERROR: <input>:1:14: Syntax error: token recognition error"),
        ("package == 1", "ERROR: <input>:1:1: reserved identifier: package"),
        ("has(self)", "ERROR: <input>:1:5: invalid argument to has() macro"),
        ("(" * 200 + "true" + ")" * 200, "ERROR: "),
    ],
)
def test_what_is_no_expression_or_is_not_known_here_is_refused_before_it_runs(rule: str, problem: str) -> None:
    with pytest.raises(CompileError) as caught:
        Expression(rule)

    assert str(caught.value).startswith(problem)


def test_only_a_variable_named_old_self_makes_a_transition_rule() -> None:
    assert Expression("self == oldSelf").uses_old_self
    assert Expression("self.names.all(n, n in oldSelf.names)").uses_old_self
    assert not Expression("self.names.all(oldSelf, oldSelf != '')").uses_old_self


def test_the_fields_that_are_read_are_known_but_for_those_of_loops_and_texts() -> None:
    source = "self.a.b.size() > 1 && has(oldSelf.c) && self.d.all(e, e.f != 'self.g') // self.h"

    assert Expression(source).fields == [("a", "b"), ("c",), ("d",)]


def test_a_compiled_rule_serves_every_thread() -> None:
    rule = Expression("self.count == 3")
    found: list[bool] = []

    thread = threading.Thread(target=lambda: found.append(rule.holds({"count": 3}, None)))
    thread.start()
    thread.join(timeout=10)

    assert found == [True]
