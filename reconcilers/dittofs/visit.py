"""One look at one server: with what, and what may be done."""

from __future__ import annotations

from dataclasses import dataclass

from informers.resource import ObjectKey
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.dittofs.report import Report
from reconcilers.server.session import Credentials


@dataclass(frozen=True, slots=True)
class Visit:
    """The look of one pass; what it finds and does is in `report`."""

    instance: DittoFS
    base_url: str
    credentials: Credentials
    #: Tells one start of the server from the next.
    start: str
    #: Whether what differs is set right.
    change: bool
    #: Whether all adapters are to be off.
    adapters_off: bool
    #: Whether another admin password is wanted than the one in force.
    change_password: bool
    #: What the rows of remote stores depend on; None without any.
    remote: bytes | None
    #: The shares that wait for another process.
    unloaded: tuple[str, ...]
    report: Report

    @property
    def admin_secret(self) -> ObjectKey:
        """The Secret with the password in force."""
        return ObjectKey(self.instance.metadata.namespace, names.admin_secret(self.instance.metadata.name))
