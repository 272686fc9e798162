"""Where the connection comes from, and that each way of getting it wrong is one clear line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import Configuration

from informers.configuration import TOKEN_PERIOD_S, TokenFile, load
from informers.errors import ConfigurationError
from tests.support.clock import FakeClock


def kubeconfig(path: Path, server: str = "http://127.0.0.1:1", **user: Any) -> Path:
    def context(name: str, **more: str) -> dict[str, Any]:
        return {"name": name, "context": {"cluster": "c", "user": "u", **more}}

    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user or {"token": "t0k"}}],
        "contexts": [context("one", namespace="ns1"), context("two")],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


def service_account(directory: Path) -> Path:
    directory.mkdir()
    for name, content in {"token": "bound\n", "namespace": "operators\n", "ca.crt": "certificate"}.items():
        (directory / name).write_text(content)
    return directory


def token(configuration: Configuration) -> Any:
    return configuration.auth_settings()["BearerToken"]["value"]


def test_the_explicit_file_beats_the_environment_the_pod_and_the_home(tmp_path: Path) -> None:
    home = kubeconfig(tmp_path / ".kube" / "config", "http://home:1")
    by_environment = kubeconfig(tmp_path / "env", "http://environment:1")
    explicit = kubeconfig(tmp_path / "flag", "http://flag:1")
    account = service_account(tmp_path / "account")
    pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    environment = {"HOME": str(tmp_path), "KUBECONFIG": str(by_environment), **pod}

    def host(flag: Path | None, *without: str) -> str:
        given = {name: value for name, value in environment.items() if name not in without}
        settings = load(str(flag) if flag else None, environment=given, service_account_directory=account)
        return settings.configuration.host

    assert host(explicit) == "http://flag:1"
    assert host(None) == "http://environment:1"
    assert host(None, "KUBECONFIG") == "https://10.0.0.1:443"
    assert host(None, "KUBECONFIG", *pod) == "http://home:1"
    assert home.exists()


def test_a_context_gives_its_namespace_and_can_be_chosen(tmp_path: Path) -> None:
    path = str(kubeconfig(tmp_path / "c"))
    settings = load(path, environment={})
    assert (settings.namespace, settings.source) == ("ns1", f"--kubeconfig {path}, context one")
    assert token(settings.configuration) == "Bearer t0k"
    assert load(path, "two", environment={}).namespace == "default"


def test_several_files_in_kubeconfig_are_merged(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text(yaml.safe_dump({"users": [{"name": "u", "user": {"token": "from the first"}}]}))
    both = f"{users}:{kubeconfig(tmp_path / 'c')}"
    assert token(load(environment={"KUBECONFIG": both}).configuration) == "Bearer from the first"


def test_in_a_pod_the_service_account_gives_everything(tmp_path: Path) -> None:
    account = service_account(tmp_path / "account")
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443", "HOME": "/nowhere"}
    settings = load(environment=environment, service_account_directory=account)
    assert settings.configuration.host == "https://[fd00::1]:6443"
    assert settings.configuration.ssl_ca_cert == str(account / "ca.crt")
    assert settings.namespace == "operators"
    assert token(settings.configuration) == "Bearer bound"


def test_a_token_file_is_read_again_after_a_minute_and_at_once_when_renewed(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one\n")
    clock = FakeClock()
    configuration = Configuration(host="http://x")
    credentials = TokenFile(path, clock=clock)
    configuration.api_key["BearerToken"] = ""
    configuration.refresh_api_key_hook = credentials  # type: ignore[assignment]

    assert token(configuration) == "Bearer one"
    path.write_text("two\n")
    clock.advance(TOKEN_PERIOD_S - 1)
    assert token(configuration) == "Bearer one"
    clock.advance(2)
    assert token(configuration) == "Bearer two"
    path.write_text("three\n")
    credentials.renew(configuration)
    assert token(configuration) == "Bearer three"


def test_a_token_file_that_is_gone_or_empty_says_so(tmp_path: Path) -> None:
    configuration = Configuration(host="http://x")
    with pytest.raises(ConfigurationError, match="cannot read the token in"):
        TokenFile(tmp_path / "none", clock=FakeClock())(configuration)
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigurationError, match="is empty"):
        TokenFile(tmp_path / "empty", clock=FakeClock())(configuration)


def test_renewed_kubeconfig_credentials_come_from_the_file_as_it_is_now(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "c", token="old")
    configuration = load(str(path), environment={}).configuration
    assert token(configuration) == "Bearer old"
    kubeconfig(path, token="new")
    hook: Any = configuration.refresh_api_key_hook
    hook.renew(configuration)
    assert token(configuration) == "Bearer new"


def test_no_proxy_stands_before_the_own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert load(str(kubeconfig(tmp_path / "c")), environment={}).configuration.proxy is None
    elsewhere = kubeconfig(tmp_path / "d", "http://elsewhere:1")
    assert load(str(elsewhere), environment={}).configuration.proxy == "http://proxy:3128"


USES_C_AND_U = "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"

#: A file that is no kubeconfig, and what is said about it.
WRONG: dict[str, tuple[str, str]] = {
    "no yaml": ("users: [{name: u, user: {token: s3cret-value}\n  x: : y", "line 2 is no YAML"),
    "empty": ("", "is empty"),
    "a list": ("[]", "is of no use"),
    "no contexts": ("apiVersion: v1\nkind: Config\ncurrent-context: one", "is of no use"),
    "a user without its part": (
        USES_C_AND_U + "clusters: [{name: c, cluster: {server: http://x}}]\nusers: [{name: u, token: s3cret-value}]",
        "is of no use",
    ),
    "a server that is no URL": (
        USES_C_AND_U
        + "clusters: [{name: c, cluster: {server: http://me:s3cret@x:99999}}]\nusers: [{name: u, user: {}}]",
        "names no usable server",
    ),
    "no server": (
        USES_C_AND_U + "clusters: [{name: c, cluster: {server: nowhere}}]\nusers: [{name: u, user: {}}]",
        "names no usable server",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_kubeconfig_is_one_line_without_its_secrets(tmp_path: Path, case: str) -> None:
    content, said = WRONG[case]
    path = tmp_path / "config"
    path.write_text(content)

    with pytest.raises(ConfigurationError) as raised:
        load(str(path), environment={})

    message = str(raised.value)
    assert said in message
    assert str(path) in message
    assert "\n" not in message
    assert "s3cret" not in message


def test_a_missing_file_or_context_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no kubeconfig at /no/such/file"):
        load("/no/such/file", environment={})
    with pytest.raises(ConfigurationError, match="three"):
        load(str(kubeconfig(tmp_path / "c")), "three", environment={})
    with pytest.raises(ConfigurationError, match="no API server to talk to"):
        load(environment={"HOME": str(tmp_path / "nobody")})
