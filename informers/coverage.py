"""Whether a watch of some scope is certain to show an object, judged by the answer to a write to the object."""

from __future__ import annotations

import re
from collections.abc import Mapping

from informers.listwatch import Scope
from informers.resource import ObjectKey

#: A comma that isn't between parentheses.
_COMMA = re.compile(r",(?![^(]*\))")
_SET = re.compile(r"(\S+)\s+(in|notin)\s*\((.*)\)")
_NUMBER = re.compile(r"(\S+?)\s*([<>])\s*(-?[0-9]+)")


def covers(scope: Scope, key: ObjectKey, labels: Mapping[str, str]) -> bool:
    """Whether the object is in `scope`. False also with a field selector: its fields are not known here."""
    if scope.field_selector:
        return False
    return (not scope.namespaces or key.namespace in scope.namespaces) and matches(scope.label_selector, labels)


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether `labels` are selected by a `selector` that `informers.selector` takes, as labels.Selector does it."""
    return all(_holds(part.strip(), labels) for part in _COMMA.split(selector) if part.strip())


def _holds(requirement: str, labels: Mapping[str, str]) -> bool:
    if found := _SET.fullmatch(requirement):
        listed = labels.get(found[1]) in {value.strip() for value in found[3].split(",")}
        return listed is (found[2] == "in")
    if found := _NUMBER.fullmatch(requirement):
        return _compares(labels.get(found[1]), found[2], int(found[3]))
    name, operator, value = re.match(r"([^=!]*)(!?=?=?)(.*)", requirement, re.DOTALL).groups()  # type: ignore[union-attr] # matches any text
    if operator == "!":
        return value.strip() not in labels
    if not operator:
        return name.strip() in labels
    return (labels.get(name.strip()) == value.strip()) is (operator != "!=")


def _compares(value: str | None, operator: str, bound: int) -> bool:
    if value is None or not re.fullmatch(r"-?[0-9]+", value):
        return False
    return int(value) < bound if operator == "<" else int(value) > bound
