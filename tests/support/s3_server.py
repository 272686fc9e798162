"""A real S3 server, with its objects as files in a folder and one account, over TLS."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hack.controlplane.process import TiedProcess
from tests.support.eventually import eventually
from tests.support.real_server import s3_server_or_skip

_START_S = 30.0
_STOP_S = 10.0


@dataclass
class S3Server:
    """Listens on `port` of 127.0.0.1; the keys of its account can be changed."""

    program: Path
    folder: Path
    port: int
    keys: tuple[str, str] = field(default=("AKFIRST", "first-secret-key"), repr=False)
    process: TiedProcess | None = None

    def objects(self, bucket: str, prefix: str = "") -> set[str]:
        """The names of the objects in `bucket` that begin with `prefix`."""
        root = self.folder / "buckets" / bucket
        names = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
        return {name for name in names if name.startswith(prefix)}

    def start(self) -> None:
        """Begin to answer."""
        access, secret = self.keys
        certificate = ("--cert", str(self.folder / "tls.crt"), "--key", str(self.folder / "tls.key"))
        # Its account is an argument: these keys open nothing but this folder of a test.
        account = ("--access", access, "--secret", secret)
        # Not every file system of a machine has extended attributes.
        backend = ("posix", "--sidecar", str(self.folder / "attributes"), str(self.folder / "buckets"))
        self.process = TiedProcess(
            "versitygw",
            [str(self.program), "--port", f"127.0.0.1:{self.port}", *account, *certificate, "--quiet", *backend],
            folder=self.folder,
            log=self.folder / "log",
        )
        eventually(self._listens, _START_S, what="an S3 server that listens")

    def stop(self) -> None:
        """Answer no more; the objects stay."""
        if self.process is not None:
            self.process.stop(_STOP_S)

    def change_keys(self, access: str, secret: str) -> None:
        """From now on no other keys are good."""
        self.stop()
        self.keys = (access, secret)
        self.start()

    def _listens(self) -> bool:
        assert self.process is not None
        if not self.process.running:
            raise RuntimeError(f"the S3 server ended: {self.process.last_words()}")
        with socket.create_connection(("127.0.0.1", self.port), timeout=5):
            return True


@contextmanager
def s3_server(folder: Path, certificate: Mapping[str, str], *, bucket: str) -> Iterator[S3Server]:
    """A server in the empty `folder` with `certificate` (tls.crt, tls.key) and an empty `bucket`; skips without one."""
    program = s3_server_or_skip()
    (folder / "buckets" / bucket).mkdir(parents=True)
    (folder / "attributes").mkdir()
    for key, text in certificate.items():
        (folder / key).write_text(text)
    server = S3Server(program, folder, _free_port())
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder / "buckets")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
