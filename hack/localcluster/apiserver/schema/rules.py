"""Rules compiled: a tree like the schema's, with the expressions of each place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .errors import FieldError, Reason, invalid
from .expression import CompileError, Expression
from .node import Node, Rule
from .values import is_visible, visible_fields


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule, and the expression of its message if it has one."""

    rule: Rule
    expression: Expression
    message: Expression | None


@dataclass(frozen=True, slots=True)
class Level:
    """The rules at one place of the schema, and the places below that have some."""

    node: Node
    rules: tuple[CompiledRule, ...] = ()
    properties: Mapping[str, Level] = field(default_factory=dict)
    additional: Level | None = None
    items: Level | None = None
    is_root: bool = False


def compile_level(node: Node, path: str, errors: list[FieldError], *, is_root: bool) -> Level | None:
    """The rules at `node` and below, or None if there are none; adds what is wrong with them to `errors`."""
    return _Compilation(errors).level(node, path, is_root=is_root, uncorrelatable="")


@dataclass(frozen=True, slots=True)
class _Compilation:
    """Walks a schema. `uncorrelatable` names the list or map above whose new values have no certain old ones."""

    errors: list[FieldError]

    def level(self, node: Node, path: str, *, is_root: bool, uncorrelatable: str) -> Level | None:
        if not is_visible(node):
            if node.rules:
                detail = "rules need a declared type: expressions can't see this"
                self.errors.append(FieldError(f"{path}.x-kubernetes-validations", Reason.INVALID, detail))
            return None
        rules = tuple(self._rules(node, path, uncorrelatable, is_root=is_root))
        below = uncorrelatable or (path if node.map_type == "atomic" else "")
        properties = dict(self._properties(node, path, below, is_root=is_root))
        additional = self._below(node.additional_node, f"{path}.additionalProperties", below)
        in_items = uncorrelatable or ("" if node.list_type == "map" else path)
        items = self._below(node.items, f"{path}.items", in_items)
        if not (rules or properties or additional or items):
            return None
        return Level(node, rules, properties, additional, items, is_root)

    def _properties(self, node: Node, path: str, uncorrelatable: str, *, is_root: bool) -> Iterator[tuple[str, Level]]:
        for name, value in node.properties.items():
            if is_root and name == "metadata":
                continue
            level = self._below(value, f"{path}.properties[{name}]", uncorrelatable)
            if level is not None:
                yield name, level

    def _below(self, node: Node | None, path: str, uncorrelatable: str) -> Level | None:
        if node is None:
            return None
        return self.level(node, path, is_root=node.embedded_resource, uncorrelatable=uncorrelatable)

    def _rules(self, node: Node, path: str, uncorrelatable: str, *, is_root: bool) -> Iterator[CompiledRule]:
        for index, rule in enumerate(node.rules):
            at = f"{path}.x-kubernetes-validations[{index}]"
            compiled = self._rule(rule, node, at, is_root=is_root)
            if compiled is None:
                continue
            if compiled.expression.uses_old_self and uncorrelatable:
                detail = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelatable}"
                self.errors.append(invalid(f"{at}.rule", rule.rule, detail))
            yield compiled

    def _rule(self, rule: Rule, node: Node, path: str, *, is_root: bool) -> CompiledRule | None:
        try:
            expression = _compiled(rule.rule, rule, node, is_root=is_root)
        except CompileError as error:
            self.errors.append(invalid(f"{path}.rule", rule.rule, f"compilation failed: {error}"))
            return None
        message = None
        if rule.message_expression:
            try:
                message = _compiled(rule.message_expression, rule, node, is_root=is_root)
            except CompileError as error:
                detail = f"messageExpression compilation failed: {error}"
                self.errors.append(invalid(f"{path}.messageExpression", rule.message_expression, detail))
        if rule.field_path and not _field_path_exists(node, rule.field_path):
            self.errors.append(invalid(f"{path}.fieldPath", rule.field_path, "must be a valid path"))
        if rule.optional_old_self and not expression.uses_old_self:
            detail = "may not be set if oldSelf is not used in rule"
            self.errors.append(invalid(f"{path}.optionalOldSelf", rule.optional_old_self, detail))
        return CompiledRule(rule, expression, message)


def _compiled(source: str, rule: Rule, node: Node, *, is_root: bool) -> Expression:
    expression = Expression(source, optional_old_self=rule.optional_old_self)
    for path in expression.fields:
        _check_fields(path, node, is_root=is_root)
    return expression


def _check_fields(path: tuple[str, ...], node: Node | None, *, is_root: bool) -> None:
    for name in path:
        if node is None or node.type != "object":
            return
        if node.additional_node is not None:
            node = node.additional_node
        else:
            fields = visible_fields(node, is_root=is_root)
            if name not in fields:
                raise CompileError(f"undefined field '{name}'")
            node = fields[name][1]
        is_root = node.embedded_resource


def _field_path_exists(node: Node | None, field_path: str) -> bool:
    for name in field_path.strip().removeprefix(".").split("."):
        if node is None or (below := node.child(name)) is None:
            return False
        node = below
    return True
