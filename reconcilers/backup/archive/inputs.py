"""Makes the ConfigMap that the Jobs of a backup are told everything by."""

from __future__ import annotations

from informers.errors import AlreadyExists
from informers.resource import Manifest, ObjectKey, View
from informers.view import freeze
from reconcilers import names
from reconcilers.access import ApiClient
from reconcilers.api.backup import DittoFSBackup
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import CONFIG_MAP, PERSISTENT_VOLUME_CLAIM
from reconcilers.backup.archive.contents import contents
from reconcilers.backup.caches import BackupCaches
from reconcilers.share.caches import BY_INSTANCE as SHARES_BY_INSTANCE


class NameTaken(Exception):
    """An object of the name is there, and is somebody else's; the message says what to do."""


class Inputs:
    """Makes what a Job reads; every method raises an `ApiError` that it does not expect."""

    def __init__(self, *, caches: BackupCaches, client: ApiClient) -> None:
        self._caches = caches
        self._client = client

    def make(self, backup: DittoFSBackup, instance: DittoFS) -> None:
        """Make the ConfigMap of `backup`, once. Raises TooLarge or NameTaken."""
        pins = {one.path: one.snapshot_id for one in backup.status.artifacts if one.snapshot_id}
        self._make(backup, contents(backup, instance, self._objects(instance), pins=pins))

    def describe(self, backup: DittoFSBackup, instance: DittoFS) -> None:
        """Make the ConfigMap of a restore, which says what `instance` is like. Raises NameTaken."""
        self._make(backup, contents(backup, instance, (), pins={}))

    def _make(self, backup: DittoFSBackup, wanted: Manifest) -> None:
        key = ObjectKey.of(wanted)
        try:
            self._client.create(CONFIG_MAP, wanted, field_manager=names.FIELD_MANAGER)
        except AlreadyExists:
            if not _is_of(self._client.get(CONFIG_MAP, key), backup):
                raise NameTaken(
                    f'ConfigMap "{key.name}" is not of this backup: remove it, or rename the backup'
                ) from None

    def _objects(self, instance: DittoFS) -> list[View]:
        """The DittoFS, its shares, and the claim that has the list of files that are still to be removed."""
        found = self._caches.instances.get(instance.key)
        shares = sorted(
            self._caches.shares.by_index(SHARES_BY_INSTANCE, str(instance.key)),
            key=lambda share: str(share["metadata"]["name"]),
        )
        claim = ObjectKey(instance.metadata.namespace, names.metadata_claim(instance.metadata.name))
        live: View = freeze(self._client.get(PERSISTENT_VOLUME_CLAIM, claim))
        return [*(() if found is None else (found,)), *shares, live]


def _is_of(config_map: Manifest, backup: DittoFSBackup) -> bool:
    references = config_map["metadata"].get("ownerReferences") or ()
    return any(one.get("uid") == backup.metadata.uid for one in references)
