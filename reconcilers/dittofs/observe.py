"""Facts read out of children as they stand: what claims have, what the pod runs with, where the server is. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from informers.resource import View
from reconcilers import names
from reconcilers.builders.consumed import DATABASE_CA_VOLUME, POSTGRES_VARIABLES
from reconcilers.builders.inputs import ObservedClaim, PodInputs, PostgresSource
from reconcilers.builders.pod import JWT_SECRET_VARIABLE
from reconcilers.builders.services import Part
from reconcilers.dittofs.facts import PodFacts
from reconcilers.share.healing import NotLoaded


def observed_claim(claim: View, *, class_is_specified: bool) -> ObservedClaim:
    """What `claim` has that an apply must not take back."""
    spec = claim.get("spec") or {}
    storage_class = spec.get("storageClassName")
    # The cluster's default class, filled in by the API server, stays out: applying it would be a write for nothing.
    keeps_class = storage_class is not None and (class_is_specified or _owns_class(claim))
    return ObservedClaim(
        uid=str(claim["metadata"]["uid"]),
        requested=str(((spec.get("resources") or {}).get("requests") or {}).get("storage") or "0"),
        access_modes=tuple(spec.get("accessModes") or ()),
        storage_class=str(storage_class) if keeps_class else None,
        cache_lost=is_marked_lost(claim),
        leaving=bool(claim["metadata"].get("deletionTimestamp")),
    )


def is_marked_lost(claim: View) -> bool:
    """Whether `claim` is a cache that was made anew although the metadata was there already."""
    return names.CACHE_LOST_ANNOTATION in (claim["metadata"].get("annotations") or {})


def inputs_in_force(stateful_set: View) -> PodInputs | None:
    """What the pods of `stateful_set` start with; None when its template is not one of ours."""
    template = stateful_set["spec"]["template"]
    annotations = template["metadata"].get("annotations") or {}
    config_hash = annotations.get(names.CONFIG_HASH_ANNOTATION)
    references = _secret_variables(template["spec"])
    key = references.get(JWT_SECRET_VARIABLE)
    if not key or not config_hash:
        return None
    login = references.get(POSTGRES_VARIABLES["host"])
    postgres = (
        PostgresSource(str(login["name"]), _volume_secret(template["spec"], DATABASE_CA_VOLUME)) if login else None
    )
    restarted = str(annotations.get(names.RESTARTED_ANNOTATION) or "")
    return PodInputs(str(key["name"]), str(key["key"]), str(config_hash), postgres, restarted)


def _secret_variables(pod: View) -> dict[str, View]:
    return {
        str(variable.get("name")): (variable.get("valueFrom") or {}).get("secretKeyRef") or {}
        for container in pod.get("containers") or ()
        for variable in container.get("env") or ()
    }


def _volume_secret(pod: View, name: str) -> str:
    for volume in pod.get("volumes") or ():
        if volume.get("name") == name:
            return str((volume.get("secret") or {}).get("secretName") or "")
    return ""


def endpoint(part: Part, service: View) -> dict[str, Any]:
    """Where `part` can be reached through `service`."""
    spec = service["spec"]
    cluster_ip = str(spec.get("clusterIP") or "")
    namespace = str(service["metadata"].get("namespace") or "")
    return {
        "host": names.service_host(part.service_name, namespace),
        "clusterIP": cluster_ip,
        "address": _load_balancer_address(service) or cluster_ip,
        "port": part.port,
    }


def running_version(pod: PodFacts | None) -> str:
    """The version of the server that `pod` runs, by its image; empty when that says nothing."""
    if pod is None or not pod.ready:
        return ""
    return names.image_version(pod.image) or names.image_version(f"image@{pod.image_id.rpartition('@')[2]}")


def unloaded_shares(shares: Iterable[View]) -> tuple[str, ...]:
    """The paths of the DittoFSShares that were found on the server but not loaded by it."""
    return _shares_with(shares, NotLoaded.SHARE_NOT_LOADED, NotLoaded.AWAITS_RESTART)


def shares_awaiting_restart(shares: Iterable[View]) -> tuple[str, ...]:
    """The paths of those that only another process of the server can load, since they can't be made anew."""
    return _shares_with(shares, NotLoaded.AWAITS_RESTART)


def _shares_with(shares: Iterable[View], *reasons: NotLoaded) -> tuple[str, ...]:
    found = []
    for share in shares:
        status = share.get("status") or {}
        if any(condition.get("reason") in reasons for condition in status.get("conditions") or ()):
            found.append(str(status.get("path") or ""))
    return tuple(sorted(found))


def addresses(shares: Iterable[View]) -> dict[str, str]:
    """By path, where the data is of those of the DittoFSShares that have stores of ours on the server."""
    found = {}
    for share in shares:
        status = share.get("status") or {}
        path, store = str(status.get("path") or ""), str((status.get("stores") or {}).get("metadata") or "")
        if not share["metadata"].get("deletionTimestamp") and (address := names.address_of(store, path)):
            found[path] = address
    return found


def used_bytes(shares: Iterable[View]) -> dict[str, int]:
    """By path, what the files of the DittoFSShares take together, as far as that is known."""
    statuses = (share.get("status") or {} for share in shares)
    return {str(status.get("path") or ""): int(status["usedBytes"]) for status in statuses if status.get("usedBytes")}


def adopted_stores(shares: Iterable[View]) -> dict[str, dict[str, str]]:
    """By path, the stores of those of the DittoFSShares that were adopted with them, in the words of their status."""
    found = {}
    for share in shares:
        status = share.get("status") or {}
        if status.get("adopted"):
            found[str(status.get("path") or "")] = {
                name: str(value) for name, value in (status.get("stores") or {}).items() if value
            }
    return found


def _owns_class(claim: View) -> bool:
    for entry in claim["metadata"].get("managedFields") or ():
        if entry.get("manager") == names.FIELD_MANAGER and entry.get("operation") == "Apply":
            return "f:storageClassName" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    return False


def _load_balancer_address(service: View) -> str:
    ingresses = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return next((str(ingress.get("ip") or ingress.get("hostname") or "") for ingress in ingresses), "")
