"""An API server as the suite talks to it: requests as they are, without a client library's help."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, urlsplit

import orjson

from informers import configuration

_TIMEOUT_S = 30.0
_USER_AGENT = "parity/1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `body` is read JSON, a list of events of a watch, or text."""

    code: int
    content_type: str
    warnings: tuple[str, ...]
    body: Any

    @property
    def reason(self) -> str:
        """The reason of a Status; empty for other bodies."""
        if isinstance(self.body, dict) and self.body.get("kind") == "Status":
            return str(self.body.get("reason", ""))
        return ""


class Endpoint:
    """One API server at `url`, spoken to on one connection."""

    def __init__(self, url: str, *, token: str, tls: ssl.SSLContext | None = None) -> None:
        address = urlsplit(url)
        self._token = token
        self._connection = (
            http.client.HTTPSConnection(address.netloc, timeout=_TIMEOUT_S, context=tls)
            if address.scheme == "https"
            else http.client.HTTPConnection(address.netloc, timeout=_TIMEOUT_S)
        )

    @classmethod
    def of_kubeconfig(cls, path: str) -> Self:
        """The server of a kubeconfig's current context."""
        settings = configuration.load(kubeconfig=path).configuration
        tls = ssl.create_default_context(cafile=settings.ssl_ca_cert if settings.verify_ssl else None)
        if not settings.verify_ssl:
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        if settings.cert_file:
            tls.load_cert_chain(settings.cert_file, settings.key_file)
        token = str(settings.api_key.get("BearerToken", "")).removeprefix("Bearer ")
        return cls(settings.host, token=token, tls=tls)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        token: str | None = None,
        events: int | None = None,
    ) -> Answer:
        """Send a request. A text is sent as it is, all else as JSON; of a watch, `events` events are read, or all."""
        headers = {"Accept": accept, "User-Agent": _USER_AGENT}
        credentials = self._token if token is None else token
        if credentials:
            headers["Authorization"] = f"Bearer {credentials}"
        sent = body.encode() if isinstance(body, str) else None if body is None else orjson.dumps(body)
        if sent is not None:
            headers["Content-Type"] = content_type
        try:
            self._connection.request(method, quote(path, safe="/?&=%:,!()~+*'\"[]{}"), body=sent, headers=headers)
            response = self._connection.getresponse()
        except http.client.RemoteDisconnected:
            self._connection.close()
            self._connection.request(method, path, body=sent, headers=headers)
            response = self._connection.getresponse()
        kind = response.headers.get("Content-Type", "")
        if response.status == 200 and "watch=" in path:
            read: Any = _events(response, events)
            self._connection.close()
        else:
            data = response.read()
            read = orjson.loads(data) if "json" in kind else data.decode()
        warnings = tuple(_warning(value) for value in response.headers.get_all("Warning") or ())
        return Answer(response.status, kind, warnings, read)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _events(response: http.client.HTTPResponse, limit: int | None) -> list[Any]:
    found: list[Any] = []
    while (limit is None or len(found) < limit) and (line := response.readline()):
        found.append(orjson.loads(line))
    return found


def _warning(header: str) -> str:
    quoted = header.split(" ", 2)[2]
    return str(json.loads(quoted))
