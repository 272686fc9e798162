"""The first process of a sandbox: makes its private root, starts the container's process, lets callers in.

Run by `sandbox.py` through `unshare`, as process 1 of new pid, mount and network namespaces; when it ends, the kernel
ends all the others. It imports only the standard library and is told everything as JSON, in the open file that its
argument numbers. On its standard input `T` means SIGTERM to the container; end of file means that the cluster is gone,
however abruptly: end at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND, _MS_REC = 1, 2, 4, 32, 4096, 16384
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFADDR, _IFF_UP = 0x8913, 0x8914, 0x8916, 1
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_PR_SET_PDEATHSIG = 1

#: What a program that is linked to the system's libraries needs, read-only.
_SYSTEM_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_SYSTEM_FILES = ("/etc/ssl", "/etc/pki", "/etc/nsswitch.conf", "/etc/localtime", "/etc/ld.so.cache", "/etc/mime.types")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

_CONNECTED, _REFUSED = b"\x00", b"\x01"

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Read the plan, build the root, start the process, serve until it ends."""
    with os.fdopen(int(sys.argv[1]), "rb") as told:
        plan = json.load(told)
    _bring_up_loopback([plan["address"], *plan["hosts"].values()])
    _lead_out(plan)
    _build_root(plan)
    child = _start(plan)
    os._exit(asyncio.run(_serve(plan, child)))


def _bring_up_loopback(addresses: list[str]) -> None:
    """Bring it up, and give it these addresses, of which the first is the pod's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        name = struct.pack("16sH", b"lo", 0)
        (flags,) = struct.unpack_from("H", fcntl.ioctl(handle, _SIOCGIFFLAGS, name), 16)
        fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack("16sH", b"lo", flags | _IFF_UP))
        for number, address in enumerate(addresses):
            label = f"lo:{number}".encode()
            fcntl.ioctl(
                handle, _SIOCSIFADDR, struct.pack("16sHH4s8x", label, socket.AF_INET, 0, socket.inet_aton(address))
            )


def _lead_out(plan: dict[str, Any]) -> None:
    """Listen where the servers outside are to be found, and let the cluster answer there."""
    if plan["channel"] is None:
        return
    listeners = [socket.create_server((plan["hosts"][host], port), backlog=128) for host, port in plan["outside"]]
    # The channel itself stays open as long as this process: its end tells the cluster.
    with socket.socket(fileno=os.dup(plan["channel"])) as channel:
        socket.send_fds(channel, [b"L"], [listener.fileno() for listener in listeners])
    for listener in listeners:
        listener.close()


def _build_root(plan: dict[str, Any]) -> None:
    root = Path(plan["root"])
    _mount("tmpfs", root, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0755")
    for folder in _SYSTEM_FOLDERS:
        source = Path(folder)
        if source.is_symlink():
            (root / folder.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            (root / folder.lstrip("/")).symlink_to(source.readlink())
        elif source.is_dir():
            _bind(source, root, folder, read_only=True)
    for file in _SYSTEM_FILES:
        if Path(file).exists():
            _bind(Path(file), root, file, read_only=True)
    for device in _DEVICES:
        _bind(Path(device), root, device, read_only=False)
    for folder, mode in (("tmp", 0o1777), ("proc", 0o555), ("etc", 0o755), (plan["home"].lstrip("/"), 0o755)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder).chmod(mode)
    with contextlib.suppress(OSError):
        # Refused where the machine's own /proc is partly hidden, as in many containers; nothing needs it.
        _mount("proc", root / "proc", "proc", _MS_NOSUID | _MS_NODEV, "")
    user, group, home = plan["user"], plan["group"], plan["home"]
    (root / "etc/passwd").write_text(f"root:x:0:0:root:/root:/\ndittofs:x:{user}:{group}:container:{home}:/\n")
    (root / "etc/group").write_text(f"root:x:0:\ndittofs:x:{group}:\n")
    hosts = {"localhost": "127.0.0.1", plan["hostname"]: plan["address"], **plan["hosts"]}
    (root / "etc/hosts").write_text("".join(f"{address} {name}\n" for name, address in hosts.items()))
    (root / "etc/hostname").write_text(f"{plan['hostname']}\n")
    for mount in plan["mounts"]:
        _bind(Path(mount["source"]), root, mount["path"], read_only=mount["readOnly"])
    if plan["readOnlyRoot"]:
        _mount(None, root, None, _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_BIND, "")


def _start(plan: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.chroot(plan["root"])
        os.chdir(plan["workingDirectory"])
        os.umask(0o022)
        nothing = os.open("/dev/null", os.O_RDONLY)
        os.dup2(nothing, 0)
        # Without the ambient set, a program that isn't user 0 starts with no capability at all.
        _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
        for descriptor in range(3, 256):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        os.execve(plan["arguments"][0], plan["arguments"], plan["environment"])
    except OSError as error:
        os.write(2, f"cannot start {plan['arguments'][0]}: {error}\n".encode())
    os._exit(127)


async def _serve(plan: dict[str, Any], child: int) -> int:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def reap() -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == child and not ended.done():
                    code = os.waitstatus_to_exitcode(status)
                    ended.set_result(code if code >= 0 else 128 - code)

    def obey() -> None:
        for order in os.read(0, 64) or b"K":
            if order == ord("T"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGTERM)
            elif not ended.done():
                ended.set_result(128 + signal.SIGKILL)

    loop.add_signal_handler(signal.SIGCHLD, reap)
    loop.add_reader(0, obey)
    reap()

    async def let_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # At the end callers are cut off, of which asyncio would complain in the container's log.
        with contextlib.suppress(asyncio.CancelledError):
            await _forward(plan["address"], reader, writer)

    listener = socket.socket(fileno=plan["listener"])
    async with await asyncio.start_unix_server(let_in, sock=listener):
        return await ended


async def _forward(address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Connect a caller, who says the port in two bytes first, to the pod's address."""
    tasks = []
    try:
        (port,) = struct.unpack("!H", await reader.readexactly(2))
        # Not 127.0.0.1: what listens on that only can't be reached in a real pod from outside either.
        inner_reader, inner_writer = await asyncio.open_connection(address, port)
    except (OSError, asyncio.IncompleteReadError):
        with contextlib.suppress(OSError):
            writer.write(_REFUSED)
            writer.close()
            await writer.wait_closed()
        return
    writer.write(_CONNECTED)
    tasks = [asyncio.create_task(_copy(reader, inner_writer)), asyncio.create_task(_copy(inner_reader, writer))]
    await asyncio.gather(*tasks)
    for end in (writer, inner_writer):
        end.close()
        with contextlib.suppress(OSError):
            await end.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 18):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
        return
    # One half broke: the other one must not wait for ever for its end.
    writer.transport.abort()


def _bind(source: Path, root: Path, path: str, *, read_only: bool) -> None:
    target = root / path.lstrip("/")
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount(source, target, None, _MS_BIND | _MS_REC, "")
    if read_only:
        _mount(None, target, None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY | _kept_flags(target), "")


def _kept_flags(target: Path) -> int:
    """The flags that a remount within a user namespace may not drop."""
    kept = os.statvfs(target).f_flag
    flags = ((os.ST_NOSUID, _MS_NOSUID), (os.ST_NODEV, _MS_NODEV), (os.ST_NOEXEC, 8), (os.ST_NOATIME, 1024))
    relative = (os.ST_RELATIME, 1 << 21)
    return sum(mount for stat, mount in (*flags, relative) if kept & stat)


def _mount(source: Path | str | None, target: Path, kind: str | None, flags: int, data: str) -> None:
    arguments = (
        str(source).encode() if source is not None else None,
        str(target).encode(),
        kind.encode() if kind is not None else None,
    )
    if _libc.mount(*arguments, ctypes.c_ulong(flags), data.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {source} on {target}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
