"""The tokens in pods' volumes: got from the API, kept while they are fresh, as the kubelet's token manager does."""

from __future__ import annotations

import threading

from hack.localcluster.kubelet.api import KubeletClient
from hack.localcluster.kubelet.environment import ReferenceMissing
from informers.clock import Clock
from informers.errors import Forbidden, NotFound
from informers.resource import ObjectKey, View
from reconcilers.api.resources import POD

#: Of a token's lifetime; then it is renewed.
_FRESH = 0.8
_DEFAULT_LIFETIME_S = 3600


class Tokens:
    """Tokens of service accounts, each bound to its pod; threads may share it."""

    def __init__(self, client: KubeletClient, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[str, float]] = {}

    def token(self, pod: View, source: View) -> str:
        """The token for a `serviceAccountToken` source of the pod's volumes. Raises ReferenceMissing, ClientError."""
        metadata, audience = pod["metadata"], source.get("audience") or ""
        entry, now = (metadata["uid"], audience), self._clock.monotonic()
        with self._lock:
            token, renew_at = self._kept.get(entry, ("", 0.0))
        if token and now < renew_at:
            return token
        lifetime_s = int(source.get("expirationSeconds") or _DEFAULT_LIFETIME_S)
        account = ObjectKey(metadata["namespace"], pod["spec"].get("serviceAccountName") or "default")
        bound_to = {"apiVersion": "v1", "kind": POD.kind, "name": metadata["name"], "uid": metadata["uid"]}
        try:
            token = self._client.request_token(
                account, lifetime_s=lifetime_s, audiences=[audience] if audience else [], bound_to=bound_to
            )
        except (NotFound, Forbidden) as error:
            raise ReferenceMissing(f"failed to fetch token: {error}") from error
        with self._lock:
            self._kept[entry] = (token, now + _FRESH * lifetime_s)
        return token

    def forget(self, uid: str) -> None:
        """The pod `uid` is gone."""
        with self._lock:
            for entry in [entry for entry in self._kept if entry[0] == uid]:
                del self._kept[entry]
