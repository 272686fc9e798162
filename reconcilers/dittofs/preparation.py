"""Gathers what the pod starts with: database, configuration, Secrets; what lacks keeps back the pod alone.

A pod that runs keeps what it started with, whatever vanishes: nothing may stop it, nor make a new one wait in vain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from informers.errors import ApiError, NotFound
from informers.resource import ObjectKey, View
from reconcilers import names
from reconcilers.access import ApiClient
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import STATEFUL_SET
from reconcilers.builders.config import MAX_CONFIG_BYTES, config_file, config_hash
from reconcilers.builders.consumed import s3_keys
from reconcilers.builders.inputs import PodInputs, PostgresSource
from reconcilers.builders.overrides import judge
from reconcilers.dittofs.caches import DittoFSCaches
from reconcilers.dittofs.children import child_key
from reconcilers.dittofs.database import Databases
from reconcilers.dittofs.facts import DatabaseFacts, Problem
from reconcilers.dittofs.observe import inputs_in_force
from reconcilers.dittofs.ownership import Whose, whose
from reconcilers.dittofs.report import Report
from reconcilers.dittofs.secret_keeper import AdminPassword, SecretKeeper
from reconcilers.dittofs.secret_reader import SecretReader
from reconcilers.remote_store import settings_digest
from reconcilers.secret_data import SecretProblem

_UNKNOWN_DATABASE = DatabaseFacts(ready=False, reason="NotRead", message="its Secrets can't be read now")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What one pass found."""

    #: None: the pod can't be built now, and one that runs is left alone.
    pod: PodInputs | None
    #: What the pod has, or will have; None when there is nothing yet.
    in_force: PodInputs | None
    config_file: str
    database: DatabaseFacts
    admin: AdminPassword
    #: Another hash than the pod has that runs.
    rolls: bool = False
    #: What the rows of the remote stores depend on; None: there are none, or their keys can't be had.
    remote: bytes | None = None


class Preparation:
    """Prepares pods. Safe for many threads, for different instances."""

    def __init__(self, *, caches: DittoFSCaches, client: ApiClient, keeper: SecretKeeper, reader: SecretReader) -> None:
        self._caches = caches
        self._client = client
        self._keeper = keeper
        self._reader = reader
        self._databases = Databases(clusters=caches.postgres_clusters, reader=reader)

    def look(self, instance: DittoFS, report: Report) -> Prepared:
        """What is there, with nothing changed: for an instance that is suspended or leaving."""
        in_force = self.in_force(instance)
        database = self._database(instance, in_force, report)
        admin = AdminPassword(in_place=True, change_wanted=False)
        return Prepared(in_force, in_force, self._file_in_force(instance), database, admin)

    def prepare(self, instance: DittoFS, report: Report, *, remembered: str | None, restarted: str = "") -> Prepared:
        """See to what the pod needs; what lacks stands in `report`.

        `remembered`: the password that last worked; `restarted`: the process that must end, empty for none.
        """
        in_force = self.in_force(instance)
        database = self._database(instance, in_force, report)
        file, inputs = self._inputs(instance, database.source, report) if database.ready else (None, None)
        admin = AdminPassword(in_place=False, change_wanted=False)
        with report.step("Secret with the admin password"):
            admin = self._keeper.admin_password(instance, report, remembered=remembered)
        if in_force is not None and inputs is None:
            # Stopping needs none of what lacks.
            pod = in_force if instance.spec.replicas == 0 else None
            return Prepared(pod, in_force, self._file_in_force(instance), database, admin)
        if in_force is None and not admin.in_place:
            # A first pod would only wait for a Secret that is not there.
            inputs = None
        rolls = in_force is not None and inputs is not None and inputs.config_hash != in_force.config_hash
        if inputs is not None:
            inputs = replace(inputs, restarted=restarted or (in_force.restarted if in_force else ""))
        return Prepared(
            inputs, inputs, file or self._file_in_force(instance), database, admin, rolls, self._remote(instance)
        )

    def _remote(self, instance: DittoFS) -> bytes | None:
        """What was just looked at without a problem, or None."""
        if instance.spec.payload.s3 is None:
            return None
        namespace = instance.metadata.namespace
        try:
            keys = [self._reader.look(ObjectKey(namespace, value.secret), value.key) for value in s3_keys(instance)]
        except (SecretProblem, ApiError):
            return None
        return b"".join((*(key.digest for key in keys), *settings_digest(instance)))

    def in_force(self, instance: DittoFS) -> PodInputs | None:
        """What the pod of `instance` starts with at present."""
        key = child_key(instance, names.stateful_set(instance.metadata.name))
        view = self._caches.stateful_sets.get(key)
        if view is None and instance.status.config_hash:
            view = self._unlabelled(instance, key)
        return None if view is None else inputs_in_force(view)

    def _unlabelled(self, instance: DittoFS, key: ObjectKey) -> View | None:
        """Our StatefulSet `key` that there was: without its labels it is in no cache of ours, but runs its pod."""
        try:
            live = self._client.get(STATEFUL_SET, key)
        except NotFound:
            return None
        return live if whose(STATEFUL_SET, live, instance) is Whose.OURS else None

    def _database(self, instance: DittoFS, in_force: PodInputs | None, report: Report) -> DatabaseFacts:
        with report.step("database"):
            return self._databases.look(instance, in_use=in_force is not None)
        return _UNKNOWN_DATABASE

    def _inputs(
        self, instance: DittoFS, postgres: PostgresSource | None, report: Report
    ) -> tuple[str | None, PodInputs | None]:
        """The file and what goes with it; None for what can't be had now."""
        verdict = judge(instance.spec.config_overrides)
        report.unknown_settings.extend(verdict.unknown)
        file = None if verdict.refused else config_file(instance, postgres)
        if verdict.refused:
            report.config_problems.append(Problem("OverrideRefused", "; ".join(verdict.refused)))
        if file is not None and (size := len(file.encode())) > MAX_CONFIG_BYTES:
            message = (
                f"config.yaml would have {size} bytes, {MAX_CONFIG_BYTES} are what its ConfigMap has room for beside "
                "shares.yaml: shorten spec.configOverrides"
            )
            report.config_problems.append(Problem("ConfigTooLarge", message))
            file = None
        with report.step("Secrets that the pod starts with"):
            key = self._keeper.signing_key(instance, report)
            consumed = self._keeper.consumed(instance, postgres, report)
            if key is not None and consumed is not None and file is not None:
                parts = (*consumed, *settings_digest(instance))
                return file, PodInputs(key.secret, key.key, config_hash(file, key.digest, parts), postgres)
        return file, None

    def _file_in_force(self, instance: DittoFS) -> str:
        """The config.yaml that the server has; before there is one, it is what nobody has overridden."""
        view: View | None = self._caches.config_maps.get(child_key(instance, names.config_map(instance.metadata.name)))
        text = ((view or {}).get("data") or {}).get(names.CONFIG_KEY)
        return str(text) if text else config_file(instance.without_overrides(), None)
