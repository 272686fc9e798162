"""The generated CRDs are structural, complete, described and bounded."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, ClassVar

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from pydantic import Field

from dittofs_operator import cli, crds
from hack.localcluster.apiserver.schema import cel, structural
from informers.resource import Resource
from reconcilers.api.backup import BackupCondition, BackupPhase, DittoFSBackup
from reconcilers.api.common import ApiModel, CustomResource
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.dittofs_status import DittoFSCondition, DittoFSPhase
from reconcilers.api.schema import Definition
from reconcilers.api.share import DittoFSShare, ShareCondition, SharePhase

each_kind = pytest.mark.parametrize("kind", crds.KINDS, ids=lambda kind: kind.resource.kind)

Node = dict[str, Any]


def _nodes(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    yield path, node
    for name, field in node.get("properties", {}).items():
        yield from _nodes(field, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if keyword in node:
            yield from _nodes(node[keyword], f"{path}[]")


def _below(kind: type[CustomResource], part: str) -> dict[str, Node]:
    return dict(_nodes(crds.schema(kind)["properties"][part], f".{part}"))


def _nodes_of_our_own(kind: type[CustomResource]) -> dict[str, Node]:
    return _below(kind, "spec") | _below(kind, "status")


@each_kind
def test_the_schema_is_structural_and_its_rules_compile(kind: type[CustomResource]) -> None:
    schema = crds.schema(kind)

    structural.prepare(schema)
    cel.compile_rules(schema)


@each_kind
def test_every_default_satisfies_the_rules_before_nested_defaults_are_filled_in(kind: type[CustomResource]) -> None:
    assert cel.check_defaults(crds.schema(kind)) == []


@each_kind
def test_the_definition_is_one_that_kubernetes_knows(kind: type[CustomResource]) -> None:
    kubernetes_validate.validate(crds.crd(kind), kubernetes_validate.latest_version(), strict=True)


@each_kind
def test_every_field_says_what_it_does(kind: type[CustomResource]) -> None:
    nameless = [
        path
        for path, node in _nodes_of_our_own(kind).items()
        if not path.endswith("[]") and not node.get("description")
    ]

    assert nameless == []


@each_kind
def test_every_text_list_and_map_has_an_end(kind: type[CustomResource]) -> None:
    endless = [
        path
        for path, node in _nodes_of_our_own(kind).items()
        if (
            (node.get("type") == "string" and not node.keys() & {"maxLength", "enum", "format"})
            or (node.get("x-kubernetes-int-or-string") and "maxLength" not in node)
            or (node.get("type") == "array" and not {"maxItems", "x-kubernetes-list-type"} <= node.keys())
            or ("additionalProperties" in node and "maxProperties" not in node)
            or (node.get("type") == "integer" and "minimum" not in node)
        )
    ]

    assert endless == []


@each_kind
def test_every_field_has_one_type(kind: type[CustomResource]) -> None:
    for path, node in _nodes_of_our_own(kind).items():
        assert ("type" in node) != ("x-kubernetes-int-or-string" in node), path
        assert not node.keys() & {"anyOf", "allOf", "oneOf", "$ref", "title", "nullable"}, path


@each_kind
def test_a_default_never_stands_on_a_required_field(kind: type[CustomResource]) -> None:
    for path, node in _below(kind, "spec").items():
        defaulted = {name for name, field in node.get("properties", {}).items() if "default" in field}
        assert not defaulted & set(node.get("required", ())), path


@each_kind
def test_the_api_server_makes_up_nothing_in_the_status(kind: type[CustomResource]) -> None:
    assert [path for path, node in _below(kind, "status").items() if "default" in node] == []


@each_kind
def test_every_rule_says_what_to_do(kind: type[CustomResource]) -> None:
    for path, node in _nodes(crds.schema(kind)):
        for rule in node.get("x-kubernetes-validations", ()):
            assert rule["message"], path


@each_kind
def test_no_category_is_a_name_of_a_kind(kind: type[CustomResource]) -> None:
    """kubectl expands categories first: `kubectl delete dittofs --all` would delete every kind of the category."""
    taken = set()
    for crd in crds.all_crds():
        names = crd["spec"]["names"]
        taken |= {names["plural"], names["singular"], names["kind"], *names["shortNames"]}

    assert kind.definition.categories == ("ditto",)
    assert not taken & set(kind.definition.categories)


def test_dittofs_has_the_names_columns_and_subresources_of_the_contract() -> None:
    spec = crds.crd(DittoFS)["spec"]
    version = spec["versions"][0]

    assert spec["names"]["shortNames"] == ["dfs"]
    assert [c["name"] for c in version["additionalPrinterColumns"] if "priority" not in c] == [
        "Ready",
        "Phase",
        "Endpoint",
        "Database",
        "Version",
        "Age",
    ]
    assert version["subresources"] == {
        "status": {},
        "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
    }


def test_a_share_has_the_names_columns_and_subresources_of_the_contract() -> None:
    spec = crds.crd(DittoFSShare)["spec"]
    version = spec["versions"][0]

    assert spec["names"]["shortNames"] == ["dfsshare"]
    assert [c["name"] for c in version["additionalPrinterColumns"] if "priority" not in c] == [
        "Instance",
        "Path",
        "Ready",
        "Used",
        "Quota",
        "Age",
    ]
    assert version["subresources"] == {"status": {}}


def test_a_backup_has_the_names_columns_and_subresources_of_the_contract() -> None:
    spec = crds.crd(DittoFSBackup)["spec"]
    version = spec["versions"][0]

    assert spec["names"]["shortNames"] == ["dfsbackup"]
    assert [c["name"] for c in version["additionalPrinterColumns"] if "priority" not in c] == [
        "Instance",
        "Operation",
        "Method",
        "Phase",
        "Size",
        "Started",
        "Completed",
    ]
    assert version["subresources"] == {"status": {}}


@each_kind
def test_columns_and_scale_point_to_fields_that_exist(kind: type[CustomResource]) -> None:
    fields = {path.removesuffix("[]") for path in _nodes_of_our_own(kind)} | {".metadata.creationTimestamp"}
    paths = [column.json_path for column in kind.definition.columns]
    if kind.definition.scale:
        paths += [kind.definition.scale.spec_replicas_path, kind.definition.scale.status_replicas_path]

    for path in paths:
        assert path.partition("[?")[0] in fields, path


@pytest.mark.parametrize(
    ("kind", "phases", "conditions"),
    [
        (DittoFS, DittoFSPhase, DittoFSCondition),
        (DittoFSShare, SharePhase, ShareCondition),
        (DittoFSBackup, BackupPhase, BackupCondition),
    ],
)
def test_every_phase_and_condition_fits_its_field(
    kind: type[CustomResource], phases: type[StrEnum], conditions: type[StrEnum]
) -> None:
    status = _below(kind, "status")

    assert all(phase in status[".status.phase"]["description"] for phase in phases)
    assert max(map(len, phases)) <= status[".status.phase"]["maxLength"]
    assert len(conditions) <= status[".status.conditions"]["maxItems"]


def test_the_command_prints_the_definitions_that_are_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["crds"]) == 0

    assert list(yaml.safe_load_all(capsys.readouterr().out)) == list(crds.all_crds())


class _Choice(ApiModel):
    either: Annotated[int | str, Field(description="Two types at once.")]


class _Unbuildable(CustomResource):
    """A kind whose schema can't be structural."""

    resource: ClassVar = Resource("example.org", "v1", "unbuildables", "Unbuildable")
    definition: ClassVar = Definition(short_names=(), columns=())

    spec: _Choice
    status: Annotated[_Choice, Field(description="What was seen.")]


def test_a_model_that_no_structural_schema_can_express_is_refused() -> None:
    with pytest.raises(ValueError, match="no structural schema has a choice of types"):
        crds.schema(_Unbuildable)
