"""The expression language itself: values, errors, and what is refused before anything runs."""

from __future__ import annotations

from typing import Any

import cel as other_implementation
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hack.localcluster.apiserver.schema.expressions.errors import CompileError, EvaluationError
from hack.localcluster.apiserver.schema.expressions.program import Program, compile_rule
from hack.localcluster.apiserver.schema.expressions.types import DYN, type_of
from hack.localcluster.apiserver.schema.node import parse

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
            "free": {"x-kubernetes-preserve-unknown-fields": True},
        },
    }
)


def program(rule: str) -> Program:
    kind = type_of(SCHEMA)
    assert kind is not None
    return compile_rule(rule, kind)


def holds(rule: str, **value: Any) -> Any:
    return program(rule).evaluate(value, None)


@pytest.mark.parametrize(
    "rule",
    [
        "self.count == 3",
        "self.count + 2 * 3 == 9",
        "(self.count + 2) * 3 == 15",
        "-7 / 2 == -3 && -7 % 2 == -1",
        "10 - 3 - 2 == 5",
        "1 < 1.5 && 2u > 1",
        "self.ratio < 1.0",
        "size(self.name) == 3",
        "self.name.size() == 3",
        "self.name == 'héé'",
        "self.name != 'x' ? self.count > 1 : false",
        "'a' + 'b' == 'ab'",
        'r"\\d" == "\\\\d"',
        "'''a\nb''' == 'a\\nb'",
        "self.names == ['a', 'b']",
        "self.names.all(n, size(n) == 1)",
        "self.names.exists(n, n == 'b')",
        "self.names.exists_one(n, n == 'b')",
        "self.names.filter(n, n != 'a') == ['b']",
        "self.names.map(n, n + '!') == ['a!', 'b!']",
        "self.names.map(n, n == 'a', n + '!') == ['a!']",
        "self.names.all(i, n, i < 2 && n != '')",
        "self.names[1] == 'b'",
        "'a' in self.names && !('z' in self.names)",
        "self.labels['k'] == 'v' && self.labels.k == 'v'",
        "'k' in self.labels && self.labels.all(k, k == 'k')",
        "self.labels.exists(k, v, k == 'k' && v == 'v')",
        "has(self.nested) && has(self.nested.count) && !has(self.on)",
        "has(self.labels.k) && !has(self.labels.z)",
        "self.size == 5",
        "type(self.size) == int",
        "string(self.size) == '5'",
        "string(1.5) == '1.5' && string(2.0) == '2' && string(true) == 'true'",
        "int('7') == 7 && double('1.5') == 1.5 && bool('true')",
        "duration('1h30m') > duration('1h') && duration('90s') == duration('1m30s')",
        "duration('1h') + duration('30m') == duration('90m') && duration('90m').getMinutes() == 90",
        "timestamp('2026-01-01T00:00:00Z') + duration('24h') == timestamp('2026-01-02T00:00:00Z')",
        "isQuantity('1Gi') && !isQuantity('1GB')",
        "quantity('1Gi').compareTo(quantity('1024Mi')) == 0",
        "quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('1').isLessThan(quantity('2'))",
        "quantity('1Gi').add(quantity('1Gi')).sub(quantity('2Gi')).sign() == 0",
        "quantity('50k').add(20).sub(20).asInteger() == 50000",
        "'abc'.matches('b') && !'abc'.matches('^b')",
        "'a,b'.split(',') == ['a', 'b'] && ['a', 'b'].join('-') == 'a-b'",
        "'Ab'.lowerAscii() == 'ab' && ' a '.trim() == 'a' && 'abc'.substring(1, 2) == 'b'",
        "'a1b22'.findAll('[0-9]+') == ['1', '22'] && 'a1'.find('[0-9]') == '1'",
        "[3, 1].max() == 3 && [1, 2].sum() == 3 && [1, 2].isSorted() && [1, 2].indexOf(2) == 1",
        "sets.contains(['a', 'b'], ['b']) && sets.equivalent([1, 2], [2, 1, 1])",
        "optional.of(1).orValue(2) == 1 && optional.none().orValue(2) == 2",
        "self.?nested.?count.orValue(0) == 4 && self.?on.orValue(true)",
        "self.?name.optMap(n, n + '!').orValue('') == 'héé!'",
        "self.__namespace__ == 'x' && self.dash__dash__ed == 'y'",
        "true || self.count / 0 == 1",
        "self.count / 0 == 1 || true",
        "!(self.count / 0 == 1 && false)",
        "[1, 2].exists(n, 2 / (n - 1) == 2)",
        "dyn(1) == 1 && dyn(1) != 'a'",
        "{'a': 1}.a == 1 // a comment",
        "[].size() == 0 && [[], [1]].size() == 2",
        "self.nested == self.nested",
    ],
)
def test_it_holds(rule: str) -> None:
    assert (
        holds(
            rule,
            name="héé",
            count=3,
            ratio=0.5,
            size=5,
            names=["a", "b"],
            labels={"k": "v"},
            nested={"count": 4},
            namespace="x",
            **{"dash-ed": "y"},
        )
        is True
    )


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("self.nested.count == 1", "no such key: nested"),
        ("has(self.nested.count)", "no such key: nested"),
        ("self.labels['z'] == ''", "no such key: z"),
        ("self.names[5] == ''", "index out of bounds: 5"),
        ("self.count / 0 == 1", "division by zero"),
        ("self.count * 9223372036854775807 == 1", "integer overflow"),
        ("self.size + 1 == 6", "no such overload"),
        ("self.size.startsWith('a')", "no such overload"),
        ("isQuantity(self.size) || self.size > 1", "no such overload"),
        ("duration(self.name) > duration('0s')", "type conversion error from 'string' to 'google.protobuf.Duration'"),
        ("quantity(self.name).sign() == 0", "quantities must match the regular expression"),
        ("int(self.name) == 1", 'strconv.ParseInt: parsing "a": invalid syntax'),
        ("optional.none().value() == 1", "optional.none() dereference"),
    ],
)
def test_an_expression_without_a_value_says_why(rule: str, message: str) -> None:
    with pytest.raises(EvaluationError, match="^" + message.replace("(", r"\(").replace(")", r"\)")):
        holds(rule, name="a", count=3, size=b"bytes", names=[], labels={})


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("self.typo == 1", "undefined field 'typo'"),
        ("self.free == 1", "undefined field 'free'"),
        ("self.name.first == 1", "type 'string' does not support field selection"),
        ("other == 1", "undeclared reference to 'other' (in container '')"),
        ("nosuch(self.name)", "undeclared reference to 'nosuch' (in container '')"),
        ("self.name == 1", "found no matching overload for '_==_' applied to '(string, int)'"),
        ("self.nested == self", "found no matching overload for '_==_' applied to '(object, object)'"),
        ("self.count == 1.0", "found no matching overload for '_==_' applied to '(int, double)'"),
        ("self.count + 'a' == 'a'", "found no matching overload for '_+_' applied to '(int, string)'"),
        ("quantity(self.count) == quantity('1')", "found no matching overload for 'quantity' applied to '(int)'"),
        ("self.name.contains(1)", "found no matching overload for 'contains' applied to 'string.(int)'"),
        ("size(self.count) == 1", "found no matching overload for 'size' applied to '(int)'"),
        ("[1, 'a'].size() == 2", "expected type 'int' but found 'string'"),
        ("{'a': 1, 'b': 'c'}.size() == 2", "expected type 'int' but found 'string'"),
        ("self.on ? 1 : 'a'", "found no matching overload for '_?_:_' applied to '(bool, int, string)'"),
        ("self.count && true", "expected type 'bool' but found 'int'"),
        ("self.count.all(x, true)", "expression of type 'int' cannot be range of a comprehension"),
        ("self.names.all(n, n)", "expected type 'bool' but found 'string'"),
        ("self.name", "cel expression must evaluate to a bool"),
        ("self.count ==", "Syntax error: mismatched input '<EOF>'"),
        ("self.name == 'a", "Syntax error: token recognition error"),
        ("self.namespace == ''", "undefined field 'namespace'"),
        ("package == 1", "reserved identifier: package"),
        ("duration('1d') > duration('0s')", "invalid duration argument"),
        ("self.name.matches('(?=a)')", "invalid matches argument"),
        ("isIP(self.name)", "the local API server has no function 'isIP'"),
        ("has(self)", "invalid argument to has() macro"),
        ("(" * 200 + "true" + ")" * 200, "expression recursion limit exceeded"),
    ],
)
def test_a_wrong_rule_is_refused_before_it_runs(rule: str, problem: str) -> None:
    with pytest.raises(CompileError) as caught:
        program(rule)

    assert caught.value.problem.startswith(problem)


def test_an_error_shows_its_place() -> None:
    with pytest.raises(CompileError) as caught:
        program("true &&\n  self.typo == 1")

    assert str(caught.value) == "ERROR: <input>:2:7: undefined field 'typo'\n |   self.typo == 1\n | ......^"


def test_only_a_variable_named_old_self_makes_a_transition_rule() -> None:
    assert program("self == oldSelf").uses_old_self
    assert program("self.names.all(n, n in oldSelf.names)").uses_old_self
    assert not program("self.names.all(oldSelf, oldSelf != '')").uses_old_self


OPERANDS = st.sampled_from(["a", "b", "1", "2", "-3", "0", "a + b", "a * 2", "b - a"])
COMPARISONS = st.builds("({} {} {})".format, OPERANDS, st.sampled_from(["<", "<=", "==", "!=", ">", ">="]), OPERANDS)
RULES = st.recursive(
    COMPARISONS,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["&&", "||"]), inner)
        | st.builds("!{}".format, inner)
        | st.builds("({} ? {} : {})".format, inner, inner, inner)
        | st.builds("[a, b, 1].all(x, x > a || {})".format, inner)
        | st.builds("[a, b, 1].exists(a, {})".format, inner)
    ),
    max_leaves=6,
)


@given(rule=RULES, a=st.integers(-5, 5), b=st.integers(-5, 5))
def test_another_implementation_comes_to_the_same_result(rule: str, a: int, b: int) -> None:
    ours = compile_rule(_over_self(rule), DYN).evaluate([a, b], None)

    assert ours == other_implementation.evaluate(rule, {"a": a, "b": b})


def _over_self(source: str) -> str:
    """The same expression, its variables bound by loops over `self` instead of given from outside."""
    return f"[self[0]].all(a, [self[1]].all(b, {source}))"
