"""TLS of the double: certificate and key are read for each connection, as the server takes up new ones live."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from hack.localcluster.double.configuration import ServerConfiguration, StartFailed


def context(configuration: ServerConfiguration, resolve: Callable[[str], Path]) -> ssl.SSLContext | None:
    """The context for the next connection; None for plain HTTP. Raises StartFailed."""
    if not configuration.certificate_file:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        made.load_cert_chain(resolve(configuration.certificate_file), resolve(configuration.private_key_file))
        if configuration.client_authority_file:
            made.verify_mode = ssl.CERT_REQUIRED
            made.load_verify_locations(resolve(configuration.client_authority_file))
    except OSError as error:
        raise StartFailed(f"Error: failed to load TLS key pair: {error}") from error
    return made
