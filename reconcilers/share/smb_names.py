"""Which shares SMB clients can't ask for, by their paths (tried against v0.29.0). Pure."""

from __future__ import annotations

from reconcilers.api.dittofs import DittoFS
from reconcilers.api.share import ShareCondition
from reconcilers.conditions import Condition, false, true

NOT_OVER_SMB = "NotOverSMB"


def smb_remark(path: str, instance: DittoFS, *, namesake: str | None) -> Condition | None:
    """What the condition Ready of the share at `path`, which is served, says about SMB; None when nothing.

    `namesake` is the DittoFSShare, if any, whose path is this one in lower case.
    """
    adapters = instance.spec.adapters
    hindrance = _hindrance(path, namesake)
    if not adapters.smb.enabled or not hindrance:
        return None
    if adapters.nfs.enabled:
        return true(
            ShareCondition.READY, NOT_OVER_SMB, f"clients can use the share over NFS, not over SMB: {hindrance}"
        )
    return false(ShareCondition.READY, NOT_OVER_SMB, f"clients can't use the share over SMB: {hindrance}")


def _hindrance(path: str, namesake: str | None) -> str:
    if "/" in path.removeprefix("/"):
        share, _, folder = path.removeprefix("/").partition("/")
        return f'they take "{path}" for the folder "{folder}" of a share "{share}"'
    if path == path.lower():
        return ""
    found = f'the one of DittoFSShare "{namesake}"' if namesake else "none"
    return f'the server looks for the share "{path.lower()}" instead, in lower case, and finds {found}'
