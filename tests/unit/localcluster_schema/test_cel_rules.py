"""Rules of a schema: where they run, what they see, and what they say."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from hack.localcluster.apiserver.schema.cel import CelRules, check_defaults, compile_rules
from hack.localcluster.apiserver.schema.errors import Reason, SchemaError
from hack.localcluster.apiserver.schema.structural import prepare

Json = dict[str, Any]


def rule(text: str, message: str = "refused", **more: Any) -> Json:
    return {"rule": text, "message": message, **more}


def with_rules(schema: Json, *rules: Json) -> Json:
    return {**schema, "x-kubernetes-validations": list(rules)}


def root(spec: Json, *rules: Json) -> Json:
    return with_rules({"type": "object", "properties": {"spec": spec}}, *rules)


def spec_of(properties: Json, *rules: Json) -> Json:
    return root(with_rules({"type": "object", "properties": properties}, *rules))


def said(schema: Json, new: Any, old: Any = None) -> list[str]:
    rules = compile_rules(schema)
    return [str(error) for error in rules.validate({"spec": new}, None if old is None else {"spec": old})]


TEXT = {"type": "string"}
NUMBER = {"type": "integer"}


def test_a_broken_rule_of_an_object_is_said_without_its_value() -> None:
    schema = spec_of({"a": TEXT, "b": TEXT}, rule("has(self.a) != has(self.b)", "exactly one of a and b must be set"))

    assert said(schema, {"a": "x"}) == []
    assert said(schema, {"a": "x", "b": "y"}) == ["spec: Invalid value: exactly one of a and b must be set"]


def test_a_broken_rule_of_a_scalar_is_said_with_its_value() -> None:
    schema = spec_of({"n": with_rules(NUMBER, rule("self < 5", "must be less than 5"))})

    assert said(schema, {"n": 7}) == ["spec.n: Invalid value: 7: must be less than 5"]


def test_without_a_message_the_rule_itself_is_said() -> None:
    schema = spec_of({"n": with_rules(NUMBER, {"rule": " self < 5 "})})

    assert said(schema, {"n": 7}) == ["spec.n: Invalid value: 7: failed rule: self < 5"]


def test_a_field_path_leads_to_the_field_below() -> None:
    schema = spec_of(
        {"metadata": {"type": "object", "properties": {"type": TEXT}}},
        rule("self.metadata.type != 'x'", fieldPath=".metadata.type"),
    )

    assert said(schema, {"metadata": {"type": "x"}}) == ["spec.metadata.type: Invalid value: refused"]


def test_a_rule_at_the_root_has_no_path() -> None:
    schema = root({"type": "object"}, rule("size(self.metadata.name) <= 3", "too long a name"))
    rules = compile_rules(schema)

    assert rules.validate({"metadata": {"name": "abc"}}, None) == []
    assert [str(error) for error in rules.validate({"metadata": {"name": "abcd"}}, None)] == [
        "<nil>: Invalid value: too long a name"
    ]


def test_of_metadata_a_rule_sees_the_name_only() -> None:
    with pytest.raises(SchemaError, match="undefined field 'labels'"):
        compile_rules(root({"type": "object"}, rule("has(self.metadata.labels)")))


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("FieldValueForbidden", "Forbidden: refused"),
        ("FieldValueRequired", "Required value: refused"),
        ("FieldValueDuplicate", "Duplicate value: 1"),
        ("FieldValueInvalid", "Invalid value: 1: refused"),
    ],
)
def test_the_reason_of_a_rule_becomes_the_reason_of_the_error(reason: str, message: str) -> None:
    rules = compile_rules(spec_of({"n": with_rules(NUMBER, rule("false", reason=reason))}))

    (error,) = rules.validate({"spec": {"n": 1}}, None)

    assert (error.field, error.reason, error.message) == ("spec.n", Reason(reason), message)


def test_a_message_expression_sees_the_values_and_falls_back_to_the_message() -> None:
    limited = rule("self.n < self.limit", "too many", messageExpression="'must be under ' + string(self.limit)")
    schema = spec_of({"n": NUMBER, "limit": NUMBER}, limited)

    assert said(schema, {"n": 9, "limit": 3}) == ["spec: Invalid value: must be under 3"]

    broken = rule("self.n < 0", "too many", messageExpression="string(self.limit)")
    assert said(spec_of({"n": NUMBER, "limit": NUMBER}, broken), {"n": 9}) == ["spec: Invalid value: too many"]


def test_a_failed_evaluation_is_an_error_of_the_type() -> None:
    schema = spec_of({"size": {"type": "object", "properties": {"x": NUMBER}}}, rule("self.size.x > 1", "too small"))

    assert said(schema, {}) == ['spec: Invalid value: "object": no such key: size evaluating rule: too small']


def test_values_of_the_wrong_type_in_an_int_or_string_say_so() -> None:
    schema = spec_of({"s": with_rules({"x-kubernetes-int-or-string": True}, rule("self > 5", "must be more"))})

    assert said(schema, {"s": 6}) == []
    (line,) = said(schema, {"s": "6"})
    assert line.startswith("spec.s: Invalid value: \"\": 'no such overload': call arguments did not match")
    assert line.endswith(" for rule: must be more")


def test_a_transition_rule_does_not_run_on_creation() -> None:
    schema = spec_of({"n": with_rules(NUMBER, rule("self >= oldSelf", "must not shrink"))})

    assert said(schema, {"n": 1}) == []
    assert said(schema, {"n": 1}, {}) == []
    assert said(schema, {"n": 1}, {"n": 1}) == []
    assert said(schema, {"n": 1}, {"n": 2}) == ["spec.n: Invalid value: 1: must not shrink"]


def test_removing_and_adding_a_field_needs_a_rule_above_it() -> None:
    fixed = rule("has(self.p) == has(oldSelf.p) && (!has(self.p) || self.p == oldSelf.p)", "p is fixed", fieldPath=".p")
    schema = spec_of({"p": TEXT}, fixed)

    assert said(schema, {"p": "a"}, {"p": "a"}) == []
    assert said(schema, {}, {"p": "a"}) == ["spec.p: Invalid value: p is fixed"]
    assert said(schema, {"p": "b"}, {"p": "a"}) == ["spec.p: Invalid value: p is fixed"]


def test_an_optional_old_self_runs_on_creation_too() -> None:
    only_at_creation = rule(
        "oldSelf.hasValue() ? self == oldSelf.value() : self == 1", "must start with 1", optionalOldSelf=True
    )
    schema = spec_of({"n": with_rules(NUMBER, only_at_creation)})

    assert said(schema, {"n": 1}) == []
    assert said(schema, {"n": 2}) == ["spec.n: Invalid value: 2: must start with 1"]
    assert said(schema, {"n": 2}, {"n": 2}) == []


def test_items_of_a_keyed_list_have_their_old_counterparts_wherever_they_stand() -> None:
    volumes = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": with_rules(
            {"type": "object", "required": ["name"], "properties": {"name": TEXT, "size": NUMBER}},
            rule("self.size >= oldSelf.size", "must not shrink"),
        ),
    }
    schema = spec_of({"volumes": volumes})
    old = {"volumes": [{"name": "a", "size": 5}, {"name": "b", "size": 1}]}

    assert said(schema, {"volumes": [{"name": "b", "size": 1}, {"name": "c", "size": 0}]}, old) == []
    assert said(schema, {"volumes": [{"name": "b", "size": 1}, {"name": "a", "size": 4}]}, old) == [
        "spec.volumes[1]: Invalid value: must not shrink"
    ]


def test_entries_of_a_map_have_their_old_counterparts() -> None:
    entries = {"type": "object", "additionalProperties": with_rules(NUMBER, rule("self >= oldSelf", "must grow"))}

    assert said(spec_of({"m": entries}), {"m": {"a": 1, "b": 0}}, {"m": {"a": 2}}) == [
        "spec.m[a]: Invalid value: 1: must grow"
    ]


def test_a_transition_rule_in_a_list_without_keys_is_refused() -> None:
    items = {"type": "array", "items": with_rules(TEXT, rule("self == oldSelf"))}

    with pytest.raises(SchemaError, match=r"uncorrelatable portion of the schema within .*properties\[names\]$"):
        compile_rules(spec_of({"names": items}))


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (rule("self.typo == 1"), "rule"),
        (rule("true", fieldPath=".typo"), "fieldPath"),
        (rule("true", messageExpression="1 +"), "messageExpression"),
        (rule("true", messageExpression="self.typo"), "messageExpression"),
        (rule("has(oldSelf.typo)"), "rule"),
        (rule("true", optionalOldSelf=True), "optionalOldSelf"),
    ],
)
def test_what_does_not_compile_is_refused_with_its_place(entry: Json, field: str) -> None:
    with pytest.raises(SchemaError) as caught:
        compile_rules(spec_of({"a": TEXT}, rule("true"), entry))

    (error,) = caught.value.errors
    assert error.field == f"openAPIV3Schema.properties[spec].x-kubernetes-validations[1].{field}"


def test_a_null_is_absent_for_a_rule() -> None:
    schema = spec_of({"a": {**with_rules(TEXT, rule("false")), "nullable": True}}, rule("!has(self.a)", "a is there"))

    assert said(schema, {"a": None}) == []


def test_numbers_have_the_type_that_the_schema_says() -> None:
    schema = spec_of({"r": with_rules({"type": "number"}, rule("self == 1.0 && type(self) == double"))})

    assert said(schema, {"r": 1}) == []


def test_times_and_durations_are_values_of_their_own() -> None:
    schema = spec_of(
        {
            "wait": with_rules({"type": "string", "format": "duration"}, rule("self <= duration('1h')")),
            "at": with_rules({"type": "string", "format": "date-time"}, rule("self.getFullYear() == 2026")),
        }
    )

    assert said(schema, {"wait": "30m", "at": "2026-01-01T00:00:00Z"}) == []
    assert said(schema, {"wait": "2h"}) == ['spec.wait: Invalid value: "2h": refused']


def test_the_order_of_a_typed_list_means_nothing_to_a_comparison() -> None:
    names = {"type": "array", "x-kubernetes-list-type": "set", "items": TEXT}
    ordered = {"type": "array", "items": TEXT}
    fixed = rule("self.names == oldSelf.names", "fixed")

    assert said(spec_of({"names": names}, fixed), {"names": ["a", "b"]}, {"names": ["b", "a"]}) == []
    assert said(spec_of({"names": ordered}, fixed), {"names": ["a", "b"]}, {"names": ["b", "a"]}) != []


def test_an_item_of_a_keyed_list_is_compared_with_its_counterpart() -> None:
    volumes = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "required": ["name"], "properties": {"name": TEXT, "size": NUMBER}},
    }
    schema = spec_of({"volumes": volumes}, rule("self.volumes == oldSelf.volumes", "fixed"))
    a, b = {"name": "a", "size": 1}, {"name": "b"}

    assert said(schema, {"volumes": [b, a]}, {"volumes": [a, b]}) == []
    assert said(schema, {"volumes": [b, {**a, "size": 2}]}, {"volumes": [a, b]}) != []
    assert said(schema, {"volumes": [b]}, {"volumes": [a, b]}) != []
    assert said(schema, {"volumes": [a, b]}, {"volumes": [b]}) != []


def test_a_wrong_type_is_found_when_an_object_is_written() -> None:
    """A real server refuses such a rule with its definition; the cel library knows no types before it runs."""
    untyped = spec_of({"a": TEXT}, rule("self.a", "named", messageExpression="size(self.a)"))
    assert said(untyped, {"a": "x"}) == [
        'spec: Invalid value: "object": cel expression must evaluate to a bool evaluating rule: named'
    ]
    assert said(spec_of({"a": TEXT}, rule("false", "named", messageExpression="size(self.a)")), {"a": "x"}) == [
        "spec: Invalid value: named"
    ]


def test_a_rule_where_the_type_is_left_open_is_refused() -> None:
    free = with_rules({"x-kubernetes-preserve-unknown-fields": True}, rule("true"))

    with pytest.raises(SchemaError, match="rules need a declared type"):
        compile_rules(spec_of({"free": free}))


def test_what_an_embedded_object_shows_is_what_the_root_shows() -> None:
    template = {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": {"type": "object"}}}
    schema = spec_of({"template": template}, rule("self.template.metadata.name != 'x' && self.template.kind == 'Pod'"))
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "y", "labels": {}}, "spec": {}}

    assert said(schema, {"template": pod}) == []
    assert said(schema, {"template": {**pod, "metadata": {"name": "x"}}}) == ["spec: Invalid value: refused"]


def test_what_broke_a_rule_before_may_stay_as_it_is() -> None:
    schema = spec_of({"a": with_rules(TEXT, rule("self != 'old'", "no longer allowed")), "b": TEXT})

    assert said(schema, {"a": "old", "b": "new"}, {"a": "old", "b": "x"}) == []
    assert said(schema, {"a": "old", "b": "new"}, {"a": "y", "b": "x"}) == [
        'spec.a: Invalid value: "old": no longer allowed'
    ]


GROWING = with_rules(
    {
        "type": "object",
        "properties": {
            "size": {
                **with_rules(
                    {"x-kubernetes-int-or-string": True, "maxLength": 32},
                    rule(
                        "isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1Mi')) >= 0",
                        "must be at least 1Mi",
                    ),
                ),
                "default": "1Gi",
            }
        },
    },
    rule(
        "!has(oldSelf.size) || (has(self.size) && (!isQuantity(string(self.size)) "
        "|| quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) >= 0))",
        "can only grow",
        fieldPath=".size",
    ),
)


@pytest.mark.parametrize("size", ["abc", "10GB", "0Gi", "-1Gi", "500m", 5])
def test_a_size_that_is_no_or_too_small_a_quantity_is_refused(size: Any) -> None:
    assert [line.split(": ")[-1] for line in said(spec_of({"s": GROWING}), {"s": {"size": size}})] == [
        "must be at least 1Mi"
    ]


@pytest.mark.parametrize(
    ("new", "refusals"),
    [
        ({"size": "10Gi"}, []),
        ({"size": "10240Mi"}, []),
        ({"size": "11Gi"}, []),
        ({"size": "9Gi"}, ["can only grow"]),
        ({}, ["can only grow"]),
        ({"size": "bad"}, ["must be at least 1Mi"]),
    ],
)
def test_a_size_only_grows_and_a_bad_one_is_said_once(new: Json, refusals: list[str]) -> None:
    lines = said(spec_of({"s": GROWING}), {"s": new}, {"s": {"size": "10Gi"}})

    assert [line.split(": ")[-1] for line in lines] == refusals
    assert all(line.startswith("spec.s.size: ") for line in lines)


DURATION = rule("self.matches('^([0-9]{1,6}([.][0-9]{1,6})?(ms|s|m|h))+$') && duration(self) > duration('0s')")


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("30s", True),
        ("1h30m", True),
        ("1.5h", True),
        ("30", False),
        ("1d", False),
        ("0s", False),
        ("-5s", False),
        ("99999999h", False),
    ],
)
def test_a_duration_is_positive_and_has_a_unit(text: str, right: bool) -> None:
    schema = spec_of({"t": with_rules({**TEXT, "maxLength": 32}, DURATION)})

    assert said(schema, {"t": text}) == ([] if right else [f'spec.t: Invalid value: "{text}": refused'])


UNIQUE = rule(
    "self.all(p, self.exists_one(q, (has(p.user) ? 'u/' + p.user : has(p.group) ? 'g/' + p.group : 's/' + p.sid) == "
    "(has(q.user) ? 'u/' + q.user : has(q.group) ? 'g/' + q.group : 's/' + q.sid)))",
    "named twice",
)


def test_each_user_group_and_sid_is_named_once() -> None:
    item = with_rules(
        {"type": "object", "properties": {"user": TEXT, "group": TEXT, "sid": TEXT}},
        rule("(has(self.user)?1:0)+(has(self.group)?1:0)+(has(self.sid)?1:0) == 1", "exactly one"),
    )
    schema = spec_of({"p": with_rules({"type": "array", "items": item}, UNIQUE)})

    assert said(schema, {"p": [{"user": "a"}, {"group": "a"}, {"sid": "a"}]}) == []
    assert said(schema, {"p": [{"user": "a"}, {"user": "a"}]}) == ["spec.p: Invalid value: named twice"]
    assert said(schema, {"p": [{"user": "a", "group": "b"}]}) == ["spec.p[0]: Invalid value: exactly one"]


def test_declared_fields_of_a_free_form_object_can_be_seen() -> None:
    secret = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"secret": TEXT}}
    free = with_rules({**secret, "properties": {"jwt": secret}}, rule("!has(self.jwt) || !has(self.jwt.secret)"))

    assert said(spec_of({"free": free}), {"free": {"JWT": {"secret": "x"}, "other": 1}}) == []
    assert said(spec_of({"free": free}), {"free": {"jwt": {"secret": "x"}}}) == ["spec.free: Invalid value: refused"]


def one_of(default: Json | None) -> Json:
    """A database of one of two kinds, sqlite with a size, and a rule that tells them apart."""
    database = with_rules(
        {
            "type": "object",
            "properties": {
                "sqlite": {"type": "object", "default": {}, "properties": {"size": {**TEXT, "default": "1Gi"}}},
                "postgres": {"type": "object", "properties": {"name": TEXT}},
            },
        },
        rule("self.sqlite.size != ''", "sqlite has a size"),
    )
    return spec_of({"database": {**database, "default": default} if default is not None else database})


def test_a_default_is_judged_without_the_defaults_below_it() -> None:
    """The server refuses `default: {}` on an object whose rule reads a defaulted child, when the CRD is written."""
    (error,) = check_defaults(one_of({}))

    assert error.field == "openAPIV3Schema.properties[spec].properties[database].default"
    assert error.message == 'Invalid value: "object": no such key: sqlite evaluating rule: sqlite has a size'
    assert check_defaults(one_of({"sqlite": {"size": "1Gi"}})) == []


def test_transition_rules_judge_a_default_too() -> None:
    storage = with_rules(
        {"type": "object", "default": {}, "properties": {"size": {**TEXT, "default": "1Gi"}}},
        rule("self.size == oldSelf.size", "fixed"),
    )

    (error,) = check_defaults(spec_of({"storage": storage}))

    assert "no such key: size" in error.message


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ({"type": "integer", "maximum": 1, "default": 5}, "should be less than or equal to 1"),
        ({"type": "object", "default": {"a": 1}, "properties": {}}, "must not have unknown fields"),
        (with_rules({"type": "string", "default": "x"}, rule("self != 'x'", "no x")), "no x"),
    ],
)
def test_a_default_that_would_be_refused_is_refused_at_once(field: Json, problem: str) -> None:
    (error,) = check_defaults(spec_of({"f": field}))

    assert error.field == "openAPIV3Schema.properties[spec].properties[f].default"
    assert problem in error.message


def test_a_default_on_the_object_gives_exactly_one_kind_and_keeps_a_given_one() -> None:
    database = {
        **with_rules(
            {
                "type": "object",
                "properties": {"sqlite": {"type": "object"}, "postgres": {"type": "object"}},
            },
            rule("has(self.sqlite) != has(self.postgres)", "exactly one"),
        ),
        "default": {"sqlite": {}},
    }
    schema = spec_of({"database": database})

    def written(spec: Json) -> list[str]:
        obj = {"spec": copy.deepcopy(spec)}
        prepare(schema).default(obj)
        return said(schema, obj["spec"])

    assert written({}) == []
    assert written({"database": {"postgres": {}}}) == []
    assert written({"database": {}}) == ["spec.database: Invalid value: exactly one"]


def test_a_schema_without_rules_says_nothing() -> None:
    rules: CelRules = compile_rules({"type": "object"})

    assert rules.validate({"spec": {"a": 1}}, {"spec": {}}) == []
