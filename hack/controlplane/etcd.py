"""What a test does to etcd itself: through its own API in JSON, over the socket that it listens on."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

_TIMEOUT_S = 10.0


def compact(listening: Path) -> int:
    """Forget every revision before the present one, which is returned: who watches from an older one must list anew."""
    header = _call(listening, "range", {"key": "AA==", "count_only": True})["header"]
    revision = int(header["revision"])
    _call(listening, "compaction", {"revision": revision, "physical": True})
    return revision


def _call(listening: Path, method: str, body: dict[str, Any]) -> dict[str, Any]:
    connection = _UnixConnection(listening)
    try:
        connection.request("POST", f"/v3/kv/{method}", json.dumps(body))
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != http.client.OK:
            raise OSError(f"etcd answered {answer.status} to {method}: {content.decode(errors='replace').strip()}")
        decoded: dict[str, Any] = json.loads(content)
        return decoded
    finally:
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
