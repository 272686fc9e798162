"""From a tree to something that runs: checks the types and builds one Python function for each node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .errors import CompileError, EvaluationError, no_such_overload
from .functions import FUNCTIONS, NOT_HERE, matches, timestamp
from .runtime import Run, Scope, field_of, has_field, looping, optional_field_of, truth
from .signatures import Overload
from .syntax import Call, Expression, Has, ListOf, Literal, Loop, MapOf, Name, OptionalMap, Select
from .types import BOOL, DYN, INT, TYPE, Bindings, ListType, MapType, ObjectType, OptionalType, Type, Variable
from .values import Duration, Optional, TypeValue, type_of

_TYPE_NAMES: Final = frozenset({"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"})
_MESSAGE_TYPES: Final = frozenset({"google.protobuf.Duration", "google.protobuf.Timestamp"})
#: Calls whose constant argument is checked at once, with the server's words.
_LITERALS: Final[Mapping[str, tuple[Callable[[str], Any], str]]] = {
    "duration": (Duration.parse, "invalid duration argument"),
    "timestamp": (timestamp, "invalid timestamp argument"),
    "matches": (lambda pattern: matches("", pattern), "invalid matches argument"),
}


@dataclass(frozen=True, slots=True)
class Typed:
    """A checked node: its type, and how to get its value."""

    type: Type
    run: Run


class Compiler:
    """Compiles one expression in which the variables have the given types."""

    def __init__(self, source: str, variables: Mapping[str, Type]) -> None:
        self._source = source
        self._variables = dict(variables)
        self.used: set[str] = set()

    def compile(self, node: Expression) -> Typed:
        """The checked form of `node`; raises CompileError."""
        match node:
            case Literal():
                value = node.value
                return Typed(type_of(value), lambda _: value)
            case Name():
                return self._name(node)
            case Select():
                return self._select(node)
            case Has():
                return self._has(node)
            case Call():
                return self._call(node)
            case ListOf():
                return self._list(node)
            case MapOf():
                return self._map(node)
            case Loop():
                return self._loop(node)
            case OptionalMap():
                return self._optional_map(node)

    def _wrong(self, offset: int, problem: str) -> CompileError:
        return CompileError(self._source, offset, problem)

    def _name(self, node: Name) -> Typed:
        name = node.name
        if name in self._variables:
            self.used.add(name)
            return Typed(self._variables[name], lambda scope: scope[name])
        if name in _TYPE_NAMES:
            value = TypeValue(name)
            return Typed(TYPE, lambda _: value)
        raise self._wrong(node.offset, f"undeclared reference to '{name}' (in container '')")

    def _select(self, node: Select) -> Typed:
        qualified = _qualified(node)
        if qualified in _MESSAGE_TYPES and not node.optional:
            value = TypeValue(qualified)
            return Typed(TYPE, lambda _: value)
        operand = self.compile(node.operand)
        kind, name = self._field(operand.type, node)
        run = operand.run
        if node.optional or isinstance(operand.type, OptionalType):
            return Typed(OptionalType(kind), lambda scope: optional_field_of(run(scope), name))
        return Typed(kind, lambda scope: field_of(run(scope), name))

    def _field(self, kind: Type, node: Select | Has) -> tuple[Type, str]:
        """The type of a field and its name in objects."""
        match kind:
            case OptionalType():
                return self._field(kind.inner, node)
            case ObjectType():
                if node.field not in kind.fields:
                    raise self._wrong(node.offset, f"undefined field '{node.field}'")
                return kind.fields[node.field], kind.names[node.field]
            case MapType():
                return kind.value, node.field
            case _ if kind == DYN or isinstance(kind, Variable):
                return DYN, node.field
            case _:
                raise self._wrong(node.offset, f"type '{kind}' does not support field selection")

    def _has(self, node: Has) -> Typed:
        operand = self.compile(node.operand)
        _, name = self._field(operand.type, node)
        run = operand.run
        return Typed(BOOL, lambda scope: has_field(run(scope), name))

    def _call(self, node: Call) -> Typed:
        if node.function in ("_&&_", "_||_"):
            return self._junction(node)
        if node.function == "_?_:_":
            return self._ternary(node)
        name, arguments, is_member = node.function, node.arguments, False
        if node.target is not None:
            qualified = f"{_qualified(node.target)}.{name}"
            if qualified in FUNCTIONS or qualified in NOT_HERE:
                name = qualified
            else:
                arguments, is_member = (node.target, *arguments), True
        if name in NOT_HERE:
            raise self._wrong(node.offset, f"the local API server has no function '{name}'")
        parts = [self.compile(argument) for argument in arguments]
        if name not in FUNCTIONS:
            raise self._wrong(node.offset, f"undeclared reference to '{name}' (in container '')")
        self._check_literal(name, arguments)
        return self._resolved(node, name, parts, is_member=is_member)

    def _resolved(self, node: Call, name: str, parts: list[Typed], *, is_member: bool) -> Typed:
        given = tuple(part.type for part in parts)
        fitting: list[tuple[Overload, Type]] = [
            (entry, result)
            for entry in FUNCTIONS[name]
            if entry.is_member == is_member and (result := entry.accepts(given)) is not None
        ]
        if not fitting:
            shown = _signature(given, is_member=is_member)
            raise self._wrong(node.offset, f"found no matching overload for '{name}' applied to '{shown}'")
        results = {str(result): result for _, result in fitting}
        result = next(iter(results.values())) if len(results) == 1 else DYN
        return Typed(result, _invocation([entry for entry, _ in fitting], parts))

    def _check_literal(self, name: str, arguments: tuple[Expression, ...]) -> None:
        if name in _LITERALS and arguments and isinstance(arguments[-1], Literal):
            check, problem = _LITERALS[name]
            if isinstance(arguments[-1].value, str):
                try:
                    check(arguments[-1].value)
                except EvaluationError as error:
                    raise self._wrong(arguments[-1].offset, problem) from error

    def _junction(self, node: Call) -> Typed:
        left, right = (self._bool(argument) for argument in node.arguments)
        decisive = node.function == "_||_"

        def run(scope: Scope) -> bool:
            # an error on one side does not matter when the other side decides
            try:
                if truth(left.run(scope)) is decisive:
                    return decisive
            except EvaluationError:
                if truth(right.run(scope)) is decisive:
                    return decisive
                raise
            return truth(right.run(scope))

        return Typed(BOOL, run)

    def _bool(self, argument: Expression) -> Typed:
        part = self.compile(argument)
        if part.type not in (BOOL, DYN):
            raise self._wrong(argument.offset, f"expected type 'bool' but found '{part.type}'")
        return part

    def _ternary(self, node: Call) -> Typed:
        condition = self._bool(node.arguments[0])
        yes, no = self.compile(node.arguments[1]), self.compile(node.arguments[2])
        kind = self._common(yes.type, no.type)
        if kind is None:
            shown = f"(bool, {yes.type}, {no.type})"
            raise self._wrong(node.offset, f"found no matching overload for '_?_:_' applied to '{shown}'")
        return Typed(kind, lambda scope: (yes if truth(condition.run(scope)) else no).run(scope))

    @staticmethod
    def _common(*kinds: Type) -> Type | None:
        """A type that all of `kinds` fit, or None."""
        bindings = Bindings()
        if all(bindings.accepts(Variable("A"), kind) for kind in kinds):
            return bindings.resolve(Variable("A"))
        return None

    def _list(self, node: ListOf) -> Typed:
        items = [self.compile(item) for item in node.items]
        runs = [item.run for item in items]
        kind = self._aggregate([(item.type, part.offset) for item, part in zip(items, node.items, strict=True)])
        return Typed(ListType(kind), lambda scope: [run(scope) for run in runs])

    def _map(self, node: MapOf) -> Typed:
        entries = [(self.compile(key), self.compile(value)) for key, value in node.entries]
        offsets = [(key.offset, value.offset) for key, value in node.entries]
        keys = self._aggregate([(key.type, at) for (key, _), (at, _) in zip(entries, offsets, strict=True)])
        values = self._aggregate([(value.type, at) for (_, value), (_, at) in zip(entries, offsets, strict=True)])
        return Typed(MapType(keys, values), lambda scope: {key.run(scope): value.run(scope) for key, value in entries})

    def _aggregate(self, kinds: list[tuple[Type, int]]) -> Type:
        """The one type of all parts of a list or map literal: the server takes no mixture."""
        if not kinds:
            return DYN
        first = kinds[0][0]
        for kind, offset in kinds[1:]:
            if self._common(first, kind) is None:
                raise self._wrong(offset, f"expected type '{first}' but found '{kind}'")
        return self._common(*(kind for kind, _ in kinds)) or DYN

    def _loop(self, node: Loop) -> Typed:
        source = self.compile(node.source)
        inner = self._with(self._loop_variables(node, source.type))
        filtered = inner.compile(node.filtered) if node.filtered is not None else None
        body = inner.compile(node.body)
        self.used |= inner.used
        for part, at in ((filtered, node.filtered), (body if node.macro != "map" else None, node.body)):
            if part is not None and at is not None and part.type not in (BOOL, DYN):
                raise self._wrong(at.offset, f"expected type 'bool' but found '{part.type}'")
        kind: Type = BOOL
        if node.macro in ("map", "filter"):
            kind = ListType(body.type if node.macro == "map" else self._element(source.type))
        return Typed(
            kind, looping(node.macro, node.variables, source.run, body.run, filtered.run if filtered else None)
        )

    def _with(self, variables: Mapping[str, Type]) -> Compiler:
        inner = Compiler(self._source, {**self._variables, **variables})
        inner.used = _Used(self.used, shadowed=frozenset(variables))
        return inner

    def _loop_variables(self, node: Loop, kind: Type) -> dict[str, Type]:
        if not isinstance(kind, ListType | MapType) and kind != DYN:
            problem = f"expression of type '{kind}' cannot be range of a comprehension (must be list, map, or dynamic)"
            raise self._wrong(node.source.offset, problem)
        if len(node.variables) == 1:
            return {node.variables[0]: self._element(kind)}
        match kind:
            case ListType():
                return {node.variables[0]: INT, node.variables[1]: kind.element}
            case MapType():
                return {node.variables[0]: kind.key, node.variables[1]: kind.value}
            case _:
                return dict.fromkeys(node.variables, DYN)

    @staticmethod
    def _element(kind: Type) -> Type:
        match kind:
            case ListType():
                return kind.element
            case MapType():
                return kind.key
            case _:
                return DYN

    def _optional_map(self, node: OptionalMap) -> Typed:
        operand = self.compile(node.operand)
        if not isinstance(operand.type, OptionalType) and operand.type != DYN:
            shown = f"{operand.type}.optMap()"
            raise self._wrong(node.offset, f"found no matching overload for 'optMap' applied to '{shown}'")
        inner_type = operand.type.inner if isinstance(operand.type, OptionalType) else DYN
        inner = self._with({node.variable: inner_type})
        body = inner.compile(node.body)
        self.used |= inner.used

        def run(scope: Scope) -> Any:
            optional = operand.run(scope)
            if not optional.present:
                return optional
            value = body.run({**scope, node.variable: optional.value})
            return value if node.flat else Optional.of(value)

        return Typed(body.type if node.flat else OptionalType(body.type), run)


class _Used(set[str]):
    """The names used inside a loop, without those that the loop itself brings."""

    def __init__(self, outer: set[str], *, shadowed: frozenset[str]) -> None:
        super().__init__(outer)
        self._shadowed = shadowed

    def add(self, name: str) -> None:
        if name not in self._shadowed:
            super().add(name)


def _qualified(node: Expression) -> str:
    match node:
        case Name():
            return node.name
        case Select(operand=operand, field=field):
            return f"{_qualified(operand)}.{field}"
        case _:
            return ""


def _signature(given: tuple[Type, ...], *, is_member: bool) -> str:
    names = [str(kind) for kind in given]
    return f"{names[0]}.({', '.join(names[1:])})" if is_member else f"({', '.join(names)})"


def _invocation(candidates: list[Overload], parts: list[Typed]) -> Run:
    runs = [part.run for part in parts]
    only = candidates[0].implementation
    if len(candidates) == 1 and all(_is_certain(part.type) for part in parts):
        if len(runs) == 1:
            first = runs[0]
            return lambda scope: only(first(scope))
        return lambda scope: only(*[run(scope) for run in runs])

    def run(scope: Scope) -> Any:
        values = [part(scope) for part in runs]
        for candidate in candidates:
            if all(map(_fits, candidate.parameters, values)):
                return candidate.implementation(*values)
        raise no_such_overload()

    return run


def _fits(kind: Type, value: Any) -> bool:
    """Could `value` be of this type, as far as its outside shows?"""
    match kind:
        case Variable():
            return True
        case ListType():
            return isinstance(value, list)
        case MapType():
            return isinstance(value, dict)
        case OptionalType():
            return isinstance(value, Optional)
        case _:
            return type_of(value) == kind


def _is_certain(kind: Type) -> bool:
    return kind != DYN and not isinstance(kind, Variable)
