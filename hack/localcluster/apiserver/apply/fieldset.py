"""Sets of field paths, and their form in managedFields (FieldsV1).

A path is a tuple of elements as they stand on the wire: `f:name` a field, `k:{"name":"x"}` an item of a keyed list,
`v:"x"` an item of a set. A set is a frozenset of paths, so that union, difference and intersection are Python's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from .types import FieldType, Relation

Path: TypeAlias = tuple[str, ...]
FieldSet: TypeAlias = frozenset[Path]

EMPTY: Final[FieldSet] = frozenset()


class BadList(ValueError):
    """An item of a keyed list or a set can't be told from the others; the text is the server's."""


def decode(fields: Mapping[str, Any]) -> FieldSet:
    """The set that FieldsV1 describes."""
    return frozenset(_decode(fields, ()))


def _decode(fields: Mapping[str, Any], path: Path) -> Iterator[Path]:
    for name, below in fields.items():
        if name == ".":
            yield path
            continue
        at = (*path, _canonical(name))
        if not below:
            yield at
        else:
            yield from _decode(below, at)


def encode(paths: Iterable[Path]) -> dict[str, Any]:
    """The FieldsV1 form of a set, sorted as the server does: fields, keys, values."""
    tree: dict[str, Any] = {}
    members = set(paths)
    for path in sorted(members, key=lambda path: [(_ORDER[element[0]], element) for element in path]):
        at = tree
        for depth, element in enumerate(path):
            above = path[:depth]
            if above in members and not at:
                at["."] = {}
            at = at.setdefault(element, {})
    return tree


_ORDER: Final = {"f": 0, "k": 1, "v": 2, "i": 3}


def notation(path: Path) -> str:
    """`path` as kubectl prints it: .spec.containers[name="x"].image"""
    return "".join(_element_notation(element) for element in path)


def _element_notation(element: str) -> str:
    kind, _, content = element.partition(":")
    if kind == "f":
        return f".{content}"
    if kind == "k":
        keys = json.loads(content)
        return "[" + ",".join(f"{name}={compact(keys[name])}" for name in sorted(keys)) + "]"
    return f"[={content}]" if kind == "v" else f"[{content}]"


def item_element(item: Any, list_type: FieldType, relation: Relation) -> str:
    """The element that names `item` in its list; raises BadList for an item that has no name."""
    if relation is Relation.SET:
        if isinstance(item, dict):
            raise BadList("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise BadList("not supported: associative list with lists as elements")
        if item is None:
            raise BadList("associative list without keys has an element that's an explicit null")
        return f"v:{compact(item)}"
    if item is None:
        raise BadList("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise BadList("associative list with keys may not have non-map elements")
    keys = {}
    for key in list_type.keys:
        value = item[key] if key in item else list_type.element.key_default(key)
        if value is not None or key in item:
            keys[key] = value
    if not keys:
        names = " ".join(compact(key) for key in list_type.keys)
        raise BadList(
            f"associative list with keys has an element that omits all key fields [{names}] "
            "(and doesn't have default values for any key fields)"
        )
    return f"k:{compact(keys)}"


def of_object(value: Any, field_type: FieldType) -> FieldSet:
    """Every field of `value` that can be owned."""
    return frozenset(_of_value(value, field_type, ()))


def _of_value(value: Any, field_type: FieldType, path: Path) -> Iterator[Path]:
    relation = field_type.relation(value)
    if relation in (Relation.SCALAR, Relation.ATOMIC):
        yield path
    elif isinstance(value, dict):
        for name, below in value.items():
            at = (*path, f"f:{name}")
            below_type = field_type.field(name)
            if below_type is None:
                continue
            yield from _of_value(below, below_type, at)
            if below is None or below == {} or not field_type.declares(name):
                yield at
    elif isinstance(value, list):
        for element, items in by_element(value, field_type, relation).items():
            at = (*path, element)
            yield at
            # the items of a key that stands there twice are owned as one
            if len(items) == 1:
                yield from _of_value(items[0], field_type.element, at)


def by_element(items: Iterable[Any], list_type: FieldType, relation: Relation) -> dict[str, list[Any]]:
    """The items of a keyed list or a set by the element that names them; more than one where an element repeats."""
    found: dict[str, list[Any]] = {}
    for item in items:
        found.setdefault(item_element(item, list_type, relation), []).append(item)
    return found


def with_named_parents(paths: FieldSet, root: FieldType) -> FieldSet:
    """`paths` with the declared fields on the way to them.

    Entries of maps and items of lists are always members themselves; the fields of a schema are not.
    """
    members = set(paths)
    for path in paths:
        at: FieldType | None = root
        for depth, element in enumerate(path[:-1], start=1):
            if at is None:
                break
            if element.startswith("f:"):
                name = element[2:]
                if at.declares(name):
                    members.add(path[:depth])
                at = at.field(name)
            else:
                at = at.element
    return frozenset(members)


def without_below(paths: FieldSet, names: Iterable[str]) -> FieldSet:
    """`paths` without the top-level fields `names` and all that is below them."""
    dropped = {f"f:{name}" for name in names}
    return frozenset(path for path in paths if not path or path[0] not in dropped) if dropped else paths


def below(paths: Iterable[Path]) -> dict[str, FieldSet]:
    """The paths grouped by their first element, without it; the empty path stands for the element itself."""
    groups: dict[str, set[Path]] = {}
    for path in paths:
        if path:
            groups.setdefault(path[0], set()).add(path[1:])
    return {element: frozenset(rest) for element, rest in groups.items()}


def compact(value: Any) -> str:
    """`value` as the JSON that path elements carry: sorted keys, no spaces."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _canonical(element: str) -> str:
    kind, _, content = element.partition(":")
    return f"{kind}:{compact(json.loads(content))}" if kind in ("k", "v") else element
