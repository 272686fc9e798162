"""Strategic merge patch of built-in kinds: what `kubectl apply` (client side) and `kubectl edit` send.

Lists merge by the keys that the definitions name; `$patch`, `$retainKeys`, `$setElementOrder/…` and
`$deleteFromPrimitiveList/…` are the directives. Semantics: k8s.io/apimachinery strategicpatch.
"""

from __future__ import annotations

from typing import Any

from hack.localcluster.apiserver.apply.check import printed
from hack.localcluster.apiserver.definitions import PREFIX, resolve
from hack.localcluster.apiserver.status import server_error

Object = dict[str, Any]

_ORDER = "$setElementOrder/"
_REMOVE = "$deleteFromPrimitiveList/"


def strategic_merge(obj: Object, patch: Object, definition: str) -> Object:
    """`obj` with `patch` merged into it; `definition` names the kind's schema (empty: lists are replaced)."""
    merged = _map(obj, patch, resolve({"$ref": PREFIX + definition}) if definition else {})
    return merged if merged is not None else {}


def _map(obj: Object, patch: Object, schema: Object) -> Object | None:
    directive = patch.get("$patch")
    if directive == "delete":
        return None
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if directive not in (None, "merge"):
        raise server_error(f"unknown patch type: {directive} in map: {printed(patch)}")
    result = dict(obj)
    if isinstance(kept := patch.get("$retainKeys"), list):
        result = {key: value for key, value in result.items() if key in kept}
    for key, change in patch.items():
        if not key.startswith("$"):
            _field(result, key, change, schema)
        elif key.startswith(_REMOVE) and isinstance(result.get(name := key.removeprefix(_REMOVE)), list):
            result[name] = [item for item in result[name] if item not in change]
    for key, order in patch.items():
        name = key.removeprefix(_ORDER)
        if key.startswith(_ORDER) and isinstance(result.get(name), list):
            result[name] = _ordered(result[name], order, obj.get(name) or [], _merge_key(_part(schema, name)))
    return result


def _field(result: Object, key: str, change: Any, schema: Object) -> None:
    part = _part(schema, key)
    strategies = str(part.get("x-kubernetes-patch-strategy", "")).split(",")
    if change is None:
        result.pop(key, None)
    elif isinstance(change, dict) and "replace" not in strategies:
        before = result.get(key)
        merged = _map(before if isinstance(before, dict) else {}, change, part)
        if merged is None:
            result.pop(key, None)
        else:
            result[key] = merged
    elif isinstance(change, list) and "merge" in strategies:
        result[key] = _list(result.get(key) or [], change, part)
    else:
        result[key] = change


def _list(items: list[Any], changes: list[Any], schema: Object) -> list[Any]:
    key = _merge_key(schema)
    if not key:
        return _ordered([*items, *(change for change in changes if change not in items)], changes, items, "")
    if any(isinstance(change, dict) and change.get("$patch") == "replace" for change in changes):
        return [change for change in changes if "$patch" not in change]
    result = list(items)
    element = resolve(schema["items"])
    for change in changes:
        if not isinstance(change, dict) or key not in change:
            raise server_error(f"map: {printed(change)} does not contain declared merge key: {key}")
        at = next((index for index, item in enumerate(result) if item.get(key) == change[key]), None)
        merged = _map({} if at is None else result[at], change, element)
        if merged is None:
            result = [item for item in result if item.get(key) != change[key]]
        elif at is None:
            result.append(merged)
        else:
            result[at] = merged
    return _ordered(result, changes, items, key)


def _ordered(items: list[Any], order: Any, before: list[Any], key: str) -> list[Any]:
    """`items` in the wanted order; those the order doesn't name keep their place among what was there before."""

    def name(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    wanted = [name(entry) for entry in order]
    earlier = [name(item) for item in before]
    named = sorted((item for item in items if name(item) in wanted), key=lambda item: wanted.index(name(item)))
    others = [item for item in items if name(item) not in wanted]
    result = []
    for item in named:
        while others and name(item) in earlier and _precedes(name(others[0]), name(item), earlier):
            result.append(others.pop(0))
        result.append(item)
    return result + others


def _precedes(one: Any, other: Any, order: list[Any]) -> bool:
    return one in order and order.index(one) < order.index(other)


def _part(schema: Object, key: str) -> Object:
    declared = (schema.get("properties") or {}).get(key)
    if declared is None and isinstance(schema.get("additionalProperties"), dict):
        declared = schema["additionalProperties"]
    return resolve(declared) if declared else {}


def _merge_key(schema: Object) -> str:
    return str(schema.get("x-kubernetes-patch-merge-key", ""))
