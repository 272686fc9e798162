"""Stateless tokens as the server makes them: HS256 JWTs of issuer `dittofs`, good for any process with the secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any


def issue(secret: str, claims: Mapping[str, Any], *, token_type: str, lifetime_s: float) -> str:
    """A token that carries `claims` and ends `lifetime_s` seconds from now."""
    now = int(time.time())
    body = {"iss": "dittofs", "iat": now, "exp": int(now + lifetime_s), **claims, "token_type": token_type}
    signed = f"{_encode({'alg': 'HS256', 'typ': 'JWT'})}.{_encode(body)}"
    return f"{signed}.{_sign(secret, signed)}"


def verify(secret: str, token: str, *, token_type: str) -> Mapping[str, Any] | None:
    """The claims of `token`; None when it isn't ours, has ended, or is of another type."""
    signed, _, signature = token.rpartition(".")
    if not signed or not hmac.compare_digest(_sign(secret, signed), signature):
        return None
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
    good = claims.get("token_type") == token_type and float(claims.get("exp", 0)) > time.time()
    return claims if good else None


def _encode(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _sign(secret: str, signed: str) -> str:
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
