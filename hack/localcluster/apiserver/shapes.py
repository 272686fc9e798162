"""The shapes an answer can take: the objects themselves, their metadata only, or a table. The Accept header says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hack.localcluster.apiserver.builtin import ResourceType
from hack.localcluster.apiserver.status import StatusError, bad_request
from hack.localcluster.apiserver.table import columns_of, definitions_of, row_of

Object = dict[str, Any]


#: What a real server names in its refusals; protobuf is not served here.
_MEDIA_TYPES = "application/json, application/yaml, application/vnd.kubernetes.protobuf"


class Form(Enum):
    """What the client asked for with `as=`."""

    OBJECT = ""
    METADATA = "PartialObjectMetadata"
    TABLE = "Table"


_FORMS = {
    "PartialObjectMetadata": Form.METADATA,
    "PartialObjectMetadataList": Form.METADATA,
    "Table": Form.TABLE,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """Makes answers of one form for one resource; `include` is the table's includeObject."""

    resource: ResourceType
    form: Form
    include: str = "Metadata"

    def one(self, obj: Object, *, with_columns: bool = True) -> Object:
        """One object."""
        if self.form is Form.OBJECT:
            return obj
        if self.form is Form.METADATA:
            return _partial(obj)
        return self._table([obj], {"resourceVersion": obj["metadata"]["resourceVersion"]}, with_columns=with_columns)

    def many(self, items: list[Object], metadata: Object) -> Object:
        """A list."""
        if self.form is Form.TABLE:
            return self._table(items, metadata, with_columns=True)
        if self.form is Form.METADATA:
            return {
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "items": [_partial(obj) for obj in items],
            }
        kind = self.resource.list_kind
        shown = items if self.resource.custom else [_untyped(obj) for obj in items]
        return {"kind": kind, "apiVersion": self.resource.api_version, "metadata": metadata, "items": shown}

    def bookmark(self, metadata: Object) -> Object:
        """The object of a BOOKMARK event."""
        if self.form is Form.METADATA:
            return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
        if self.form is Form.TABLE:
            return self._table([], metadata, with_columns=False)
        return {"kind": self.resource.kind, "apiVersion": self.resource.api_version, "metadata": metadata}

    def _table(self, items: list[Object], metadata: Object, *, with_columns: bool) -> Object:
        columns = columns_of(self.resource)
        return {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": definitions_of(columns) if with_columns else [],
            "rows": [
                {"cells": row_of(self.resource, columns, obj)} | _INCLUDED.get(self.include, _partial_row)(obj)
                for obj in items
            ],
        }


def shape_of(resource: ResourceType, accept: str, include: str) -> Shape:
    """The first form in the Accept header that can be served; 406 when none can."""
    if not accept:
        return Shape(resource, Form.OBJECT)
    known = False
    for clause in accept.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        if media not in ("application/json", "*/*", "application/*"):
            continue
        asked = dict(parameter.partition("=")[::2] for parameter in parameters)
        if "as" not in asked:
            return Shape(resource, Form.OBJECT)
        if asked["as"] in _FORMS and asked.get("g") == "meta.k8s.io" and asked.get("v", "v1") == "v1":
            form = _FORMS[asked["as"]]
            if form is Form.TABLE and include not in ("", *_INCLUDED):
                why = "must be 'Metadata', 'Object', 'None', or empty"
                text = f'Unable to convert to Table as requested: includeObject: Invalid value: "{include}": {why}'
                raise bad_request(text)
            return Shape(resource, form, include or "Metadata")
        known = known or "as" in asked
    if known:
        raise StatusError(406, "NotAcceptable", f"only the following media types are accepted: {_MEDIA_TYPES}")
    streamed = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
    text = f"406: Not Acceptable\n\nAvailable representations: {_MEDIA_TYPES}, {streamed}"
    raise StatusError(406, "NotAcceptable", text, {})


def _partial(obj: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def _partial_row(obj: Object) -> Object:
    return {"object": _partial(obj)}


_INCLUDED: dict[str, Callable[[Object], Object]] = {
    "None": lambda _obj: {"object": None},
    "Metadata": _partial_row,
    "Object": lambda obj: {"object": obj},
}


def _untyped(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}
