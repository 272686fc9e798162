"""The way from a DittoFS object to a session with its server."""

from __future__ import annotations

from typing import Protocol

from informers.errors import ApiError
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.server.address import base_url, bracketed
from reconcilers.server.credentials import CredentialsMissing
from reconcilers.server.session import Credentials, ServerSession, Sessions


class CredentialsReader(Protocol):
    """Gives the credentials in force of an instance (`reconcilers.server.credentials.CredentialsSource`)."""

    def get(self, instance: DittoFS) -> Credentials:
        """The credentials; raises CredentialsMissing."""


class ServerAccess:
    """Opens sessions with the servers of instances."""

    def __init__(self, *, sessions: Sessions, credentials: CredentialsReader) -> None:
        self._sessions = sessions
        self._credentials = credentials

    def open(self, instance: DittoFS) -> ServerSession:
        """The session with the server of `instance`, which must be reachable (see `is_reachable`). Sends nothing.

        Raises CredentialsMissing, also when the API server refuses to give them, or Unreachable.
        """
        endpoint = instance.status.endpoints.api
        if endpoint is None:
            raise ValueError("the instance has no API endpoint yet")
        try:
            credentials = self._credentials.get(instance)
        except ApiError as error:
            raise CredentialsMissing(f"the admin Secret can't be read: {error}") from error
        return self._sessions.get(
            instance.key,
            base_url=base_url(endpoint.cluster_ip or endpoint.host, endpoint.port, tls=credentials.tls is not None),
            host=names.api_host(instance.key),
            credentials=credentials,
        )


def is_reachable(instance: DittoFS) -> bool:
    """Whether the operator can log in to the server of `instance`: all that shares wait for."""
    endpoint = instance.status.endpoints.api
    return instance.status.api_reachable and endpoint is not None and bool(endpoint.cluster_ip or endpoint.host)


def mount_line(instance: DittoFS, path: str) -> str:
    """The command that mounts the share `path`, for a person to paste; empty without NFS."""
    endpoint = instance.status.endpoints.nfs
    address = "" if endpoint is None else endpoint.address or endpoint.cluster_ip or endpoint.host
    if endpoint is None or not address:
        return ""
    return f"mount -t nfs -o vers=4.1,port={endpoint.port},proto=tcp {bracketed(address)}:{path} /mnt"
