"""Where the API server is and who we are: explicit kubeconfig, `KUBECONFIG`, the pod's service account, ~/.kube/config.

Credentials are read again when they may have been replaced (bound tokens rotate, exec plug-ins expire): the
configuration's `refresh_api_key_hook` is a `Credentials`, which the client also asks to `renew` after a 401.
"""

from __future__ import annotations

import contextlib
import copy
import ipaddress
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import yaml
from kubernetes.client import Configuration
from kubernetes.config import ConfigException
from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger

from informers.clock import Clock, SystemClock
from informers.errors import ConfigurationError

#: Mounted into every pod with a service account.
SERVICE_ACCOUNT_DIRECTORY = Path("/var/run/secrets/kubernetes.io/serviceaccount")

#: How long a token read from a file is used before the file is read again, as client-go does.
TOKEN_PERIOD_S = 60.0


class Credentials(Protocol):
    """Keeps the credentials in a `Configuration` good: called before each request."""

    def __call__(self, configuration: Configuration) -> None:
        """Puts the present credentials into `configuration`."""

    def renew(self, configuration: Configuration) -> None:
        """The server refused what we sent (401): get the credentials again from where they come from."""


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """A ready client configuration, the namespace it speaks of, and where both were found."""

    configuration: Configuration
    namespace: str
    source: str
    #: Whether this process is a pod that talks to its own cluster.
    in_cluster: bool = False


def load(
    kubeconfig: str | None = None,
    context: str | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    service_account_directory: Path = SERVICE_ACCOUNT_DIRECTORY,
    clock: Clock | None = None,
) -> ConnectionSettings:
    """The connection to use: `kubeconfig`, else `KUBECONFIG`, else the pod's own, else ~/.kube/config.

    `KUBECONFIG` may name several files, which are merged. The namespace is the context's or the service
    account's; "default" when neither says. Raises `ConfigurationError`, whose message is one line for a person.
    """
    environment = os.environ if environment is None else environment
    if kubeconfig is not None:
        return _from_kubeconfig(kubeconfig, context, source=f"--kubeconfig {kubeconfig}")
    from_environment = environment.get("KUBECONFIG", "")
    if from_environment:
        return _from_kubeconfig(from_environment, context, source=f"KUBECONFIG={from_environment}")
    if environment.get("KUBERNETES_SERVICE_HOST") and (service_account_directory / "token").exists():
        return _from_service_account(environment, service_account_directory, clock or SystemClock())
    default = Path(environment.get("HOME") or Path.home()) / ".kube" / "config"
    if default.exists():
        return _from_kubeconfig(str(default), context, source=str(default))
    raise ConfigurationError(
        f"no API server to talk to: no --kubeconfig, no KUBECONFIG, no service account of a pod, and no {default}"
    )


class TokenFile:
    """Credentials out of a file that somebody else replaces, such as a bound service account token."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._read_at = 0.0

    def __call__(self, configuration: Configuration) -> None:
        """Puts the token into `configuration`, read again when it was read more than `TOKEN_PERIOD_S` ago."""
        with self._lock:
            if not self._token or self._clock.monotonic() - self._read_at > TOKEN_PERIOD_S:
                self._read()
            configuration.api_key["BearerToken"] = f"Bearer {self._token}"

    def renew(self, configuration: Configuration) -> None:
        """Reads the file now."""
        with self._lock:
            self._read()
            configuration.api_key["BearerToken"] = f"Bearer {self._token}"

    def _read(self) -> None:
        try:
            token = self._path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"cannot read the token in {self._path}: {_one_line(error)}") from error
        if not token:
            raise ConfigurationError(f"the token in {self._path} is empty")
        self._token = token
        self._read_at = self._clock.monotonic()


class KubeconfigCredentials:
    """Credentials of one context of a kubeconfig: exec plug-ins and token files are asked again when it helps.

    `loaded` belongs to it alone: the client's own loader puts itself in the place of any hook, each time it is called.
    """

    def __init__(self, path: str, context: str | None, loaded: Configuration) -> None:
        self._path = path
        self._context = context
        self._loaded = loaded
        self._lock = threading.Lock()

    def __call__(self, configuration: Configuration) -> None:
        """Lets the client's own loader replace what has expired."""
        with self._lock:
            if self._loaded.refresh_api_key_hook is not None:
                self._loaded.refresh_api_key_hook(self._loaded)
            configuration.api_key.update(self._loaded.api_key)

    def renew(self, configuration: Configuration) -> None:
        """Reads the kubeconfig, and what it refers to, again."""
        with self._lock:
            self._loaded, _, _ = _load_kubeconfig(self._path, self._context)
            configuration.api_key.update(self._loaded.api_key)


def _from_service_account(environment: Mapping[str, str], directory: Path, clock: Clock) -> ConnectionSettings:
    certificate = directory / "ca.crt"
    if not certificate.exists():
        raise ConfigurationError(f"the service account has a token but no {certificate}")
    host = environment["KUBERNETES_SERVICE_HOST"]
    port = environment.get("KUBERNETES_SERVICE_PORT") or "443"
    configuration = Configuration(host=f"https://{f'[{host}]' if ':' in host else host}:{port}")
    configuration.ssl_ca_cert = str(certificate)
    credentials = TokenFile(directory / "token", clock=clock)
    credentials(configuration)
    configuration.refresh_api_key_hook = credentials  # type: ignore[assignment]
    namespace = "default"
    with contextlib.suppress(OSError):
        namespace = (directory / "namespace").read_text().strip() or namespace
    return ConnectionSettings(configuration, namespace, source="the pod's service account", in_cluster=True)


def _from_kubeconfig(path: str, context: str | None, *, source: str) -> ConnectionSettings:
    loaded, namespace, active_context = _load_kubeconfig(path, context)
    configuration = copy.copy(loaded)
    configuration.api_key = dict(loaded.api_key)
    credentials = KubeconfigCredentials(path, context, loaded)
    configuration.refresh_api_key_hook = credentials  # type: ignore[assignment]
    if _is_loopback(configuration.host):
        # as Go does: HTTP_PROXY never stands between a program and its own machine
        configuration.proxy = None
    return ConnectionSettings(configuration, namespace, source=f"{source}, context {active_context}")


def _load_kubeconfig(path: str, context: str | None) -> tuple[Configuration, str, str]:
    files = [Path(part).expanduser() for part in path.split(os.pathsep) if part]
    if not any(file.is_file() for file in files):
        raise ConfigurationError(f"there is no kubeconfig at {path}")
    try:
        merged = KubeConfigMerger(path).config  # type: ignore[no-untyped-call]
        loader = KubeConfigLoader(merged, active_context=context)  # type: ignore[no-untyped-call]
        configuration = Configuration()
        loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
        active = loader.current_context
    except (ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"the kubeconfig {path} is of no use: {_one_line(error)}") from error
    if not _is_url(configuration.host):
        # not quoted: a URL may hold a password
        raise ConfigurationError(
            f"the kubeconfig {path} names no usable server: `server` must be a URL such as https://host:6443"
        )
    return configuration, active["context"].get("namespace") or "default", active["name"]


def _is_url(host: str) -> bool:
    try:
        parts = urlsplit(host)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    name = urlsplit(host).hostname or ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _one_line(error: BaseException) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        # the whole text quotes the file, which holds credentials
        return f"line {error.problem_mark.line + 1} is no YAML: {error.problem}"
    # the loader names nodes by their content: braces may hold credentials
    return re.sub(r"\{.*\}", "{...}", " ".join(str(error).split())) or type(error).__name__
