"""What differs between two objects, as sets of fields."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from .fieldset import FieldSet, Path, by_element, without_below
from .types import DEDUCED, FieldType, Relation


class _Absent:
    """The type of ABSENT."""


#: Stands for a value that one of the two objects does not have; null is a value.
ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The fields that the second object adds, changes and no longer has."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    @property
    def written(self) -> FieldSet:
        """The fields that the second object brings."""
        return self.added | self.modified

    def without(self, names: Iterable[str]) -> Comparison:
        """The comparison without the top-level fields `names`."""
        names = tuple(names)
        return Comparison(
            without_below(self.added, names), without_below(self.modified, names), without_below(self.removed, names)
        )


def compare(old: Any, new: Any, field_type: FieldType) -> Comparison:
    """What turns `old` into `new`."""
    walk = _Walk()
    walk.visit(old, new, field_type, ())
    return Comparison(frozenset(walk.added), frozenset(walk.modified), frozenset(walk.removed))


@dataclass(slots=True)
class _Walk:
    added: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)

    def visit(self, old: Any, new: Any, field_type: FieldType, path: Path) -> None:
        if self._is_leaf(old, new, field_type):
            self._leaf(old, new, path)
            return
        if isinstance(old, dict) or isinstance(new, dict):
            self._fields(old if isinstance(old, dict) else {}, new if isinstance(new, dict) else {}, field_type, path)
        if isinstance(old, list) or isinstance(new, list):
            self._items(old if isinstance(old, list) else [], new if isinstance(new, list) else [], field_type, path)
        if old is ABSENT:
            self.added.add(path)
        elif new is ABSENT:
            self.removed.add(path)
        elif _is_scalar(old) != _is_scalar(new):
            self.modified.add(path)

    @staticmethod
    def _is_leaf(old: Any, new: Any, field_type: FieldType) -> bool:
        present = [value for value in (old, new) if value is not ABSENT]
        # an empty container counts as a value, so that it is told from an absent one
        if all(value is None or value in ({}, []) or not isinstance(value, dict | list) for value in present):
            return True
        relations = {field_type.relation(value) for value in present if value is not None}
        return relations <= {Relation.ATOMIC, Relation.SCALAR}

    def _leaf(self, old: Any, new: Any, path: Path) -> None:
        if old is ABSENT:
            self.added.add(path)
        elif new is ABSENT:
            self.removed.add(path)
        elif not equal(old, new):
            self.modified.add(path)

    def _fields(self, old: dict[str, Any], new: dict[str, Any], field_type: FieldType, path: Path) -> None:
        for name in old | new:
            below = field_type.field(name) or DEDUCED
            self.visit(old.get(name, ABSENT), new.get(name, ABSENT), below, (*path, f"f:{name}"))

    def _items(self, old: list[Any], new: list[Any], field_type: FieldType, path: Path) -> None:
        relation = field_type.relation(old or new)
        before, after = by_element(old, field_type, relation), by_element(new, field_type, relation)
        for element in before | after:
            ours, theirs = before.get(element, []), after.get(element, [])
            at = (*path, element)
            if len(ours) <= 1 and len(theirs) <= 1:
                self.visit(ours[0] if ours else ABSENT, theirs[0] if theirs else ABSENT, field_type.element, at)
            elif not equal(ours, theirs):
                self.modified.add(at)


def equal(one: Any, other: Any) -> bool:
    """JSON equality: true is not 1, but 1.0 is."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, dict | list)
