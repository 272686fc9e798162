"""A real control plane below one folder: etcd, kube-apiserver and kube-controller-manager, by default with one node."""

from __future__ import annotations

import base64
import contextlib
import secrets
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from hack.apparatus import Apparatus, kubeconfig, write_kubeconfig
from hack.controlplane import etcd
from hack.controlplane.binaries import Binaries
from hack.controlplane.process import TiedProcess
from hack.localcluster.pod_network import random_networks

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 5.0
_POLL_S = 0.05
_PORT_ATTEMPTS = 5

_ADMIN = "admin"
_CONTROLLER_MANAGER = "system:kube-controller-manager"
#: Sockets in etcd's folder: no port, and nobody else may use them. Their form is host:port by etcd's rules.
_ETCD_SOCKET = "localhost:1"
_ETCD_CLIENTS, _ETCD_PEERS = f"unix://{_ETCD_SOCKET}", "unix://localhost:2"
#: The API server makes this pair itself; it signs the tokens of service accounts, too.
_CERTIFICATE, _KEY = "certs/apiserver.crt", "certs/apiserver.key"


class StartFailed(Exception):
    """A part of the control plane didn't come up; the message says which, and its last words."""


class ControlPlane(Apparatus):
    """Started once, stopped once; nothing of it is left after `stop`, nor any process after a kill of this one.

    `directory` gets the kubeconfig of an administrator, and in `data_dir` etcd's data and the logs of the three
    (`logs/`). There is no node: see `hack.controlplane.node`. RBAC is on; the Services' ClusterIPs are loopback
    addresses of this run, so that a simulated network can listen on them. `start` raises StartFailed.
    """

    def __init__(
        self,
        directory: Path,
        *,
        binaries: Binaries,
        prepare: Callable[[Path], None] | None = None,
        seed: int | None = None,
        api_server_flags: Mapping[str, str] | None = None,
    ) -> None:
        """`prepare` is called with the kubeconfig before the controller manager starts.

        Types that are defined then are known to its garbage collector at once; of later ones it hears every 30 s.
        `api_server_flags` come on top of ours, without their dashes.
        """
        super().__init__()
        self.directory = directory
        self.data_dir = directory / "data"
        self.kubeconfig = directory / "kubeconfig"
        self.token = secrets.token_urlsafe(24)
        service_network, load_balancer_network = random_networks(Random(seed))
        self.service_network = service_network
        self.load_balancer_network = load_balancer_network
        self._binaries = binaries
        self._prepare = prepare
        self._more_flags = api_server_flags or {}
        self._api_server: TiedProcess | None = None
        self._own_folder = self.data_dir / "control-plane"
        self._logs = self.data_dir / "logs"
        self._url = ""

    @property
    def url(self) -> str:
        """The API server's address; empty before the start."""
        return self._url

    @property
    def certificate_authority(self) -> bytes:
        """What the API server's certificate is checked against, as PEM."""
        return (self._own_folder / _CERTIFICATE).read_bytes()

    def kill_api_server(self) -> None:
        """End the running API server and with it all of its connections; etcd keeps the objects."""
        if self._api_server is not None:
            self._api_server.stop(0)

    def restart_api_server(self) -> None:
        """Start the API server again, at the same address; it works when this returns. Raises StartFailed."""
        self.kill_api_server()
        self._run_api_server(urlsplit(self._url).port or 0, time.monotonic() + _START_TIMEOUT_S)

    def compact(self) -> int:
        """Let etcd forget all but the present revision, which is returned."""
        return etcd.compact(self._own_folder / _ETCD_SOCKET)

    def leftovers(self) -> list[str]:
        """What is left of a stopped control plane, in words: processes, files; empty as it should be."""
        folder = str(self.data_dir)
        left = [str(path) for path in (self.data_dir, self.kubeconfig) if path.exists()]
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "cwd").readlink().is_relative_to(folder):
                    left.append(f"process {process.name}")
        return left

    def write_kubeconfig(self, path: Path, *, token: str, namespace: str = "default") -> None:
        """Write a kubeconfig for the identity of `token`, readable by this user alone."""
        authority = base64.b64encode(self.certificate_authority).decode()
        cluster = {"server": self._url, "certificate-authority-data": authority}
        write_kubeconfig(path, kubeconfig("test", cluster, token=token, namespace=namespace))

    def _start(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        # A killed run may have left its data here.
        self._remove_data()
        self._own_folder.mkdir(parents=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        self._undo.append(self._remove_data)
        self._start_etcd(deadline)
        manager_token = secrets.token_urlsafe(24)
        self._write_tokens(manager_token)
        self._start_api_server(deadline)
        self._undo.append(lambda: self.kubeconfig.unlink(missing_ok=True))
        self.write_kubeconfig(self.kubeconfig, token=self.token)
        self.write_kubeconfig(self._own_folder / "controller-manager.kubeconfig", token=manager_token)
        if self._prepare is not None:
            self._prepare(self.kubeconfig)
        self._start_controller_manager(deadline)

    def _start_etcd(self, deadline: float) -> None:
        flags = {
            "data-dir": "etcd",
            "listen-client-urls": _ETCD_CLIENTS,
            "advertise-client-urls": _ETCD_CLIENTS,
            "listen-peer-urls": _ETCD_PEERS,
            "initial-advertise-peer-urls": _ETCD_PEERS,
            "initial-cluster": f"default={_ETCD_PEERS}",
        }
        # The data is worth nothing after a crash.
        process = self._run("etcd", self._binaries.etcd, flags, "--unsafe-no-fsync")
        self._wait(process, (self._own_folder / _ETCD_SOCKET).exists, deadline)

    def _start_api_server(self, deadline: float) -> None:
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            try:
                self._run_api_server(_free_port(), deadline)
            except StartFailed as failure:
                # Between our look and the server's, somebody else may have taken the port.
                if "address already in use" not in str(failure) or attempt == _PORT_ATTEMPTS:
                    raise
            else:
                return

    def _run_api_server(self, port: int, deadline: float) -> None:
        self._url = f"https://127.0.0.1:{port}"
        server = self._run("kube-apiserver", self._binaries.api_server, self._api_server_flags(port))
        self._api_server = server
        self._wait(server, lambda: self._ask("/readyz") == b"ok", deadline)

    def _api_server_flags(self, port: int) -> dict[str, str]:
        return {
            "etcd-servers": _ETCD_CLIENTS,
            "bind-address": "127.0.0.1",
            "secure-port": str(port),
            "cert-dir": str(Path(_CERTIFICATE).parent),
            "authorization-mode": "RBAC",
            "token-auth-file": "tokens.csv",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": _KEY,
            "service-account-signing-key-file": _KEY,
            "service-cluster-ip-range": str(self.service_network),
            # The address of the API server itself may not be published: it is a loopback address.
            "endpoint-reconciler-type": "none",
            **self._more_flags,
        }

    def _start_controller_manager(self, deadline: float) -> None:
        flags = {
            "kubeconfig": "controller-manager.kubeconfig",
            "use-service-account-credentials": "true",
            "service-account-private-key-file": _KEY,
            "root-ca-file": _CERTIFICATE,
            "leader-elect": "false",
            "secure-port": "0",
            # The default is for a cluster that has other things to do.
            "kube-api-qps": "500",
            "kube-api-burst": "1000",
            # The simulated node sends no heartbeats.
            "controllers": "*,-node-lifecycle-controller,-taint-eviction-controller",
        }
        manager = self._run("kube-controller-manager", self._binaries.controller_manager, flags)
        # What the first pod of a namespace needs, and among the last that is made.
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        certificates = "/api/v1/namespaces/default/configmaps/kube-root-ca.crt"
        self._wait(manager, lambda: bool(self._ask(account) and self._ask(certificates)), deadline)

    def _run(self, name: str, program: Path, flags: dict[str, str], *more: str) -> TiedProcess:
        command = [str(program), *(f"--{flag}={value}" for flag, value in flags.items()), *more]
        process = TiedProcess(name, command, folder=self._own_folder, log=self._logs / f"{name}.log")
        self._undo.append(lambda: process.stop(_STOP_TIMEOUT_S))
        return process

    def _wait(self, process: TiedProcess, ready: Callable[[], bool], deadline: float) -> None:
        while not ready():
            if not process.running:
                raise StartFailed(f"{process.name} ended at its start: {process.last_words()}")
            if time.monotonic() > deadline:
                raise StartFailed(f"{process.name} was not ready in {_START_TIMEOUT_S:g} s: {process.last_words()}")
            time.sleep(_POLL_S)

    def _ask(self, path: str) -> bytes | None:
        """The body of a successful answer; None for any other."""
        request = urllib.request.Request(self._url + path, headers={"Authorization": f"Bearer {self.token}"})
        try:
            trust = ssl.create_default_context(cafile=str(self._own_folder / _CERTIFICATE))
            handler = urllib.request.HTTPSHandler(context=trust)
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)
            with opener.open(request, timeout=2) as answer:
                return bytes(answer.read())
        except OSError:
            return None

    def _write_tokens(self, manager_token: str) -> None:
        file = self._own_folder / "tokens.csv"
        file.touch(mode=0o600)
        rows = (f'{self.token},{_ADMIN},{_ADMIN},"system:masters"', f"{manager_token},{_CONTROLLER_MANAGER},manager")
        file.write_text("\n".join(rows) + "\n")

    def _remove_data(self) -> None:
        for folder in (self._own_folder, self._logs):
            shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.data_dir.rmdir()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
