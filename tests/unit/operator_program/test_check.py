"""`dittofs-operator check` on a server that lets everybody do everything: what it says of server and definitions."""

from __future__ import annotations

import copy
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dittofs_operator import cli, crds
from hack.localcluster.apiserver import discovery
from hack.localcluster.apiserver.server import ApiServer
from hack.localcluster.resources import CUSTOM_RESOURCE_DEFINITION
from informers import configuration
from informers.client import Client
from informers.resource import Manifest


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in cli.CHECK_SETTINGS:
        monkeypatch.delenv(f"DITTOFS_OPERATOR_{name.upper()}", raising=False)


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    """That of an API server without definitions."""
    with ApiServer(token="token") as server:
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(server.kubeconfig))
        yield path


def _install(kubeconfig: Path, *definitions: Manifest) -> None:
    client = Client(configuration.load(str(kubeconfig)).configuration, user_agent="tests")
    for definition in definitions:
        client.create(CUSTOM_RESOURCE_DEFINITION, definition, field_manager="tests")
    client.close()


def _spec(definition: Manifest) -> dict[str, Any]:
    version = definition["spec"]["versions"][0]
    spec: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return spec


def _check(kubeconfig: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = cli.main(["check", f"--kubeconfig={kubeconfig}"])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_with_everything_in_place_it_says_so_in_one_line_and_ends_with_0(
    kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _install(kubeconfig, *crds.all_crds())

    code, out, err = _check(kubeconfig, capsys)

    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    assert "nothing is missing" in out


def test_definitions_that_are_not_there_are_named_with_the_remedy(
    kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = _check(kubeconfig, capsys)

    assert (code, out) == (1, "")
    assert [line.split(" is not served")[0] for line in err.splitlines()] == [
        f"dittofs-operator: CustomResourceDefinition {definition['metadata']['name']}" for definition in crds.all_crds()
    ]
    assert "dittofs-operator crds | kubectl apply --server-side -f -" in err


def test_a_definition_of_an_older_operator_is_named_with_what_it_lacks(
    kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older, *others = copy.deepcopy(crds.all_crds())
    del _spec(older)["properties"]["suspend"]
    _spec(older)["properties"]["image"]["maxLength"] = 77
    _install(kubeconfig, older, *others)

    code, _, err = _check(kubeconfig, capsys)

    assert code == 1
    assert err.count("\n") == 1
    assert "dittofs.dittofs.dittofs.io is of another version of the operator (other in spec.image, spec.suspend)" in err


def test_a_definition_of_a_newer_operator_with_more_fields_is_good_enough(
    kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer, *others = copy.deepcopy(crds.all_crds())
    _spec(newer)["properties"]["colour"] = {"type": "string"}
    _install(kubeconfig, newer, *others)

    assert _check(kubeconfig, capsys)[0] == 0


def test_a_server_that_is_too_old_is_named(
    kubeconfig: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(discovery.VERSION, "minor", "28+")
    _install(kubeconfig, *crds.all_crds())

    code, _, err = _check(kubeconfig, capsys)

    assert code == 1
    assert "Kubernetes 1.28+, the definitions need 1.29 or newer" in err


def test_a_server_that_does_not_answer_is_one_line_and_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    cluster = {"server": f"http://127.0.0.1:{port}"}
    document = {
        "clusters": [{"name": "x", "cluster": cluster}],
        "users": [{"name": "x", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "current-context": "x",
    }
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(document))

    code, out, err = _check(kubeconfig, capsys)

    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "can't be asked" in err
