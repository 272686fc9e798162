"""Runs a container's process in namespaces of its own, so that its paths and ports are exactly those of its pod.

Nothing of it is left when the cluster goes, however it goes: the sandbox ends when its control pipe closes.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hack.localcluster.kubelet.outside import OutsideServer, WayOut, addresses

_INIT = Path(__file__).with_name("sandbox_init.py")
_PROBE_TIMEOUT_S = 10.0
_KILL_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of this machine, and where the container sees it."""

    source: Path
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class SandboxPlan:
    """What runs in a sandbox; `address` is the pod's, which must lie in 127.0.0.0/8."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    mounts: Sequence[Mount]
    address: str
    hostname: str
    user: int = 65532
    group: int = 65532
    home: str = "/app"
    working_directory: str = "/app"
    read_only_root: bool = False
    #: All that it reaches beyond itself.
    outside: Sequence[OutsideServer] = ()


@dataclass(frozen=True, slots=True)
class SandboxSupport:
    """Whether this machine can make sandboxes; `reason` says why not, for people."""

    possible: bool
    reason: str


@functools.cache
def support() -> SandboxSupport:
    """Try it once, with what a sandbox really needs."""
    if not sys.platform.startswith("linux"):
        return SandboxSupport(possible=False, reason="namespaces need Linux")
    if shutil.which("unshare") is None:
        return SandboxSupport(possible=False, reason="there is no unshare (util-linux)")
    try:
        done = subprocess.run(
            [*_unshare(65532, 65532), "true"], capture_output=True, timeout=_PROBE_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return SandboxSupport(possible=False, reason="unshare did not answer")
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip() or f"unshare exited with {done.returncode}"
        return SandboxSupport(possible=False, reason=words)
    return SandboxSupport(possible=True, reason="")


class Sandbox:
    """One started process in its namespaces."""

    def __init__(self, plan: SandboxPlan, *, root: Path, log: IO[bytes], on_exit: Callable[[], None]) -> None:
        """Start it. `root` is an empty folder of its own; `on_exit` is called from another thread when it ended."""
        root.mkdir(parents=True, exist_ok=True)
        # An abstract name: no path that may be too long, nothing to clean up.
        self._name = f"\0dittofs-local-cluster-{secrets.token_hex(16)}"
        self._way_out = WayOut(plan.outside) if plan.outside else None
        channel = self._way_out.channel if self._way_out else None
        # The plan holds the values of Secrets: in memory, and not among the arguments that `ps` shows to everybody. The
        # folder stands there so that one can see whose process it is.
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener,
            os.fdopen(os.memfd_create("plan"), "wb") as told,
        ):
            listener.bind(self._name)
            listener.listen(128)
            told.write(_to_json(plan, root, listener.fileno(), channel))
            told.flush()
            told.seek(0)
            self._process = subprocess.Popen(
                [
                    *_unshare(plan.user, plan.group),
                    *(sys.executable, "-I", str(_INIT), str(told.fileno()), os.fspath(root)),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno(), told.fileno(), *([] if channel is None else [channel])],
                env={},
                start_new_session=True,
            )
        if self._way_out:
            self._way_out.start()
        self._order_lock = threading.Lock()
        self._waiter = threading.Thread(target=self._wait, args=(on_exit,), name="sandbox-waiter", daemon=True)
        self._waiter.start()

    @property
    def exit_code(self) -> int | None:
        """The container's exit code (128 + signal when a signal ended it); None while it runs."""
        code = self._process.returncode
        return code if code is None or code >= 0 else 128 - code

    def terminate(self) -> None:
        """Ask the container to end: SIGTERM."""
        with self._order_lock, contextlib.suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.write(b"T")
            self._process.stdin.flush()

    def kill(self) -> None:
        """End everything in the sandbox; all of it is gone when this returns."""
        with self._order_lock, contextlib.suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        self._waiter.join(_KILL_TIMEOUT_S)
        if self._waiter.is_alive():
            self._process.kill()
            self._waiter.join()

    def connect(self, port: int, timeout_s: float) -> socket.socket:
        """A connection to the pod's `port`; OSError when nothing listens there."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout_s)
            connection.connect(self._name)
            connection.sendall(struct.pack("!H", port))
            if connection.recv(1) != b"\x00":
                raise ConnectionRefusedError(f"nothing listens on port {port} of the pod")
        except OSError:
            connection.close()
            raise
        return connection

    @property
    def socket_name(self) -> str:
        """The abstract unix socket behind which the pod is: a caller first sends the port in two bytes."""
        return self._name

    def _wait(self, on_exit: Callable[[], None]) -> None:
        self._process.wait()
        if self._way_out:
            self._way_out.join()
        on_exit()


def _unshare(user: int, group: int) -> list[str]:
    """A user namespace also for root, so that the container is the user its pod says and holds no capability."""
    ids = ["--user", f"--map-user={user}", f"--map-group={group}", "--keep-caps"]
    return ["unshare", *ids, "--net", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--"]


def _to_json(plan: SandboxPlan, root: Path, listener: int, channel: int | None) -> bytes:
    mounts = [{"source": os.fspath(m.source), "path": m.path, "readOnly": m.read_only} for m in plan.mounts]
    return json.dumps(
        {
            "root": os.fspath(root),
            "arguments": list(plan.arguments),
            "environment": dict(plan.environment),
            "mounts": mounts,
            "address": plan.address,
            "hostname": plan.hostname,
            "user": plan.user,
            "group": plan.group,
            "home": plan.home,
            "workingDirectory": plan.working_directory,
            "readOnlyRoot": plan.read_only_root,
            "listener": listener,
            "channel": channel,
            "hosts": addresses(plan.outside),
            "outside": [[server.host, server.port] for server in plan.outside],
        }
    ).encode()
