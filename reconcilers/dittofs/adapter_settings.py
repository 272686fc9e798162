"""Keeps the declared settings of the adapters on a server; those that nobody declares are left alone.

The server takes some settings without storing them (dittofs-server 3.4): one that reads back as before is told of once
and not sent again until it, or the server, is another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from reconcilers.api.dittofs import DittoFS
from reconcilers.dittofs.deep_poll import DeepPoll
from reconcilers.dittofs.report import Report
from reconcilers.server.errors import ServerRefused
from reconcilers.server.session import ServerSession

_Refused = dict[tuple[str, str], tuple[Any, str]]


class AdapterSettings:
    """Looks after the settings. Safe for many threads, for different instances."""

    def __init__(self, *, poll: DeepPoll) -> None:
        self._poll = poll
        #: By instance and start of its server: what it did not take, by adapter and name, with the reason.
        self._refused: dict[str, tuple[str, _Refused]] = {}

    def forget(self, uid: str) -> None:
        """Drop what was remembered of an instance that is gone."""
        self._poll.forget(uid)
        self._refused.pop(uid, None)

    def settle(self, instance: DittoFS, session: ServerSession, start: str, report: Report) -> None:
        """Make the adapters have the settings that `instance` declares; what can't be had is in `report`.

        Raises a `ServerError` when the server fails.
        """
        uid, wanted = instance.metadata.uid, declared_settings(instance)
        if not wanted:
            return
        known_start, refused = self._refused.get(uid, ("", {}))
        if known_start != start:
            refused = {}
        declared = orjson.dumps(wanted, option=orjson.OPT_SORT_KEYS)
        if self._poll.is_due(uid, start=start, declared=declared):
            refused = {key: entry for key, entry in refused.items() if wanted.get(key[0], {}).get(key[1]) == entry[0]}
            for adapter, settings in wanted.items():
                self._settle_adapter(adapter, settings, session, refused, report)
            self._refused[uid] = (start, refused)
            self._poll.settle(uid, start=start, declared=declared)
        report.setting_problems.extend(text for _, text in refused.values())

    def _settle_adapter(
        self, adapter: str, wanted: Mapping[str, Any], session: ServerSession, refused: _Refused, report: Report
    ) -> None:
        found = session.adapter_settings(adapter)
        for name, value in wanted.items():
            if (adapter, name) in refused or found.get(name) == value:
                continue
            field = f"adapters.{adapter}.settings.{name}"
            if name not in found:
                refused[adapter, name] = (value, f"{field}: the server has no such setting; remove it")
                continue
            try:
                found = session.patch_adapter_settings(adapter, {name: value})
            except ServerRefused as error:
                refused[adapter, name] = (value, f"{field}: {error.detail}")
                continue
            if found.get(name) != value:
                refused[adapter, name] = (value, f"{field}: the server takes it but does not store it; remove it")
            else:
                report.server_changes.append(f"{adapter} {name}")


def declared_settings(instance: DittoFS) -> dict[str, dict[str, Any]]:
    """The declared settings by adapter; those that declare none are left out."""
    adapters = instance.spec.adapters
    every = {"nfs": adapters.nfs.settings, "smb": adapters.smb.settings}
    return {adapter: settings for adapter, settings in every.items() if settings}
