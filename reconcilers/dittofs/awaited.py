"""What the cluster around an instance still owes it: volumes of the size asked for, addresses of balancers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from informers.resource import View
from reconcilers import names
from reconcilers.api.scalars import parse_quantity
from reconcilers.dittofs.facts import Problem

#: Cloud providers take up to some minutes; who has none never gives an address.
LOAD_BALANCER_PATIENCE = timedelta(minutes=5)

OVERDUE = (
    "gets no address from a load balancer: its events say why; a cluster that has no load balancers needs one, or "
    "service.type NodePort or ClusterIP"
)

_INFEASIBLE = frozenset({"ControllerResizeInfeasible", "NodeResizeInfeasible"})


@dataclass(frozen=True, slots=True)
class Awaited:
    """What is awaited, each None where there is nothing of it."""

    #: Volumes that are about to grow.
    growth: Problem | None
    #: Volumes that won't.
    size: Problem | None
    #: Load balancers that may still get an address.
    address: Problem | None
    #: Load balancers that should have had one long ago.
    overdue: Problem | None


def awaited(*, claims: Iterable[View], services: Iterable[View], refused: Sequence[str], now: datetime) -> Awaited:
    """What is awaited of the claims and Services of an instance; `refused`: what the API server lets no claim have."""
    growing = [claim for claim in claims if _is_growing(claim)]
    infeasible = [claim for claim in growing if _is_infeasible(claim)]
    waiting = [service for service in services if _lacks_address(service)]
    overdue = [service for service in waiting if now - _specified_at(service) >= LOAD_BALANCER_PATIENCE]
    return Awaited(
        growth=_problem("StorageResizing", [_growth(claim) for claim in growing if claim not in infeasible]),
        size=_problem("StorageNotResized", [*refused, *(_too_small(claim) for claim in infeasible)]),
        address=_problem(
            "LoadBalancerPending",
            [f"{_named(service)} has no address yet" for service in waiting if service not in overdue],
        ),
        overdue=_problem("LoadBalancerPending", [f"{_named(service)} {OVERDUE}" for service in overdue]),
    )


def _problem(reason: str, texts: Sequence[str]) -> Problem | None:
    return Problem(reason, "; ".join(texts)) if texts else None


def _too_small(claim: View) -> str:
    return (
        f"claim {claim['metadata']['name']} stays at {_capacity(claim)} instead of {_requested(claim)}: its driver "
        "can't do that; the events of the claim say why"
    )


def _growth(claim: View) -> str:
    text = f"claim {claim['metadata']['name']} grows from {_capacity(claim)} to {_requested(claim)}"
    pending = any(
        entry.get("type") == "FileSystemResizePending" and entry.get("status") == "True"
        for entry in (claim.get("status") or {}).get("conditions") or ()
    )
    if pending:
        text += ", its file system is next, for which some drivers need another start of the pod"
    return text


def _is_growing(claim: View) -> bool:
    capacity = _capacity(claim)
    return bool(capacity) and parse_quantity(capacity) < parse_quantity(_requested(claim))


def _is_infeasible(claim: View) -> bool:
    statuses = (claim.get("status") or {}).get("allocatedResourceStatuses") or {}
    return statuses.get("storage") in _INFEASIBLE


def _capacity(claim: View) -> str:
    return str(((claim.get("status") or {}).get("capacity") or {}).get("storage") or "")


def _requested(claim: View) -> str:
    return str(claim["spec"]["resources"]["requests"]["storage"])


def _lacks_address(service: View) -> bool:
    balancer = (service.get("status") or {}).get("loadBalancer") or {}
    return service["spec"].get("type") == "LoadBalancer" and not balancer.get("ingress")


def _specified_at(service: View) -> datetime:
    """When we last changed what `service` is to be."""
    metadata = service["metadata"]
    times = [
        str(entry["time"])
        for entry in metadata.get("managedFields") or ()
        if entry.get("manager") == names.FIELD_MANAGER and entry.get("time")
    ]
    return datetime.fromisoformat(max(times, default=str(metadata["creationTimestamp"])))


def _named(service: View) -> str:
    return f"Service {service['metadata']['name']}"
