"""Validation rules (x-kubernetes-validations) of a schema: compiled once, evaluated for every object.

A rule sees the value at its place as `self`. A rule that uses `oldSelf` runs only where the value has a counterpart in
the old object. The root sees of metadata only name and generateName.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
from .expression import EvaluationError, Expression
from .node import ABSENT, Node, Rule, parse
from .structural import pruned
from .validation import validate_value
from .values import ListIndex, convert, convert_root


@dataclass(frozen=True, slots=True)
class _CompiledRule:
    rule: Rule
    expression: Expression
    message_expression: Expression | None


@dataclass(frozen=True, slots=True)
class _Level:
    """The rules at one place of the schema, and the places below that have some."""

    node: Node
    rules: tuple[_CompiledRule, ...] = ()
    properties: Mapping[str, _Level] = field(default_factory=dict)
    additional: _Level | None = None
    items: _Level | None = None
    is_root: bool = False


class CelRules:
    """All rules of one schema; immutable and safe to share."""

    __slots__ = ("_level",)

    def __init__(self, level: _Level | None) -> None:
        self._level = level

    def validate(self, obj: Any, old_obj: Any | None, *, path: str = "") -> list[FieldError]:
        """What the rules say of `obj`; `old_obj` is what stands in the store, None for a creation."""
        return [] if self._level is None else list(_validate(self._level, obj, old_obj, path))


def compile_rules(schema: Mapping[str, Any]) -> CelRules:
    """The rules of `schema`; raises SchemaError for those that don't compile."""
    errors: list[FieldError] = []
    level = _compile(parse(schema), "openAPIV3Schema", errors, is_root=True, uncorrelatable="")
    if errors:
        raise SchemaError(errors)
    return CelRules(level)


def check_defaults(schema: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with the defaults of `schema`, as the server tells when a definition is written.

    A default is judged alone: defaults nested below it are not filled in, so that a rule which reads a defaulted child
    fails with "no such key". Transition rules are judged with the default as its own old value.
    """
    return list(_check_defaults(parse(schema), "openAPIV3Schema", is_root=True))


def _compile(node: Node, path: str, errors: list[FieldError], *, is_root: bool, uncorrelatable: str) -> _Level | None:
    rules: list[_CompiledRule] = []
    for index, rule in enumerate(node.rules):
        at = f"{path}.x-kubernetes-validations[{index}]"
        try:
            compiled = _CompiledRule(
                rule, Expression(rule.rule), Expression(rule.message_expression) if rule.message_expression else None
            )
        except ValueError as error:
            errors.append(invalid(f"{at}.rule", rule.rule, f"compilation failed: {error}"))
            continue
        if compiled.expression.uses_old_self and uncorrelatable and not rule.optional_old_self:
            detail = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelatable}"
            errors.append(invalid(f"{at}.rule", rule.rule, detail))
        if rule.field_path and not _field_path_exists(node, rule.field_path):
            errors.append(
                invalid(
                    f"{at}.fieldPath",
                    rule.field_path,
                    "fieldPath must be a valid path: does not refer to a valid field",
                )
            )
        rules.append(compiled)
    below = uncorrelatable or (path if node.type == "object" and node.map_type == "atomic" else "")
    properties = {
        name: level
        for name, value in node.properties.items()
        if not (is_root and name == "metadata")
        and (
            level := _compile(
                value, f"{path}.properties[{name}]", errors, is_root=value.embedded_resource, uncorrelatable=below
            )
        )
    }
    additional = node.additional_node is not None and _compile(
        node.additional_node, f"{path}.additionalProperties", errors, is_root=False, uncorrelatable=below
    )
    in_items = uncorrelatable or ("" if node.list_type == "map" else f"{path}.items")
    items = node.items is not None and _compile(
        node.items, f"{path}.items", errors, is_root=node.items.embedded_resource, uncorrelatable=in_items
    )
    if not (rules or properties or additional or items):
        return None
    return _Level(node, tuple(rules), properties, additional or None, items or None, is_root)


def _field_path_exists(node: Node | None, field_path: str) -> bool:
    for name in field_path.strip().removeprefix(".").split("."):
        if node is None or (below := node.child(name)) is None:
            return False
        node = below
    return True


def _validate(level: _Level, value: Any, old: Any, path: str) -> Iterator[FieldError]:
    if value is None:
        return
    if level.rules:
        yield from _evaluate(level, value, old, path)
    if isinstance(value, dict):
        counterpart = old if isinstance(old, dict) and level.node.map_type != "atomic" else {}
        for name, below in value.items():
            declared = level.properties.get(name)
            if declared is not None:
                yield from _validate(declared, below, counterpart.get(name), child(path, name))
            elif level.additional is not None and name not in level.node.properties:
                yield from _validate(level.additional, below, counterpart.get(name), f"{path}[{name}]")
    elif isinstance(value, list) and level.items is not None:
        old_items = ListIndex(old, level.node)
        for index, item in enumerate(value):
            yield from _validate(level.items, item, old_items.get(item), f"{path}[{index}]")


def _evaluate(level: _Level, value: Any, old: Any, path: str) -> Iterator[FieldError]:
    as_seen = convert_root if level.is_root else convert
    variables = {"self": as_seen(value, level.node)}
    if old is not None:
        variables["oldSelf"] = as_seen(old, level.node)
    for compiled in level.rules:
        if compiled.expression.uses_old_self and old is None:
            continue
        try:
            holds = compiled.expression.evaluate(variables)
        except EvaluationError as error:
            yield invalid(path or ROOT_PATH, level.node.type, _failed(error, compiled.rule))
            continue
        if holds is not True:
            yield _refusal(compiled, variables, value, level.node, path)


def _failed(error: EvaluationError, rule: Rule) -> str:
    return f"{error} evaluating rule: {rule.message or rule.rule}"


def _refusal(compiled: _CompiledRule, variables: Mapping[str, Any], value: Any, node: Node, path: str) -> FieldError:
    rule = compiled.rule
    at = f"{path}{rule.field_path.strip()}".lstrip(".") or ROOT_PATH
    message = _message(compiled, variables)
    if rule.reason == Reason.FORBIDDEN:
        return forbidden(at, message)
    if rule.reason == Reason.REQUIRED:
        return required(at, message)
    if rule.reason == Reason.DUPLICATE:
        return duplicate(at, value)
    if node.type in ("object", "array"):
        return invalid_without_value(at, message)
    return invalid(at, value, message)


def _message(compiled: _CompiledRule, variables: Mapping[str, Any]) -> str:
    rule = compiled.rule
    if compiled.message_expression is not None:
        try:
            text = compiled.message_expression.evaluate(dict(variables))
        except EvaluationError:
            text = ""
        if isinstance(text, str) and text.strip() and "\n" not in text.strip():
            return text.strip()
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
    level = _compile(node, path, [], is_root=node.embedded_resource, uncorrelatable="")
    if level is not None:
        yield from _validate(level, node.default, node.default, path)
