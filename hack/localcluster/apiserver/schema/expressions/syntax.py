"""Expressions as trees, and the parser that makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from .errors import CompileError
from .tokens import RESERVED, Kind, Token, tokens


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    offset: int
    value: Any


@dataclass(frozen=True, slots=True)
class Name:
    """A variable or a type."""

    offset: int
    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`; `optional` for `operand.?field`."""

    offset: int
    operand: Expression
    field: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Has:
    """`has(operand.field)`."""

    offset: int
    operand: Expression
    field: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator; operators are called `_+_`, `!_`, `@in`, `_[_]`, `_?_:_`, `_&&_`, `_||_`."""

    offset: int
    function: str
    target: Expression | None
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[a, b]`."""

    offset: int
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """`{a: b}`."""

    offset: int
    entries: tuple[tuple[Expression, Expression], ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """A macro over a list or map: all, exists, exists_one, filter, map; `filtered` is the condition of a long map."""

    offset: int
    macro: str
    source: Expression
    variables: tuple[str, ...]
    body: Expression
    filtered: Expression | None = None


@dataclass(frozen=True, slots=True)
class OptionalMap:
    """`optional.optMap(variable, body)`, or optFlatMap."""

    offset: int
    flat: bool
    operand: Expression
    variable: str
    body: Expression


Expression: TypeAlias = Literal | Name | Select | Has | Call | ListOf | MapOf | Loop | OptionalMap

_LEVELS: Final = (
    (),
    ("<", "<=", ">=", ">", "==", "!=", "in"),
    ("+", "-"),
    ("*", "/", "%"),
)
_LOOPS: Final = {
    "all": (2, 3),
    "exists": (2, 3),
    "exists_one": (2,),
    "existsOne": (2, 3),
    "filter": (2,),
    "map": (2, 3),
}
_MAXIMUM_DEPTH: Final = 100
_INT_LIMIT: Final = 2**63


def parse(source: str) -> Expression:
    """The tree of `source`; raises CompileError."""
    return _Parser(source).parse()


class _Parser:
    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = list(tokens(source))
        self._at = 0
        self._depth = 0

    def parse(self) -> Expression:
        expression = self._expression()
        if self._next.kind is not Kind.END:
            raise self._unexpected()
        return expression

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _advance(self) -> Token:
        token = self._next
        self._at += 1
        return token

    def _is(self, *signs: str) -> bool:
        return self._next.kind is Kind.SIGN and self._next.text in signs

    def _accept(self, sign: str) -> bool:
        if self._is(sign):
            self._at += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            raise self._unexpected(sign)

    def _unexpected(self, wanted: str = "") -> CompileError:
        said = f"mismatched input '{self._next.text}'" + (f" expecting '{wanted}'" if wanted else "")
        return CompileError(self._source, self._next.offset, f"Syntax error: {said}")

    def _expression(self) -> Expression:
        self._depth += 1
        if self._depth > _MAXIMUM_DEPTH:
            raise CompileError(self._source, self._next.offset, "expression recursion limit exceeded")
        condition = self._junction("||")
        if self._is("?"):
            offset = self._advance().offset
            first = self._junction("||")
            self._expect(":")
            condition = Call(offset, "_?_:_", None, (condition, first, self._expression()))
        self._depth -= 1
        return condition

    def _junction(self, sign: str) -> Expression:
        left = self._junction("&&") if sign == "||" else self._binary(1)
        while self._is(sign):
            offset = self._advance().offset
            right = self._junction("&&") if sign == "||" else self._binary(1)
            left = Call(offset, f"_{sign}_", None, (left, right))
        return left

    def _binary(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._is(*_LEVELS[level]):
            token = self._advance()
            function = "@in" if token.text == "in" else f"_{token.text}_"
            left = Call(token.offset, function, None, (left, self._binary(level + 1)))
        return left

    def _unary(self) -> Expression:
        if self._is("!"):
            offset = self._advance().offset
            return Call(offset, "!_", None, (self._unary(),))
        if self._is("-"):
            offset = self._advance().offset
            if type(self._next.value) in (int, float) and self._next.kind is Kind.LITERAL:
                return self._members(Literal(offset, -self._advance().value))
            return Call(offset, "-_", None, (self._unary(),))
        return self._members(self._primary())

    def _members(self, operand: Expression) -> Expression:
        while True:
            offset = self._next.offset
            if self._accept("."):
                operand = self._member(operand, offset)
            elif self._accept(".?"):
                operand = Select(offset, operand, self._field(), optional=True)
            elif self._is("[", "[?"):
                function = "_[_]" if self._advance().text == "[" else "_[?_]"
                operand = Call(offset, function, None, (operand, self._expression()))
                self._expect("]")
            else:
                return operand

    def _member(self, operand: Expression, offset: int) -> Expression:
        name = self._field()
        called_at = self._next.offset
        if not self._accept("("):
            return Select(offset, operand, name)
        arguments = self._arguments(")")
        if len(arguments) in _LOOPS.get(name, ()):
            return self._loop(name, operand, arguments, called_at)
        if name in ("optMap", "optFlatMap") and len(arguments) == 2:
            return OptionalMap(called_at, name == "optFlatMap", operand, self._variable(arguments[0]), arguments[1])
        return Call(called_at, name, operand, arguments)

    def _field(self) -> str:
        token = self._advance()
        if token.kind is not Kind.NAME:
            self._at -= 1
            raise self._unexpected()
        return token.text

    def _loop(self, macro: str, source: Expression, arguments: tuple[Expression, ...], offset: int) -> Loop:
        if macro == "map":
            filtered = arguments[1] if len(arguments) == 3 else None
            return Loop(offset, macro, source, (self._variable(arguments[0]),), arguments[-1], filtered)
        names = tuple(self._variable(argument) for argument in arguments[:-1])
        return Loop(offset, "exists_one" if macro == "existsOne" else macro, source, names, arguments[-1])

    def _variable(self, argument: Expression) -> str:
        if not isinstance(argument, Name):
            raise CompileError(self._source, argument.offset, "argument must be a simple name")
        return argument.name

    def _primary(self) -> Expression:
        token = self._advance()
        if token.kind is Kind.LITERAL:
            if type(token.value) is int and token.value >= _INT_LIMIT:
                raise CompileError(self._source, token.offset, "invalid int literal")
            return Literal(token.offset, token.value)
        if token.kind is Kind.NAME:
            return self._name(token)
        if token.text == "(":
            expression = self._expression()
            self._expect(")")
            return expression
        if token.text == "[":
            return ListOf(token.offset, self._arguments("]"))
        if token.text == "{":
            return MapOf(token.offset, self._entries())
        self._at -= 1
        raise self._unexpected()

    def _name(self, token: Token) -> Expression:
        if token.text in RESERVED:
            raise CompileError(self._source, token.offset, f"reserved identifier: {token.text}")
        called_at = self._next.offset
        if not self._accept("("):
            return Name(token.offset, token.text)
        arguments = self._arguments(")")
        if token.text != "has":
            return Call(called_at, token.text, None, arguments)
        if len(arguments) == 1 and isinstance(arguments[0], Select) and not arguments[0].optional:
            return Has(called_at, arguments[0].operand, arguments[0].field)
        raise CompileError(self._source, called_at, "invalid argument to has() macro")

    def _arguments(self, closing: str) -> tuple[Expression, ...]:
        arguments: list[Expression] = []
        while not self._accept(closing):
            arguments.append(self._expression())
            if not self._accept(","):
                self._expect(closing)
                break
        return tuple(arguments)

    def _entries(self) -> tuple[tuple[Expression, Expression], ...]:
        entries: list[tuple[Expression, Expression]] = []
        while not self._accept("}"):
            key = self._expression()
            self._expect(":")
            entries.append((key, self._expression()))
            if not self._accept(","):
                self._expect("}")
                break
        return tuple(entries)
