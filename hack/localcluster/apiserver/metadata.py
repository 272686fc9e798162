"""What the server alone decides about an object's metadata, and the rules its writers must keep."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson

from hack.localcluster.apiserver.builtin import BUILTIN_TYPES, ResourceType
from hack.localcluster.apiserver.status import Cause, bad_request, conflict, invalid, server_error, stale
from hack.localcluster.apiserver.target import Target

Object = dict[str, Any]

#: Set by the server; what a client sends in these is ignored.
SERVER_OWNED = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
    "resourceVersion",
)
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_PATH_SEGMENT = re.compile(r"(?!\.{1,2}$)[^/%]+")
_QUALIFIED = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")

_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
QUALIFIED_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
#: Where the real server's storage keeps a resource, if not below its plural.
_FOLDERS = {"services": "services/specs", "endpoints": "services/endpoints", "nodes": "minions"}
_STANDARD_FINALIZERS = ("orphan", "foregroundDeletion", "kubernetes")
#: Name rules by table: pattern, longest, words. All others: a subdomain of 253.
_NAME_RULES = {
    ("", "namespaces"): (_LABEL, 63, _LABEL_TEXT),
    ("", "services"): (_LABEL, 63, _LABEL_TEXT),
    **{
        ("rbac.authorization.k8s.io", plural): (_PATH_SEGMENT, 253, "may not be '.', '..', or contain '/' or '%'")
        for plural in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
    },
}


def timestamp(now: datetime | None = None) -> str:
    """A metav1.Time: UTC, whole seconds."""
    return (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def begin(resource: ResourceType, obj: Object, *, now: str) -> None:
    """Give a new object its name (from generateName), uid and timestamps."""
    metadata = obj["metadata"]
    for key in SERVER_OWNED:
        # the real server leaves a sent generation alone where it doesn't count generations itself
        if key != "generation" or resource.generation:
            metadata.pop(key, None)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = metadata["generateName"][:58] + "".join(
            secrets.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(5)
        )
    metadata["uid"] = str(uuid4())
    metadata["creationTimestamp"] = now


def check_preconditions(target: Target, live: Object, sent: Object) -> None:
    """409 when the uid or resourceVersion in the metadata `sent` is not that of `live`."""
    resource, kept = target.resource, live["metadata"]
    if sent.get("uid") and sent["uid"] != kept["uid"]:
        # the words of the real server's storage
        folder = (
            f"{resource.group}/{resource.plural}" if resource.custom else _FOLDERS.get(resource.plural, resource.plural)
        )
        key = "/".join(part for part in ("/registry", folder, target.namespace, target.name) if part)
        why = (
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
            f"Precondition failed: UID in precondition: {sent['uid']}, UID in object meta: {kept['uid']}"
        )
        raise conflict(resource, target.name, why)
    version = str(sent.get("resourceVersion") or "")
    if version and not version.isdecimal():
        raise server_error(f'strconv.ParseUint: parsing "{version}": invalid syntax')
    if version and version != kept["resourceVersion"]:
        raise stale(resource, target.name)


def check_same_uid(resource: ResourceType, live: Object, sent: Object) -> None:
    """422 when a patch would give the object another uid."""
    if sent.get("uid") and sent["uid"] != live["metadata"]["uid"]:
        cause = Cause("metadata.uid", "FieldValueInvalid", f'Invalid value: "{sent["uid"]}": field is immutable')
        raise invalid(resource, live["metadata"]["name"], [cause, cause])


def require_own_name(obj: Object, name: str) -> None:
    """400 when an object doesn't say its name although the URL does."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        raise bad_request(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")


def carry_over(target: Target, live: Object, new: Object) -> None:
    """Check the preconditions in `new` against `live`, then keep what only the server may change."""
    sent, kept = new["metadata"], live["metadata"]
    check_preconditions(target, live, sent)
    for key in SERVER_OWNED:
        sent.pop(key, None)
        if key in kept:
            sent[key] = kept[key]
    if "generateName" in kept:
        sent["generateName"] = kept["generateName"]


def check_names(resource: ResourceType, obj: Object, *, name: str, namespace: str) -> None:
    """Compare the identity in a body with the request's URL; a missing one is filled in. `name` empty: a create."""
    _check_type(resource, obj)
    obj["apiVersion"], obj["kind"] = resource.api_version, resource.kind
    metadata = _metadata_of(resource, obj)
    if name:
        if metadata.get("name") and metadata["name"] != name:
            raise bad_request(
                f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            )
        metadata["name"] = name
    if metadata.get("namespace") and metadata["namespace"] != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    metadata.pop("namespace", None)
    if namespace:
        metadata["namespace"] = namespace


def _check_type(resource: ResourceType, obj: Object) -> None:
    version, kind = obj.get("apiVersion") or resource.api_version, obj.get("kind") or resource.kind
    if (version, kind) == (resource.api_version, resource.kind):
        return
    if resource.custom is None:
        text = f'{kind} in version "{str(version).rsplit("/", 1)[-1]}" cannot be handled as a {resource.kind}: '
        if any((known.api_version, known.kind) == (version, kind) for known in BUILTIN_TYPES):
            package = resource.group.split(".", maxsplit=1)[0] or "core"
            raise bad_request(
                f"{text}converting ({resource.version}.{kind}) to ({package}.{resource.kind}): unknown conversion"
            )
        scheme = 'in scheme "pkg/runtime/scheme.go:111"'
        raise bad_request(f'{text}no kind "{kind}" is registered for version "{version}" {scheme}')
    if version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )
    cause = Cause("kind", "FieldValueInvalid", f'Invalid value: "{kind}": must be {resource.kind}')
    name = (obj.get("metadata") or {}).get("name") or ""
    raise invalid(replace(resource, kind=str(kind)), name, [cause])


def _metadata_of(resource: ResourceType, obj: Object) -> Object:
    if obj.get("metadata") is None:
        obj["metadata"] = {}
    metadata = obj["metadata"]
    if not isinstance(metadata, dict):
        raise bad_request(f"{resource.kind}: metadata must be an object")
    for key in ("name", "namespace", "generateName", "uid"):
        if not isinstance(metadata.get(key, ""), (str, type(None))):
            raise bad_request(f"json: cannot unmarshal into Go struct field ObjectMeta.metadata.{key} of type string")
    return metadata


def require_name(resource: ResourceType, metadata: Object) -> None:
    """422 when a create names nothing."""
    if not metadata.get("name") and not metadata.get("generateName"):
        cause = Cause("metadata.name", "FieldValueRequired", "Required value: name or generateName is required")
        raise invalid(resource, "", [cause])


def check(resource: ResourceType, obj: Object, live: Object | None) -> Iterator[Cause]:
    """The metadata rules that hold for every kind."""
    metadata = obj["metadata"]
    name = metadata["name"]
    pattern, longest, words = _NAME_RULES.get(resource.table, (_SUBDOMAIN, 253, _SUBDOMAIN_TEXT))
    prefix = metadata.get("generateName") or ""
    # a prefix may end with what only a suffix makes valid
    shown = {"generateName": (prefix, re.sub(r"[-.]$", "a", prefix)), "name": (name, name)}
    for field, (value, tested) in shown.items():
        if len(tested) > longest:
            text = f'Invalid value: "{value}": must be no more than {longest} characters'
            yield Cause(f"metadata.{field}", "FieldValueInvalid", text)
        if (tested or field == "name") and not pattern.fullmatch(tested):
            why = "must not contain dots" if pattern is _LABEL and "." in tested else words
            yield Cause(f"metadata.{field}", "FieldValueInvalid", f'Invalid value: "{value}": {why}')
    yield from _check_map(metadata, "labels", values=_LABEL_VALUE)
    yield from _check_map(metadata, "annotations", values=None)
    yield from _check_owners(metadata)
    yield from _check_finalizers(metadata, live)


def _check_map(metadata: Object, field: str, *, values: re.Pattern[str] | None) -> Iterator[Cause]:
    entries = metadata.get(field)
    if entries is None:
        metadata.pop(field, None)
        return
    if not isinstance(entries, dict) or not all(isinstance(value, str) for value in entries.values()):
        raise bad_request(f"json: cannot unmarshal into Go struct field ObjectMeta.metadata.{field} of type string")
    for key, value in entries.items():
        if not _QUALIFIED.fullmatch(key if values else key.lower()):
            yield Cause(f"metadata.{field}", "FieldValueInvalid", f'Invalid value: "{key}": {QUALIFIED_TEXT}')
        if values and not values.fullmatch(value):
            why = VALUE_TEXT if len(value) <= 63 else "must be no more than 63 bytes"
            yield Cause(f"metadata.{field}", "FieldValueInvalid", f'Invalid value: "{value}": {why}')


def _check_owners(metadata: Object) -> Iterator[Cause]:
    owners = metadata.get("ownerReferences") or []
    if not isinstance(owners, list) or not all(isinstance(owner, dict) for owner in owners):
        raise bad_request("json: cannot unmarshal into Go struct field ObjectMeta.metadata.ownerReferences")
    for owner in owners:
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                field = f"metadata.ownerReferences.{key}"
                yield Cause(field, "FieldValueInvalid", 'Invalid value: "": must not be empty')
    controllers = [f"{owner['kind']}/{owner['name']}" for owner in owners if owner.get("controller")]
    if len(controllers) > 1:
        listed = orjson.dumps(owners).decode()
        why = (
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{controllers[0]} and {controllers[1]}"
        )
        text = f"Invalid value: {listed}: {why}"
        yield Cause("metadata.ownerReferences", "FieldValueInvalid", text)


def _check_finalizers(metadata: Object, live: Object | None) -> Iterator[Cause]:
    finalizers = metadata.get("finalizers") or []
    if not isinstance(finalizers, list) or not all(isinstance(entry, str) for entry in finalizers):
        raise bad_request("json: cannot unmarshal into Go struct field ObjectMeta.metadata.finalizers of type []string")
    for index, entry in enumerate(finalizers):
        if "/" not in entry and entry not in _STANDARD_FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            text = f'Invalid value: "{entry}": {why}'
            yield Cause(f"metadata.finalizers[{index}]", "FieldValueInvalid", text)
    if live is None or "deletionTimestamp" not in live["metadata"]:
        return
    added = [entry for entry in finalizers if entry not in (live["metadata"].get("finalizers") or ())]
    if added:
        quoted = ", ".join(f'"{entry}"' for entry in added)
        text = (
            "Forbidden: no new finalizers can be added if the object is being deleted, "
            f"found new finalizers []string{{{quoted}}}"
        )
        # told twice, as all that compares new metadata with old
        yield Cause("metadata.finalizers", "FieldValueForbidden", text)
        yield Cause("metadata.finalizers", "FieldValueForbidden", text)


def raise_if_any(resource: ResourceType, name: str, causes: list[Cause]) -> None:
    """422 when there are causes."""
    if causes:
        # the two APIs of events have one storage, which speaks of the kind of the older one
        raise invalid(replace(resource, group=resource.table[0]), name, causes)
