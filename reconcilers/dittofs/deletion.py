"""What becomes of the claims and Secrets of a DittoFS that is being deleted; the rest the garbage collector removes.

Under Retain nothing may own them when the DittoFS goes, or they would go with it: that is made sure of, live.
"""

from __future__ import annotations

from informers.errors import NotFound
from informers.resource import Manifest, ObjectKey, Resource, View
from reconcilers import names
from reconcilers.access import ApiClient
from reconcilers.api.dittofs import DittoFS, VolumeRetention
from reconcilers.api.resources import DITTOFS, PERSISTENT_VOLUME_CLAIM, SECRET
from reconcilers.dittofs.ownership import Whose, controller_of, whose
from reconcilers.dittofs.report import Report


def keepsakes(instance: DittoFS) -> tuple[tuple[Resource, ObjectKey], ...]:
    """The claims and Secrets that `instance` may have, whatever its types are."""
    name, namespace = instance.metadata.name, instance.metadata.namespace
    claims = (
        names.control_plane_claim(name),
        names.metadata_claim(name),
        names.payload_claim(name),
        names.cache_claim(name),
    )
    secrets = (names.admin_secret(name), names.jwt_secret(name))
    return (
        *((PERSISTENT_VOLUME_CLAIM, ObjectKey(namespace, claim)) for claim in claims),
        *((SECRET, ObjectKey(namespace, secret)) for secret in secrets),
    )


def leaving_instance(view: View) -> DittoFS:
    """What of `view` its deletion needs: an object that another version of ours let in must not stay for ever."""
    retention = (view.get("spec") or {}).get("volumeRetention")
    spec = {"volumeRetention": retention} if retention == VolumeRetention.DELETE else {}
    head = {"apiVersion": DITTOFS.api_version, "kind": DITTOFS.kind}
    return DittoFS.from_view({**head, "metadata": view["metadata"], "spec": spec})


def settle_keepsakes(instance: DittoFS, client: ApiClient, report: Report) -> list[str]:
    """Let go of the claims and Secrets of `instance`, or delete them, as `volumeRetention` says; gives those kept."""
    kept: list[str] = []
    for resource, key in keepsakes(instance):
        what = f"{resource.kind} {key.name}"
        with report.step(what):
            try:
                live = client.get(resource, key)
                if whose(resource, live, instance) is not Whose.OURS:
                    continue
                if instance.spec.volume_retention is VolumeRetention.DELETE:
                    client.delete(resource, key, uid=live["metadata"]["uid"])
                    report.removed.append(what)
                else:
                    _disown(resource, key, live, instance, client)
                    kept.append(what)
            except NotFound:
                continue
    return kept


def _disown(resource: Resource, key: ObjectKey, live: Manifest, instance: DittoFS, client: ApiClient) -> None:
    controller = controller_of(live)
    if controller is None or controller.get("uid") != instance.metadata.uid:
        return
    owners = live["metadata"]["ownerReferences"]
    others = [owner for owner in owners if owner.get("uid") != instance.metadata.uid]
    patch = {"metadata": {"resourceVersion": live["metadata"]["resourceVersion"], "ownerReferences": others}}
    client.merge_patch(resource, key, patch, field_manager=names.FIELD_MANAGER)
