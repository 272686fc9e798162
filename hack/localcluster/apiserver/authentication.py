"""Who may talk to the server: whoever knows its token.

kubectl never sends a kubeconfig's token without TLS (client-go, clientcmd `IsConfigTransportTLS`), but it does send the
password of the server's URL. So the token is accepted both as a bearer token and as a password.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Any

from hack import apparatus

USER = "admin"


def is_authorized(authorization: str, token: str) -> bool:
    """Whether an Authorization header carries `token`."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            credentials = base64.b64decode(credentials, validate=True).decode(errors="replace").partition(":")[2]
        except (binascii.Error, ValueError):
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(credentials.strip().encode(), token.encode())


def kubeconfig(url: str, token: str, *, namespace: str = "default") -> dict[str, Any]:
    """A kubeconfig for kubectl and for other clients; `token` must be made of letters, digits, '-' and '_'."""
    server = url.replace("://", f"://{USER}:{token}@", 1)
    return apparatus.kubeconfig("local", {"server": server}, token=token, namespace=namespace)
