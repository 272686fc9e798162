"""Whether a share belongs to the user whom its specification names: the server takes that at its making only. Pure."""

from __future__ import annotations

from reconcilers.api.share import DittoFSShare
from reconcilers.server.rows import Share, UserRow
from reconcilers.share.status import Findings, ShareFacts, out_of_sync

UNKNOWN_ACCOUNT = "UnknownAccount"


def owner_trouble(
    share: DittoFSShare, facts: ShareFacts, *, user: UserRow | None, row: Share | None
) -> Findings | None:
    """Why the owner of `share`, on the server the `user`, is not as specified; None: it is, or will be.

    `row` None: the server does not have the share yet.
    """
    owner, instance = share.spec.owner, share.spec.instance_ref.name
    if user is None:
        message = (
            f'owner: the server has no user "{owner}". Add it to users of DittoFS "{instance}"; to have another owner, '
            "delete this object and create it again, since owner is fixed"
        )
        return out_of_sync(share, facts, reason=UNKNOWN_ACCOUNT, message=message)
    if row is None or row.owner_uid == user.uid:
        return None
    present = "root" if row.owner_uid is None else f"uid {row.owner_uid}"
    message = (
        f'owner: on the server the share belongs to {present}, and not to user "{owner}" (uid {user.uid}): DittoFS '
        "v0.29.0 can't change that. Create this object again with the owner that the share has, or remove the share "
        "from the server to have it made anew"
    )
    return out_of_sync(share, facts, reason="OwnerDiffers", message=message)
