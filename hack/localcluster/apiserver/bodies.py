"""Bodies of requests: JSON or YAML, read into plain objects."""

from __future__ import annotations

from typing import Any

import orjson
import yaml

from hack.localcluster.apiserver.status import bad_request, unsupported_media_type

Object = dict[str, Any]

_ACCEPTED = ("application/json", "application/yaml")


class _Loader(yaml.SafeLoader):
    """YAML as the real server reads it: a date is a string."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def media_type(content_type: str) -> str:
    """The media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def read_object(body: bytes, content_type: str) -> Object:
    """The object that a POST or PUT sent; 415 for a format that is not read here (protobuf, CBOR)."""
    kind = media_type(content_type) or "application/json"
    if kind not in _ACCEPTED:
        raise unsupported_media_type(kind, _ACCEPTED)
    return as_object(read_yaml(body) if kind == "application/yaml" else read_json(body))


def read_options(body: bytes, content_type: str) -> Object:
    """The DeleteOptions in a body; an empty body says nothing."""
    return read_object(body, content_type) if body.strip() else {}


def read_json(body: bytes) -> Any:
    """Any JSON value; 400 when it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"the object provided is unrecognized (must be of type JSON): {error}") from error


def read_yaml(body: bytes) -> Any:
    """Any YAML value; 400 when it is none."""
    try:
        # nearly every client sends JSON, which is YAML too, and is much faster to read
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return yaml.load(body, _Loader)
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from error


def as_object(value: Any) -> Object:
    """`value` if it is a JSON object, or else 400."""
    if not isinstance(value, dict):
        raise bad_request("the object provided is unrecognized: it must be a JSON object")
    return value
