"""The pod's own ServiceAccount: a name without rights and without a token."""

from __future__ import annotations

from informers.resource import Manifest
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import SERVICE_ACCOUNT
from reconcilers.builders.metadata import child


def service_account(instance: DittoFS) -> Manifest:
    """The ServiceAccount: the server never talks to the API, so no token may lie in a pod that clients reach."""
    manifest = child(instance, SERVICE_ACCOUNT, names.service_account(instance.metadata.name))
    manifest["automountServiceAccountToken"] = False
    return manifest
