"""PATCH: JSON patch, merge patch, strategic merge patch (built-in kinds) and server-side apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jsonpatch
import jsonpointer

from hack.localcluster.apiserver import metadata, ownership
from hack.localcluster.apiserver.bodies import as_object, read_json, read_yaml
from hack.localcluster.apiserver.builtin import ResourceType
from hack.localcluster.apiserver.options import WriteOptions
from hack.localcluster.apiserver.scale import scale_of, set_scale
from hack.localcluster.apiserver.status import (
    Cause,
    StatusError,
    bad_request,
    conflict,
    invalid_options,
    not_found,
    not_implemented,
    unsupported_media_type,
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
            raise unsupported_media_type(accepted)
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
            return self._writer.update(target, live, new, options)

    def _apply(self, target: Target, body: bytes, options: WriteOptions) -> Outcome:
        if target.subresource == "scale":
            raise not_implemented("server-side apply to the scale subresource")
        applied = as_object(read_yaml(body))
        if not applied.get("apiVersion") or not applied.get("kind"):
            raise bad_request("error decoding patch: Object 'Kind' or 'apiVersion' is missing in the applied object")
        metadata.check_names(target.resource, applied, name=target.name, namespace=target.namespace)
        if applied["metadata"].get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        with self._storage.writing():
            stored = self._storage.get(target.resource.table, target.key)
            live = None if stored is None else self._writer.live(target)
            if live is None:
                return self._apply_new(target, applied, options)
            metadata.check_preconditions(target.resource, live, applied["metadata"], key_name=target.name)
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
            why = f"Precondition failed: UID in precondition: {applied['metadata']['uid']}, UID in object meta: "
            raise conflict(target.resource, target.name, why)
        if applied["metadata"].get("resourceVersion"):
            raise not_found(target.resource, target.name)
        merged = ownership.merge(target.resource, None, applied, options.manager, "", force=options.force)
        return self._writer.create(target, merged.object, options, applied=True)


def _accepted(resource: ResourceType) -> tuple[str, ...]:
    common = (JSON_PATCH, MERGE_PATCH, APPLY)
    return common if resource.custom else (*common, STRATEGIC)


def _json_patch(target: Target, obj: Object, document: Any) -> Object:
    if not isinstance(document, list) or len(document) > _MAX_OPERATIONS:
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        patched = jsonpatch.JsonPatch(document).apply(obj)
    except (jsonpatch.InvalidJsonPatch, TypeError, KeyError) as error:
        raise bad_request(f"error decoding patch: {error}") from error
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        text = "the server rejected our request due to an error in our request"
        details = {"name": target.name, "group": target.resource.group, "kind": target.resource.plural}
        causes = [Cause("", "UnexpectedServerResponse", str(error)).manifest()]
        raise StatusError(422, "Invalid", text, details | {"causes": causes}) from error
    return as_object(patched)


def _merge_patch(_target: Target, obj: Object, document: Any) -> Object:
    if not isinstance(document, dict):
        raise bad_request("error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}")
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
