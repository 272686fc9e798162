"""From what is wanted and what the server has to the steps between them. Pure: steps are data, `execute` does them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconcilers.remote_store import PLACE
from reconcilers.server.rows import Share, Store
from reconcilers.server.sizes import same_size
from reconcilers.share.desired import DesiredShare, StoreDefinition
from reconcilers.share.detail_plan import DetailStep, detail_steps, refreshes_access, touches_access
from reconcilers.share.details import ObservedDetails
from reconcilers.share.row_options import differing, for_creation, unseen


@dataclass(frozen=True, slots=True)
class EnsureMetadataStore:
    """Create the metadata store."""

    definition: StoreDefinition


@dataclass(frozen=True, slots=True)
class EnsureLocalStore:
    """Create the local block store, which shares of the instance have in common."""

    definition: StoreDefinition


@dataclass(frozen=True, slots=True)
class EnsureRemoteStore:
    """Create the remote block store, or give the one that is `present` the keys in force."""

    definition: StoreDefinition
    present: bool


@dataclass(frozen=True, slots=True)
class CreateShare:
    """Create the share on its stores; the server always creates it enabled."""

    metadata_store: str
    local_store: str
    fields: Mapping[str, Any]
    #: Empty: the contents stay on the local store.
    remote_store: str = ""


@dataclass(frozen=True, slots=True)
class UpdateShare:
    """Change fields of the share, named as the server names them; `found` is what it had there, to tell people."""

    fields: Mapping[str, Any]
    found: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class ConfirmSizes:
    """Send sizes again: what the server reports is rounded and may hide another one of the same look."""

    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RefreshAccess:
    """Send `squash` again as it is: only then the server forgets what it knows of clients' access to the share."""

    squash: str


@dataclass(frozen=True, slots=True)
class EnableShare:
    """Let clients in."""


@dataclass(frozen=True, slots=True)
class DisableShare:
    """Keep clients out."""


Step = (
    EnsureMetadataStore
    | EnsureLocalStore
    | EnsureRemoteStore
    | CreateShare
    | UpdateShare
    | ConfirmSizes
    | RefreshAccess
    | EnableShare
    | DisableShare
    | DetailStep
)


@dataclass(frozen=True, slots=True)
class Observed:
    """What the server has. The stores are looked up only while the share is absent, `details` only now and then."""

    share: Share | None
    metadata_store: Store | None = None
    local_store: Store | None = None
    remote_store: Store | None = None
    details: ObservedDetails | None = None


@dataclass(frozen=True, slots=True)
class StoreMismatch:
    """A store of our name is there but is not ours to use: it is of another type or at another place."""

    message: str


def plan(desired: DesiredShare, observed: Observed, *, confirm: bool) -> tuple[Step, ...]:
    """The steps from `observed` to `desired`, in order; none when the server has what is wanted.

    With `confirm`, which is for a specification that is not known to be in force, sizes that look the same are sent
    again, and clients of a read-only share are made to feel it. Of a share that is not loaded only the row can be
    changed: the server has no way to enable or disable it.
    """
    share = observed.share
    if share is None:
        return _creation(desired, observed)
    steps: list[Step] = []
    if share.loaded and share.enabled and not desired.enabled:
        steps.append(DisableShare())  # first: whoever takes a share away wants clients out now
    changed = _changed_fields(desired, share)
    if changed:
        steps.append(UpdateShare(changed, _found(share)))
    if confirm and (hidden := {name: size for name, size in _sizes(desired).items() if name not in changed}):
        steps.append(ConfirmSizes(hidden))
    details = () if observed.details is None else detail_steps(desired.details, observed.details, confirm=confirm)
    steps += details
    touched = "read_only" in changed or (confirm and desired.read_only) or any(touches_access(step) for step in details)
    if share.loaded and touched and not any(refreshes_access(step) for step in details):
        # Clients at work go on with the access that they have, otherwise (tried against v0.29.0).
        steps.append(RefreshAccess(desired.details.squash))
    if share.loaded and desired.enabled and not share.enabled:
        steps.append(EnableShare())  # last: clients come back to a share that is as it should be
    return tuple(steps)


def store_mismatch(definition: StoreDefinition, present: Store | None) -> StoreMismatch | None:
    """Why the store `present` can't be the one of `definition`, None when it can.

    Only type and place count: the server rounds numbers, and a store's other settings may be somebody's choice.
    """
    if present is None or (present.type == definition.type and present.path == definition.path):
        return None
    return StoreMismatch(
        f'the server\'s store "{present.name}" is of type {present.type} at "{present.path}", '
        f'wanted is {definition.type} at "{definition.path}": remove that store from the server or choose another path'
    )


def remote_store_mismatch(definition: StoreDefinition | None, present: Store | None) -> StoreMismatch | None:
    """Why the remote store `present` can't be the one of `definition`, None when it can: the place alone counts."""
    if definition is None or present is None:
        return None
    others = [part for part in PLACE if present.config.get(part, "") != definition.config.get(part, "")]
    if present.type == definition.type and not others:
        return None
    return StoreMismatch(
        f'the server\'s remote store "{present.name}" differs in {", ".join(others) or "type"} from what this share '
        "needs: remove that store from the server or choose another path"
    )


def _creation(desired: DesiredShare, observed: Observed) -> tuple[Step, ...]:
    steps: list[Step] = []
    if observed.metadata_store is None:
        steps.append(EnsureMetadataStore(desired.metadata_store))
    if observed.local_store is None:
        steps.append(EnsureLocalStore(desired.local_store))
    if desired.remote_store is not None:
        steps.append(EnsureRemoteStore(desired.remote_store, present=observed.remote_store is not None))
    # Writable at first: the server can't open the root directory of a share that is made read-only to anybody, and
    # keeps it read-only for ever (tried against v0.29.0).
    fields: dict[str, Any] = {
        "read_only": False,
        "default_permission": desired.default_permission,
        **({"owner": desired.owner} if desired.owner else {}),
        **for_creation(desired.options),
        **desired.trash,
    }
    if desired.quota_bytes:
        fields["quota_bytes"] = str(desired.quota_bytes)
    remote_name = desired.remote_store.name if desired.remote_store else desired.foreign_remote
    steps.append(CreateShare(desired.metadata_store.name, desired.local_store.name, fields, remote_name))
    if desired.read_only:
        steps += [UpdateShare({"read_only": True}), RefreshAccess(desired.details.squash)]
    if not desired.enabled:
        steps.append(DisableShare())
    return tuple(steps)


def _changed_fields(desired: DesiredShare, share: Share) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if share.read_only != desired.read_only:
        fields["read_only"] = desired.read_only
    if share.default_permission != desired.default_permission:
        fields["default_permission"] = desired.default_permission
    if not same_size(desired.quota_bytes, share.quota):
        fields["quota_bytes"] = str(desired.quota_bytes) if desired.quota_bytes else ""
    fields |= differing(desired.options, share.options)
    return fields | {name: value for name, value in desired.trash.items() if share.trash.get(name) != value}


def _sizes(desired: DesiredShare) -> dict[str, Any]:
    quota = {"quota_bytes": str(desired.quota_bytes)} if desired.quota_bytes else {}
    return {**quota, **unseen(desired.options)}


def _found(share: Share) -> dict[str, Any]:
    return {
        "read_only": share.read_only,
        "default_permission": share.default_permission,
        "quota_bytes": share.quota,
        **share.options,
        **share.trash,
    }
