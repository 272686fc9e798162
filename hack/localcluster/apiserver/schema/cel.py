"""Validation rules (x-kubernetes-validations) of a schema: compiled once, evaluated for every object.

A rule sees the value at its place as `self`. A rule that uses `oldSelf` runs only where the value has a counterpart in
the old object. The root sees of metadata only name and generateName.

The `cel` library evaluates rules, and knows no types. A real API server checks the types of a rule when the definition
is written; here only misspelt fields of `self` and `oldSelf` are refused then. A wrong type is "no such overload" when
an object is written, or merely unequal, and a misspelt field of a loop's variable is "no such key" then, and always
absent to `has()`. There are CEL's standard functions and macros, and Kubernetes' comparisons of quantities; all other
functions, macros with two variables and the optional syntax (`self.?x`) are refused when the definition is written, as
are deeply nested parentheses. An error for one item of a loop is not made good by another item, and the cost of rules
is not estimated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .errors import (
    ROOT_PATH,
    FieldError,
    Reason,
    SchemaError,
    child,
    duplicate,
    forbidden,
    invalid,
    invalid_without_value,
    required,
)
from .expression import EvaluationError
from .node import ABSENT, Node, Rule, parse
from .rules import CompiledRule, Level, compile_level
from .structural import pruned
from .validation import validate_value
from .values import ListIndex, aligned, convert


class CelRules:
    """All rules of one schema; immutable and safe to share."""

    __slots__ = ("_level",)

    def __init__(self, level: Level | None) -> None:
        self._level = level

    def validate(self, obj: Any, old_obj: Any | None, *, path: str = "") -> list[FieldError]:
        """What the rules say of `obj`; `old_obj` is what stands in the store, None for a creation."""
        return [] if self._level is None else list(_validate(self._level, obj, old_obj, path))


def compile_rules(schema: Mapping[str, Any]) -> CelRules:
    """The rules of `schema`; raises SchemaError for those that don't compile."""
    errors: list[FieldError] = []
    level = compile_level(parse(schema), "openAPIV3Schema", errors, is_root=True)
    if errors:
        raise SchemaError(errors)
    return CelRules(level)


def check_defaults(schema: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with the defaults of `schema`, as the server tells when a definition is written.

    A default is judged alone: defaults nested below it are not filled in, so that a rule which reads a defaulted child
    fails with "no such key". Transition rules are judged with the default as its own old value.
    """
    return list(_check_defaults(parse(schema), "openAPIV3Schema", is_root=True))


def _validate(level: Level, value: Any, old: Any, path: str, *, unchanged: bool = False) -> Iterator[FieldError]:
    """`unchanged`: is the nearest place above that has an old counterpart equal to it?"""
    if value is None:
        return
    if old is not None:
        unchanged = bool(value == old)
    if level.rules:
        yield from _evaluate(level, value, old, path, unchanged=unchanged)
    if isinstance(value, dict):
        counterpart = old if isinstance(old, dict) and level.node.map_type != "atomic" else {}
        for name, part in value.items():
            declared = level.properties.get(name)
            if declared is not None:
                at = child(path, name)
                yield from _validate(declared, part, counterpart.get(name), at, unchanged=unchanged)
            elif level.additional is not None and name not in level.node.properties:
                at = f"{path}[{name}]"
                yield from _validate(level.additional, part, counterpart.get(name), at, unchanged=unchanged)
    elif isinstance(value, list) and level.items is not None:
        old_items = ListIndex(old, level.node)
        for index, item in enumerate(value):
            yield from _validate(level.items, item, old_items.get(item), f"{path}[{index}]", unchanged=unchanged)


def _evaluate(level: Level, value: Any, old: Any, path: str, *, unchanged: bool) -> Iterator[FieldError]:
    ours = convert(value, level.node, is_root=level.is_root)
    theirs = None if old is None else convert(aligned(old, value, level.node), level.node, is_root=level.is_root)
    for compiled in level.rules:
        expression, rule = compiled.expression, compiled.rule
        if expression.uses_old_self and old is None and not rule.optional_old_self:
            continue
        try:
            holds = expression.holds(ours, theirs)
        except EvaluationError as error:
            yield invalid(path or ROOT_PATH, level.node.type, _failed(error, rule))
            continue
        # what broke a rule before may stay as it is: only a change is judged (ratcheting)
        if not holds and (expression.uses_old_self or not unchanged):
            yield _refusal(rule, _message(compiled, ours, theirs), value, level.node, path)


def _failed(error: EvaluationError, rule: Rule) -> str:
    which = rule.message.strip() or rule.rule.strip()
    if str(error).startswith("no such overload"):
        problem = "call arguments did not match a supported operator, function or macro signature"
        return f"'{error}': {problem} for rule: {which}"
    return f"{error} evaluating rule: {which}"


def _refusal(rule: Rule, message: str, value: Any, node: Node, path: str) -> FieldError:
    at = f"{path}{rule.field_path.strip()}".lstrip(".") or ROOT_PATH
    if rule.reason == Reason.FORBIDDEN:
        return forbidden(at, message)
    if rule.reason == Reason.REQUIRED:
        return required(at, message)
    if rule.reason == Reason.DUPLICATE:
        return duplicate(at, value)
    if node.type in ("object", "array"):
        return invalid_without_value(at, message)
    return invalid(at, value, message)


def _message(compiled: CompiledRule, ours: Any, theirs: Any) -> str:
    rule = compiled.rule
    if compiled.message is not None:
        try:
            text = compiled.message.text(ours, theirs).strip()
        except EvaluationError:
            text = ""
        if text and "\n" not in text:
            return text
    return rule.message.strip() or f"failed rule: {rule.rule.strip()}"


def _check_defaults(node: Node, path: str, *, is_root: bool = False) -> Iterator[FieldError]:
    if node.default is not ABSENT:
        yield from _check_default(node, f"{path}.default")
    if node.items is not None:
        yield from _check_defaults(node.items, f"{path}.items")
    for name, below in node.properties.items():
        if not (is_root and name == "metadata"):
            yield from _check_defaults(below, f"{path}.properties[{name}]")


def _check_default(node: Node, path: str) -> Iterator[FieldError]:
    if pruned(node.default, node) != node.default:
        yield invalid(path, node.default, "must not have unknown fields")
    wrong = list(validate_value(node.default, node, path))
    if wrong:
        yield from wrong
        return
    level = compile_level(node, path, [], is_root=node.embedded_resource)
    if level is not None:
        # as an update that changes nothing, which runs the transition rules, and as a creation
        as_update = _validate(level, node.default, node.default, path)
        yield from dict.fromkeys([*as_update, *_validate(level, node.default, None, path)])
