"""What TLS to a server takes: who is trusted to have signed for it, and the certificate that the operator presents."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM texts. `authority` empty: the machine's own authorities; `certificate` empty: none is presented."""

    authority: str = ""
    certificate: str = ""
    private_key: str = field(default="", repr=False)

    def context(self) -> ssl.SSLContext:
        """A context that verifies the server. Raises `ssl.SSLError` or ValueError when a text is no good PEM."""
        context = ssl.create_default_context(cadata=self.authority or None)
        if self.certificate:
            # The library takes files only; these exist in memory alone and have no name.
            with _in_memory(f"{self.certificate}\n{self.private_key}") as path:
                context.load_cert_chain(path)
        return context


@contextmanager
def _in_memory(text: str) -> Iterator[str]:
    descriptor = os.memfd_create("tls", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
