"""What runs a container: the real program in a sandbox, a double of the server, or nothing that only says it runs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hack.localcluster.double import DoubleServer, StartFailed
from hack.localcluster.double.purge import purge
from hack.localcluster.kubelet.environment import expand
from hack.localcluster.kubelet.images import DITTOFS_ARGUMENTS, is_dittofs, is_operator
from hack.localcluster.kubelet.outside import OutsideServer
from hack.localcluster.kubelet.programs import Program, operator, server
from hack.localcluster.kubelet.sandbox import Mount, Sandbox, SandboxPlan, support
from hack.localcluster.pod_network import LocalRoute, Route, SandboxRoute
from informers.resource import View
from reconcilers import names

_DEFAULT_USER = 65532
_SIGKILL_CODE = 137
_TERMINATION_LOG = "/dev/termination-log"
#: As much of it as a kubelet takes.
_MESSAGE_BYTES = 4096


class Process(Protocol):
    """One run of a container."""

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""

    @property
    def message(self) -> str:
        """What it wrote as its termination message."""

    @property
    def route(self) -> Route | None:
        """How its ports are reached; None when it has none."""

    def connect(self, port: int, timeout_s: float) -> socket.socket:
        """A connection to one of its ports; OSError when nothing listens there."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it; nothing of it is left when this returns."""


@dataclass(frozen=True, slots=True)
class Launch:
    """All that a run of a container needs."""

    container: View
    pod: View
    environment: Mapping[str, str]
    mounts: Sequence[Mount]
    address: str
    folder: Path
    log: Path
    on_exit: Callable[[], None]


@dataclass(frozen=True, slots=True)
class ServerKind:
    """Which DittoFS server pods get, and why; for people."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


class Launcher:
    """Starts containers with what this machine has. Raises FileNotFoundError for a `dfs_binary` that isn't there.

    `outside`: what the real server and the operator's Jobs reach beyond their pods.
    """

    def __init__(self, dfs_binary: Path | None, *, outside: Sequence[OutsideServer] = ()) -> None:
        self._binary = dfs_binary
        self._outside = outside
        if dfs_binary is not None and not dfs_binary.is_file():
            raise FileNotFoundError(f"there is no dfs binary at {dfs_binary}")
        if dfs_binary is None:
            self.server_kind = ServerKind("double", "no dfs binary was given")
        elif not support().possible:
            self._binary = None
            self.server_kind = ServerKind("double", f"this machine can't make namespaces: {support().reason}")
        else:
            self.server_kind = ServerKind("real dfs", f"{dfs_binary} in namespaces of its own")

    def start(self, launch: Launch) -> Process:
        """Run the container; what fails at the start is a process that has ended already."""
        if is_operator(launch.container["image"]):
            # Never a stand: a Job that only says that it worked would have its data thought removed, or archived.
            reason = "" if support().possible else f"this machine can't make namespaces: {support().reason}"
            return _Refused(reason) if reason else _Real(launch, operator(), self._outside)
        if not is_dittofs(launch.container["image"]):
            return _Stand(ends=launch.pod["spec"].get("restartPolicy", "Always") != "Always")
        if self._binary is None:
            return _PurgeDouble(launch) if launch.container["name"] == names.PURGE_CONTAINER else _Double(launch)
        return _Real(launch, server(self._binary), self._outside)


class _Real:
    def __init__(self, launch: Launch, program: Program, outside: Sequence[OutsideServer]) -> None:
        security = {
            **(launch.pod["spec"].get("securityContext") or {}),
            **(launch.container.get("securityContext") or {}),
        }
        launch.folder.mkdir(parents=True, exist_ok=True)
        self._words = launch.folder / "termination-log"
        self._words.write_bytes(b"")
        words = Mount(self._words, launch.container.get("terminationMessagePath") or _TERMINATION_LOG)
        plan = SandboxPlan(
            arguments=[*_command(launch, program.entrypoint), *_arguments(launch, program.arguments)],
            environment={
                "PATH": "/usr/bin:/bin",
                "HOME": "/app",
                "HOSTNAME": _hostname(launch),
                **program.environment,
                **launch.environment,
            },
            mounts=[*program.mounts, words, *_programs(launch), *launch.mounts],
            address=launch.address,
            hostname=_hostname(launch),
            user=security.get("runAsUser") or _DEFAULT_USER,
            group=security.get("runAsGroup") or security.get("runAsUser") or _DEFAULT_USER,
            working_directory=launch.container.get("workingDir") or "/app",
            read_only_root=bool(security.get("readOnlyRootFilesystem")),
            outside=outside,
        )
        with launch.log.open("ab") as log:
            self._sandbox = Sandbox(plan, root=launch.folder / "root", log=log, on_exit=launch.on_exit)

    @property
    def exit_code(self) -> int | None:
        return self._sandbox.exit_code

    @property
    def message(self) -> str:
        return self._words.read_bytes()[-_MESSAGE_BYTES:].decode(errors="replace") if self._words.exists() else ""

    @property
    def route(self) -> Route | None:
        return SandboxRoute(self._sandbox.socket_name)

    def connect(self, port: int, timeout_s: float) -> socket.socket:
        return self._sandbox.connect(port, timeout_s)

    def terminate(self) -> None:
        self._sandbox.terminate()

    def kill(self) -> None:
        self._sandbox.kill()


class _Refused:
    """What can't be run here: it has failed."""

    route: Route | None = None

    def __init__(self, reason: str) -> None:
        self.message = reason
        self.exit_code: int | None = 1

    def connect(self, port: int, timeout_s: float) -> socket.socket:  # noqa: ARG002 - the protocol's signature
        raise ConnectionRefusedError(self.message)

    def terminate(self) -> None:
        """It has ended."""

    def kill(self) -> None:
        """It has ended."""


class _Double:
    message = ""

    def __init__(self, launch: Launch) -> None:
        self._server: DoubleServer | None = None
        self._on_exit = launch.on_exit
        self._lock = threading.Lock()
        self.exit_code: int | None = None
        root = launch.folder / "root"

        def resolve(path: str) -> Path:
            return _resolve(path, launch.mounts, root)

        try:
            self._server = DoubleServer(_arguments(launch), launch.environment, resolve=resolve)
        except StartFailed as error:
            with launch.log.open("a") as log:
                log.write(f"{error}\n")
            self.exit_code = error.exit_code

    @property
    def route(self) -> Route | None:
        server = self._server
        return LocalRoute(server.ports) if server is not None else None

    def connect(self, port: int, timeout_s: float) -> socket.socket:
        route = self.route
        if not isinstance(route, LocalRoute) or port not in route.ports:
            raise ConnectionRefusedError(f"nothing listens on port {port} of the pod")
        return socket.create_connection(("127.0.0.1", route.ports[port]), timeout=timeout_s)

    def terminate(self) -> None:
        self._end(0)

    def kill(self) -> None:
        self._end(_SIGKILL_CODE)

    def _end(self, code: int) -> None:
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.stop()
            self.exit_code = code
            self._on_exit()


class _PurgeDouble:
    """The container that removes files: it has done so when it is started."""

    route: Route | None = None

    def __init__(self, launch: Launch) -> None:
        root = launch.folder / "root"
        self.message = purge(_arguments(launch), lambda path: _resolve(path, launch.mounts, root))
        self.exit_code: int | None = 0

    def connect(self, port: int, timeout_s: float) -> socket.socket:  # noqa: ARG002 - the protocol's signature
        raise ConnectionRefusedError(f"a container that removes files does not listen on port {port}")

    def terminate(self) -> None:
        """It has ended."""

    def kill(self) -> None:
        """It has ended."""


class _Stand:
    """Stands for a program that this machine doesn't have: a job's ends well at once, another one just runs."""

    message = ""
    route: Route | None = None

    def __init__(self, *, ends: bool) -> None:
        self.exit_code: int | None = 0 if ends else None

    def connect(self, port: int, timeout_s: float) -> socket.socket:  # noqa: ARG002 - the protocol's signature
        raise ConnectionRefusedError(f"nothing really runs in this pod that could listen on port {port}")

    def terminate(self) -> None:
        if self.exit_code is None:
            self.exit_code = 0

    def kill(self) -> None:
        self.terminate()


def is_real(process: Process) -> bool:
    """Whether something runs that can answer a probe."""
    return not isinstance(process, _Stand)


def _programs(launch: Launch) -> list[Mount]:
    """The shell and the programs of the image, for a container that wants others than the server; this machine's."""
    folders = (Path("/bin"), Path("/usr/bin")) if launch.container.get("command") else ()
    return [Mount(folder, str(folder), read_only=True) for folder in folders]


def _command(launch: Launch, entrypoint: Sequence[str]) -> list[str]:
    command = launch.container.get("command") or entrypoint
    return [expand(part, launch.environment) for part in command]


def _arguments(launch: Launch, default: Sequence[str] = DITTOFS_ARGUMENTS) -> list[str]:
    given = launch.container.get("args")
    if given is None:
        given = () if launch.container.get("command") else default
    return [expand(part, launch.environment) for part in given]


def _hostname(launch: Launch) -> str:
    return str(launch.pod["spec"].get("hostname") or launch.pod["metadata"]["name"])


def _resolve(path: str, mounts: Sequence[Mount], root: Path) -> Path:
    """Where the container's `path` is on this machine: below the deepest mount that holds it, or in its own layer."""
    for mount in sorted(mounts, key=lambda mount: len(mount.path), reverse=True):
        inside = mount.path.rstrip("/")
        if path == inside:
            return mount.source
        if path.startswith(f"{inside}/"):
            return mount.source / path.removeprefix(f"{inside}/")
    return root / path.lstrip("/")
