"""PATCH: JSON patch, merge patch, strategic merge patch (built-in kinds) and server-side apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import jsonpatch
import jsonpointer
import orjson

from hack.localcluster.apiserver import metadata, ownership
from hack.localcluster.apiserver.bodies import as_object, read_json, read_yaml
from hack.localcluster.apiserver.builtin import ResourceType
from hack.localcluster.apiserver.options import WriteOptions
from hack.localcluster.apiserver.scale import scale_of, set_scale
from hack.localcluster.apiserver.status import (
    Cause,
    StatusError,
    Undecodable,
    bad_request,
    conflict,
    invalid_options,
    not_found,
    not_implemented,
    unfit_for_patch,
    unsupported_media_type,
    unsupported_patch,
)
from hack.localcluster.apiserver.storage import Storage
from hack.localcluster.apiserver.strategic import strategic_merge
from hack.localcluster.apiserver.target import Target
from hack.localcluster.apiserver.write import Outcome, Writer, copy

Object = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"

_MAX_OPERATIONS = 10_000


class Patcher:
    """Applies patches to objects."""

    def __init__(self, *, storage: Storage, writer: Writer) -> None:
        self._storage = storage
        self._writer = writer

    def patch(self, target: Target, media_type: str, body: bytes, options: WriteOptions, *, named: bool) -> Outcome:
        """Patch an object; `named` says whether the request named its field manager."""
        accepted = _accepted(target.resource)
        if media_type not in accepted:
            # built-in resources refuse it where routes are told apart, custom ones where the body is read
            raise unsupported_media_type(accepted) if target.resource.custom else unsupported_patch()
        if options.force and media_type != APPLY:
            text = "Forbidden: may not be specified for non-apply patch"
            raise invalid_options("PatchOptions", Cause("force", "FieldValueForbidden", text))
        if media_type == APPLY:
            if not named:
                text = "Required value: is required for apply patch"
                raise invalid_options("PatchOptions", Cause("fieldManager", "FieldValueRequired", text))
            return self._apply(target, body, options)
        change = _CHANGES[media_type]
        document = read_json(body)
        with self._storage.writing():
            live = self._writer.live(target)
            if target.subresource == "scale":
                scale = change(target, scale_of(target.resource, live), document)
                new = set_scale(target.resource, live, scale, name=target.name)
            else:
                new = change(target, copy(live), document)
                metadata.check_names(target.resource, new, name=target.name, namespace=target.namespace)
                metadata.check_same_uid(target.resource, live, new["metadata"])
            return self._patched(target, live, new, options)

    def _patched(self, target: Target, live: Object, new: Object, options: WriteOptions) -> Outcome:
        try:
            return self._writer.update(target, live, copy(new), options)
        except Undecodable as error:
            # a patched object that can't be read is the patch's fault
            cause = Cause(
                "patch",
                "FieldValueInvalid",
                f"Invalid value: {orjson.dumps(orjson.dumps(new).decode()).decode()}: {error.why}",
            )
            text = f' "" is invalid: {cause.field}: {cause.message}'
            raise StatusError(422, "Invalid", text, {"causes": [cause.manifest()]}) from error

    def _apply(self, target: Target, body: bytes, options: WriteOptions) -> Outcome:
        if target.subresource == "scale":
            raise not_implemented("server-side apply to the scale subresource")
        applied = as_object(read_yaml(body))
        resource = target.resource
        if (applied.get("apiVersion"), applied.get("kind")) != (resource.api_version, resource.kind):
            raise bad_request(f"invalid object type: {_group_version_kind(applied)}")
        metadata.require_own_name(applied, target.name)
        metadata.check_names(resource, copy(applied), name=target.name, namespace=target.namespace)
        if applied["metadata"].get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        with self._storage.writing():
            stored = self._storage.get(target.resource.table, target.key)
            live = None if stored is None else self._writer.live(target)
            if live is None:
                return self._apply_new(target, applied, options)
            metadata.check_same_uid(target.resource, live, applied["metadata"])
            metadata.check_preconditions(target, live, applied["metadata"])
            merged = ownership.merge(
                target.resource, live, applied, options.manager, target.subresource, force=options.force
            )
            if not merged.changed:
                return Outcome(200, live)
            managed = merged.object["metadata"].get("managedFields") or []
            return self._writer.update(target, live, merged.object, options, managed=managed)

    def _apply_new(self, target: Target, applied: Object, options: WriteOptions) -> Outcome:
        if target.subresource:
            raise not_found(target.resource, target.name)
        if applied["metadata"].get("uid"):
            sent = applied["metadata"]["uid"]
            why = f"uid mismatch: the provided object specified uid {sent}, and no existing object was found"
            raise conflict(target.resource, target.name, why)
        applied["metadata"].pop("resourceVersion", None)
        merged = ownership.merge(target.resource, None, applied, options.manager, "", force=options.force)
        return self._writer.create(target, merged.object, options, applied=True)


def _group_version_kind(obj: Object) -> str:
    group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
    return f"{group}/{version}, Kind={obj.get('kind', '')}"


def _accepted(resource: ResourceType) -> tuple[str, ...]:
    common = (JSON_PATCH, MERGE_PATCH, APPLY)
    return common if resource.custom else (*common, STRATEGIC)


def _json_patch(_target: Target, obj: Object, document: Any) -> Object:
    if not isinstance(document, list) or len(document) > _MAX_OPERATIONS:
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        )
    try:
        patched = _JsonPatch(document).apply(obj)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError) as error:
        raise unfit_for_patch() from error
    return as_object(patched)


class _Replace(jsonpatch.ReplaceOperation):
    """The real server's library replaces a field of an object that isn't there, too."""

    def apply(self, obj: Any) -> Any:
        owner, field = self.pointer.to_last(obj)
        if not isinstance(owner, dict):
            return super().apply(obj)
        owner[field] = self.operation["value"]
        return obj


class _JsonPatch(jsonpatch.JsonPatch):
    operations = MappingProxyType({**jsonpatch.JsonPatch.operations, "replace": _Replace})


def _merge_patch(_target: Target, obj: Object, document: Any) -> Object:
    if not isinstance(document, dict):
        got = "array" if isinstance(document, list) else type(document).__name__
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {got} into Go value of type map[string]interface {{}}"
        )
    return as_object(_merged(obj, document))


def _merged(value: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for key, change in patch.items():
        if change is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), change)
    return result


def _strategic(target: Target, obj: Object, document: Any) -> Object:
    definition = "" if target.subresource == "scale" else target.resource.definition
    return strategic_merge(obj, as_object(document), definition)


_CHANGES: Mapping[str, Callable[[Target, Object, Any], Object]] = {
    JSON_PATCH: _json_patch,
    MERGE_PATCH: _merge_patch,
    STRATEGIC: _strategic,
}
