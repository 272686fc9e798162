"""Bodies of requests: JSON or YAML, read into plain objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson
import yaml

from hack.localcluster.apiserver.status import bad_request, unsupported_media_type

Object = dict[str, Any]

_SUMMARY_BYTES = 30

_READ = ("application/json", "application/yaml")
#: The last one is what a real server names too; here it is refused with the same words as any other.
_ACCEPTED = (*_READ, "application/vnd.kubernetes.protobuf")


class _Loader(yaml.SafeLoader):
    """YAML as the real server reads it: a date is a string."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def media_type(content_type: str) -> str:
    """The media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def read_object(body: bytes, content_type: str, *, kind: str = "", requires_type: bool = False) -> Object:
    """The object that a POST or PUT sent; 415 for a format that is not read here (protobuf, CBOR).

    `kind` is what it should be, for messages; with `requires_type` it must say its own kind and apiVersion.
    """
    form = media_type(content_type) or "application/json"
    if form not in _READ:
        raise unsupported_media_type(_ACCEPTED)
    refused = f"the object provided is unrecognized (must be of type {kind}): "
    try:
        value = _yaml(body) if form == "application/yaml" else orjson.loads(body)
    except (orjson.JSONDecodeError, yaml.YAMLError) as error:
        words = str(error) if body else "unexpected end of JSON input"
        why = f"couldn't get version/kind; json parse error: {words} ({_summary(body)})"
        raise bad_request(refused + why) from error
    if not isinstance(value, dict):
        raise bad_request(f"{refused}couldn't get version/kind; it must be a JSON object ({_summary(body)})")
    for field, name in (("kind", "Kind"), ("apiVersion", "apiVersion")):
        if requires_type and not value.get(field):
            sent = body.decode(errors="replace")
            raise bad_request(f"{refused}Object '{name}' is missing in '{sent}' ({_summary(body)})")
    return value


def read_options(body: bytes, content_type: str) -> Object:
    """The DeleteOptions in a body; an empty body says nothing."""
    return read_object(body, content_type, kind="DeleteOptions") if body.strip() else {}


def read_json(body: bytes) -> Any:
    """Any JSON value; 400 when it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from error


def read_yaml(body: bytes) -> Any:
    """Any YAML value; 400 when it is none."""
    try:
        return _yaml(body)
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from error


def duplicates(body: bytes) -> list[str]:
    """The paths of the fields that stand twice in a JSON object."""
    twice: list[tuple[Object, list[str]]] = []

    def collect(pairs: list[tuple[str, Any]]) -> Object:
        read = dict(pairs)
        if len(read) != len(pairs):
            names = [name for name, _ in pairs]
            twice.append((read, [name for name in read if names.count(name) > 1]))
        return read

    root = json.loads(body, object_pairs_hook=collect)
    return [
        f"{path}{name}"
        for path, found in _objects(root, "")
        for read, names in twice
        if read is found
        for name in names
    ]


def _objects(value: Any, path: str) -> Iterator[tuple[str, Object]]:
    if isinstance(value, dict):
        yield f"{path}." if path else "", value
        for key, item in value.items():
            yield from _objects(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _objects(item, f"{path}[{index}]")


def _yaml(body: bytes) -> Any:
    try:
        # nearly every client sends JSON, which is YAML too, and is much faster to read
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _with_text_keys(yaml.load(body, _Loader))


def _with_text_keys(value: Any) -> Any:
    """YAML's keys can be anything; JSON's are strings."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else json.dumps(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list) else value


def _summary(body: bytes) -> str:
    """The beginning of a body, as the real server quotes it."""
    if not body:
        return "<empty>"
    start = body[:_SUMMARY_BYTES]
    more = " ..." if len(body) > _SUMMARY_BYTES else ""
    return (start.decode(errors="replace") if body.startswith(b"{") else start.hex()) + more


def as_object(value: Any) -> Object:
    """`value` if it is a JSON object, or else 400."""
    if not isinstance(value, dict):
        raise bad_request("the object provided is unrecognized: it must be a JSON object")
    return value
