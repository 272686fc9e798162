"""Keeps the keys and settings in the rows of remote stores: before a pod that takes them up, and after each start.

A server takes up a row when it starts. Where a row was changed under a process, that process has to end.
"""

from __future__ import annotations

from reconcilers.api.dittofs import DittoFS
from reconcilers.dittofs.report import Report
from reconcilers.remote_store import CHANGED_DURING, ObjectReader, in_our_words, is_current, is_ours, read_keys, renewed
from reconcilers.secret_data import SecretProblem
from reconcilers.server.errors import ServerRefused
from reconcilers.server.session import ServerSession

#: Rows that one pass changes: the server asks the S3 service about each, for up to 5 s.
ROWS_AT_ONCE = 10


class RemoteStores:
    """Looks after the remote stores of instances. Safe for many threads, for different instances."""

    def __init__(self, *, objects: ObjectReader) -> None:
        self._objects = objects
        #: By uid: the start of the server, and what the rows depend on, when all were last right.
        self._settled: dict[str, tuple[str, bytes]] = {}

    def forget(self, uid: str) -> None:
        """Drop what was remembered of an instance that is gone."""
        self._settled.pop(uid, None)

    def settle(self, instance: DittoFS, session: ServerSession, start: str, wanted: bytes, report: Report) -> None:
        """Give the rows of `instance` what they lack; asks nothing while neither `start` nor `wanted` is another.

        `start` tells one start of the server from the next. Raises a `ServerError` when the server fails, or a
        `ClientError`.
        """
        if self._settled.get(instance.metadata.uid) == (start, wanted):
            return
        try:
            keys = read_keys(instance, self._objects)
        except SecretProblem:
            return  # It changed since it was looked at; its event brings the next pass.
        # In the server's own words: what is known of the pod may be older than the process that answers.
        process = session.health().started_at
        rows = [row for row in session.remote_stores() if is_ours(instance, row)]
        stale = [row for row in rows if not is_current(instance, row, keys)]
        for row in stale[:ROWS_AT_ONCE]:
            try:
                session.update_remote_store(row.name, config=renewed(instance, row, keys, process=process))
            except ServerRefused as refusal:
                report.bucket_problem = str(in_our_words(refusal))
                return
            report.server_changes.append(f"keys and settings of the remote store {row.name}")
        report.rows_left = len(stale) > ROWS_AT_ONCE
        if report.rows_left:
            return
        self._settled[instance.metadata.uid] = (start, wanted)
        if stale or any(row.config.get(CHANGED_DURING) == process for row in rows):
            report.outdated_process = process
