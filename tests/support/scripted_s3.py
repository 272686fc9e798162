"""An S3 service that has one answer to everything: for what the one of the tests never says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def answering(status: int, code: str) -> Iterator[str]:
    """Its address; it refuses with `status` and `code`, and quotes what services of S3 quote."""
    quoted = "<AWSAccessKeyId>AKFIRST</AWSAccessKeyId><StringToSign>first-secret-key</StringToSign>"
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>No.</Message>{quoted}</Error>".encode()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(body)

        do_PUT = do_POST = do_GET  # noqa: N815 - http.server looks these names up

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
