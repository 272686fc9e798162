"""Wrong requests, verb by verb: the status and reason of the real server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.unit.localcluster_apiserver.world import (
    APPLY,
    CRDS,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC,
    WIDGETS,
    Api,
    config_map,
    stateful_set,
    widget,
    widget_definition,
)

MAPS = "/api/v1/namespaces/default/configmaps"
ONE = f"{MAPS}/one"
SETS = "/apis/apps/v1/namespaces/default/statefulsets"
SERVICES = "/api/v1/namespaces/default/services"


@dataclass(frozen=True)
class Wrong:
    """A request that is refused."""

    name: str
    method: str
    path: str
    code: int
    reason: str
    body: Any = None
    kind: str = "application/json"
    cause: str = ""
    headers: dict[str, str] = field(default_factory=dict)


def _without(manifest: dict[str, Any], *path: str) -> dict[str, Any]:
    *parents, last = path
    owner = manifest
    for parent in parents:
        owner = owner[parent]
    del owner[last]
    return manifest


def _crd(**names: Any) -> dict[str, Any]:
    crd = widget_definition()
    crd["spec"] |= names
    return crd


CASES = [
    # identity and transport
    Wrong("no token", "GET", MAPS, 401, "Unauthorized", headers={"Authorization": ""}),
    Wrong("wrong token", "GET", MAPS, 401, "Unauthorized", headers={"Authorization": "Bearer other"}),
    Wrong("unknown resource", "GET", "/api/v1/namespaces/default/things", 404, "NotFound"),
    Wrong("unknown subresource", "GET", f"{ONE}/thing", 404, "NotFound"),
    Wrong("namespaced resource without namespace", "GET", "/api/v1/configmaps/one", 404, "NotFound"),
    Wrong(
        "not acceptable", "GET", ONE, 406, "NotAcceptable", headers={"Accept": "application/vnd.kubernetes.protobuf"}
    ),
    Wrong("left out: log", "GET", "/api/v1/namespaces/default/pods/p/log", 501, "NotImplemented"),
    Wrong("left out: watch path", "GET", "/api/v1/watch/pods", 501, "NotImplemented"),
    # get and list
    Wrong("get of nothing", "GET", f"{MAPS}/none", 404, "NotFound"),
    Wrong("bad version", "GET", f"{MAPS}?resourceVersion=abc", 400, "BadRequest"),
    Wrong("version of the future", "GET", f"{MAPS}?resourceVersion=999999", 504, "Timeout"),
    Wrong("bad limit", "GET", f"{MAPS}?limit=-1", 400, "BadRequest"),
    Wrong("bad continue", "GET", f"{MAPS}?continue=garbage", 400, "BadRequest"),
    Wrong("match without version", "GET", f"{MAPS}?resourceVersionMatch=Exact", 422, "Invalid"),
    Wrong("unknown match", "GET", f"{MAPS}?resourceVersion=1&resourceVersionMatch=Roughly", 422, "Invalid"),
    Wrong("bad label selector", "GET", f"{MAPS}?labelSelector=a%20b", 400, "BadRequest"),
    Wrong("unsupported field selector", "GET", f"{MAPS}?fieldSelector=data.key%3Dx", 400, "BadRequest"),
    # watch
    Wrong("bad watch version", "GET", f"{MAPS}?watch=1&resourceVersion=abc", 500, ""),
    Wrong("initial events without match", "GET", f"{MAPS}?watch=1&sendInitialEvents=true", 422, "Invalid"),
    # create
    Wrong("exists", "POST", MAPS, 409, "AlreadyExists", config_map("one")),
    Wrong("no name", "POST", MAPS, 422, "Invalid", {"metadata": {}}, cause="metadata.name"),
    Wrong("bad name", "POST", MAPS, 422, "Invalid", config_map("Bad_Name"), cause="metadata.name"),
    Wrong(
        "service name",
        "POST",
        SERVICES,
        422,
        "Invalid",
        {"metadata": {"name": "a.b"}, "spec": {"ports": [{"port": 1}]}},
    ),
    Wrong("no JSON", "POST", MAPS, 400, "BadRequest", b"{"),
    Wrong("no object", "POST", MAPS, 400, "BadRequest", []),
    Wrong("protobuf", "POST", MAPS, 415, "UnsupportedMediaType", b"x", "application/vnd.kubernetes.protobuf"),
    Wrong("other kind", "POST", MAPS, 400, "BadRequest", config_map("x") | {"kind": "Secret"}),
    Wrong("other version", "POST", MAPS, 400, "BadRequest", config_map("x") | {"apiVersion": "v2"}),
    Wrong("other namespace", "POST", MAPS, 400, "BadRequest", config_map("x", namespace="kube-system")),
    Wrong("with a version", "POST", MAPS, 500, "", config_map("x", resourceVersion="1")),
    Wrong("no namespace", "POST", "/api/v1/namespaces/none/configmaps", 404, "NotFound", config_map("x")),
    Wrong("across namespaces", "POST", "/api/v1/configmaps", 405, "MethodNotAllowed", config_map("x")),
    Wrong("label value", "POST", MAPS, 422, "Invalid", config_map("x", labels={"a": "b c"}), cause="metadata.labels"),
    Wrong("label type", "POST", MAPS, 400, "BadRequest", config_map("x", labels={"a": 1})),
    Wrong("wrong type", "POST", MAPS, 400, "BadRequest", config_map("x") | {"data": {"a": 1}}),
    Wrong("strict", "POST", f"{MAPS}?fieldValidation=Strict", 400, "BadRequest", config_map("x") | {"dta": {}}),
    Wrong("unknown validation", "POST", f"{MAPS}?fieldValidation=Odd", 422, "Invalid", config_map("x")),
    Wrong("unknown dry run", "POST", f"{MAPS}?dryRun=Some", 422, "Invalid", config_map("x")),
    Wrong(
        "owner", "POST", MAPS, 422, "Invalid", config_map("x", ownerReferences=[{"kind": "A", "name": "b", "uid": "c"}])
    ),
    Wrong(
        "no selector", "POST", SETS, 422, "Invalid", _without(stateful_set(), "spec", "selector"), cause="spec.selector"
    ),
    Wrong("port", "POST", SERVICES, 422, "Invalid", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 0}]}}),
    Wrong(
        "quantity",
        "POST",
        "/api/v1/namespaces/default/persistentvolumeclaims",
        400,
        "BadRequest",
        {"metadata": {"name": "c"}, "spec": {"resources": {"requests": {"storage": "10GB"}}}},
    ),
    Wrong(
        "base64",
        "POST",
        "/api/v1/namespaces/default/secrets",
        400,
        "BadRequest",
        {"metadata": {"name": "s"}, "data": {"a": "!"}},
    ),
    Wrong("too large", "POST", MAPS, 413, "RequestEntityTooLarge", config_map("x", {"a": "x" * 3_200_000})),
    # replace
    Wrong("replace of nothing", "PUT", f"{MAPS}/none", 404, "NotFound", config_map("none")),
    Wrong("replace by another name", "PUT", ONE, 400, "BadRequest", config_map("two")),
    Wrong("replace of another uid", "PUT", ONE, 409, "Conflict", config_map("one", uid="other")),
    Wrong(
        "custom without version", "PUT", f"{WIDGETS}/one", 422, "Invalid", widget(), cause="metadata.resourceVersion"
    ),
    Wrong("replace of a collection", "PUT", MAPS, 405, "MethodNotAllowed", config_map("one")),
    Wrong("immutable", "PATCH", f"{SETS}/web", 422, "Invalid", {"spec": {"serviceName": "x"}}, MERGE_PATCH, "spec"),
    # patch
    Wrong("patch of nothing", "PATCH", f"{MAPS}/none", 404, "NotFound", {}, MERGE_PATCH),
    Wrong("patch type", "PATCH", ONE, 415, "UnsupportedMediaType", {}),
    Wrong("strategic on custom", "PATCH", f"{WIDGETS}/one", 415, "UnsupportedMediaType", {}, STRATEGIC),
    Wrong(
        "strategic without key",
        "PATCH",
        f"{SETS}/web",
        500,
        "",
        {"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}},
        STRATEGIC,
    ),
    Wrong("patch is no JSON", "PATCH", ONE, 400, "BadRequest", b"{", MERGE_PATCH),
    Wrong("JSON patch is no list", "PATCH", ONE, 400, "BadRequest", {"op": "add"}, JSON_PATCH),
    Wrong("JSON patch operation", "PATCH", ONE, 422, "Invalid", [{"op": "frob", "path": "/data"}], JSON_PATCH),
    Wrong(
        "failed test", "PATCH", ONE, 422, "Invalid", [{"op": "test", "path": "/data/key", "value": "other"}], JSON_PATCH
    ),
    Wrong("missing path", "PATCH", ONE, 422, "Invalid", [{"op": "remove", "path": "/data/none"}], JSON_PATCH),
    Wrong("renaming", "PATCH", ONE, 400, "BadRequest", {"metadata": {"name": "two"}}, MERGE_PATCH),
    Wrong(
        "old version",
        "PATCH",
        ONE,
        409,
        "Conflict",
        {"metadata": {"resourceVersion": "1"}, "data": {"a": "b"}},
        MERGE_PATCH,
    ),
    Wrong("force", "PATCH", f"{ONE}?force=true", 422, "Invalid", {}, MERGE_PATCH, "force"),
    # apply
    Wrong("no manager", "PATCH", ONE, 422, "Invalid", config_map("one"), APPLY, "fieldManager"),
    Wrong("no kind", "PATCH", f"{ONE}?fieldManager=m", 400, "BadRequest", {"metadata": {"name": "one"}}, APPLY),
    Wrong("applied name", "PATCH", f"{ONE}?fieldManager=m", 400, "BadRequest", config_map("two"), APPLY),
    Wrong(
        "applied managers",
        "PATCH",
        f"{ONE}?fieldManager=m",
        400,
        "BadRequest",
        config_map("one", managedFields=[{}]),
        APPLY,
    ),
    Wrong(
        "applied conflict",
        "PATCH",
        f"{ONE}?fieldManager=m",
        409,
        "Conflict",
        config_map("one", {"key": "x"}),
        APPLY,
        ".data.key",
    ),
    Wrong("applied unknown field", "PATCH", f"{ONE}?fieldManager=m", 500, "", config_map("one") | {"dta": {}}, APPLY),
    Wrong(
        "applied old version",
        "PATCH",
        f"{ONE}?fieldManager=m",
        409,
        "Conflict",
        config_map("one", resourceVersion="1"),
        APPLY,
    ),
    Wrong(
        "applied uid of nothing",
        "PATCH",
        f"{MAPS}/none?fieldManager=m",
        409,
        "Conflict",
        config_map("none", uid="u"),
        APPLY,
    ),
    Wrong(
        "applied status of nothing",
        "PATCH",
        f"{SETS}/none/status?fieldManager=m",
        404,
        "NotFound",
        stateful_set("none"),
        APPLY,
    ),
    # delete
    Wrong("delete of nothing", "DELETE", f"{MAPS}/none", 404, "NotFound"),
    Wrong("both policies", "DELETE", ONE, 422, "Invalid", {"propagationPolicy": "Orphan", "orphanDependents": True}),
    Wrong("odd propagation", "DELETE", f"{ONE}?propagationPolicy=Odd", 422, "Invalid"),
    Wrong("grace", "DELETE", ONE, 400, "BadRequest", {"gracePeriodSeconds": "soon"}),
    Wrong("default namespace", "DELETE", "/api/v1/namespaces/default", 403, "Forbidden"),
    # custom resources
    Wrong("minimum", "POST", WIDGETS, 422, "Invalid", widget("x", {"size": -1}), cause="spec.size"),
    Wrong("type", "POST", WIDGETS, 422, "Invalid", widget("x", {"size": "big"}), cause="spec.size"),
    Wrong("no kind", "POST", WIDGETS, 400, "BadRequest", {"metadata": {"name": "x"}}),
    Wrong("strict custom", "POST", f"{WIDGETS}?fieldValidation=Strict", 400, "BadRequest", widget("x", {"siz": 1})),
    Wrong("rule", "PATCH", f"{WIDGETS}/one", 422, "Invalid", {"spec": {"color": "blue"}}, MERGE_PATCH, "spec.color"),
    # definitions
    Wrong("crd name", "POST", CRDS, 422, "Invalid", _crd(group="other.org"), cause="metadata.name"),
    Wrong("crd scope", "POST", CRDS, 422, "Invalid", _crd(scope="Wide"), cause="spec.scope"),
    Wrong("crd webhook", "POST", CRDS, 422, "Invalid", _crd(conversion={"strategy": "Webhook"})),
    Wrong("crd versions", "POST", CRDS, 422, "Invalid", _crd(versions=[]), cause="spec.versions"),
]


@pytest.fixture(scope="module")
def populated() -> Any:
    from hack.localcluster.apiserver.server import ApiServer
    from tests.unit.localcluster_apiserver.world import TOKEN

    with ApiServer(token=TOKEN) as server:
        api = Api(server)
        api.ok("POST", CRDS, widget_definition())
        api.ok("POST", MAPS, config_map("one"))
        api.ok("POST", SETS, stateful_set())
        api.ok("POST", WIDGETS, widget(spec={"color": "red"}))
        yield api
        api.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.method} {case.name}")
def test_a_wrong_request_is_answered_as_the_real_server_does(populated: Api, case: Wrong) -> None:
    answer = populated.call(case.method, case.path, case.body, kind=case.kind, **case.headers)

    assert (answer.code, answer.reason) == (case.code, case.reason), answer.body
    assert answer.body["kind"] == "Status"
    assert (answer.body["status"], answer.body["code"]) == ("Failure", case.code)
    if case.cause:
        assert case.cause in [cause["field"] for cause in answer.body["details"]["causes"]], answer.body


def test_an_unknown_field_is_dropped_with_a_warning_by_default_and_silently_on_request(populated: Api) -> None:
    warned = populated.call("POST", f"{MAPS}?dryRun=All", config_map("w") | {"dta": {}})
    ignored = populated.call("POST", f"{MAPS}?dryRun=All&fieldValidation=Ignore", config_map("w") | {"dta": {}})

    assert warned.headers["Warning"] == '299 - "unknown field \\"dta\\""'
    assert "Warning" not in ignored.headers
    assert "dta" not in warned.body


@pytest.mark.parametrize("path", ["/nothing", "/apis/nobody.example/v1/things", "/apis/nobody.example"])
def test_a_path_that_leads_to_no_server_is_answered_in_plain_text(api: Api, path: str) -> None:
    answer = api.call("GET", path)

    assert (answer.code, answer.body) == (404, b"404 page not found\n")


def test_a_field_that_stands_twice_is_told_by_its_path(api: Api) -> None:
    body = b'{"metadata": {"name": "x"}, "data": {"k": "1", "k": "2"}}'

    strict = api.call("POST", f"{MAPS}?fieldValidation=Strict", body)
    lenient = api.call("POST", MAPS, body)

    assert strict.code == 400
    assert 'duplicate field "data.k"' in strict.body["message"]
    assert lenient.code == 201
    assert lenient.headers["Warning"] == '299 - "duplicate field \\"data.k\\""'
