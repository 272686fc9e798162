"""What one pass observed about an instance: frozen values read out of caches, with nothing left of the objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any

from informers.resource import View
from reconcilers import names
from reconcilers.builders.inputs import PostgresSource

REVISION_LABEL = "controller-revision-hash"


@dataclass(frozen=True, slots=True)
class StatefulSetFacts:
    """How far the StatefulSet is."""

    generation: int
    observed_generation: int
    #: What its spec asks for, and what its status counts.
    wanted: int
    existing: int
    ready: int
    update_revision: str

    @property
    def caught_up(self) -> bool:
        """Whether its controller has seen the specification that it has now."""
        return self.observed_generation >= self.generation


@dataclass(frozen=True, slots=True)
class PodFacts:
    """The state of the one pod and of its container."""

    name: str
    ready: bool
    deleting: bool
    revision: str
    #: Why the container waits (`ImagePullBackOff`), in the words of the kubelet; empty when it doesn't.
    waiting_reason: str = ""
    waiting_message: str = ""
    #: With what the container ended the last time; None: it has not ended yet.
    exit_code: int | None = None
    #: The end of its log then, as far as the kubelet kept it.
    last_words: str = field(default="", repr=False)
    restarts: int = 0
    uid: str = ""
    image: str = ""
    image_id: str = ""
    #: What the container said that removes the files of deleted shares; empty before it has ended.
    purged: str = ""

    @property
    def start(self) -> str:
        """Tells one start of the container from the next."""
        return f"{self.uid}/{self.restarts}"


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """Whether the control-plane database can be used."""

    ready: bool
    reason: str
    message: str
    #: Where its login is; None: it has none, or none that can be used yet.
    source: PostgresSource | None = None


#: SQLite, which is always there.
EMBEDDED = DatabaseFacts(ready=True, reason="Embedded", message="the control plane keeps its rows in SQLite")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the way of the desired state: a stable reason, and a message with the remedy."""

    reason: str
    message: str


class ServerState(StrEnum):
    """What came of asking the server."""

    #: The pod is not ready, so nobody asked.
    NOT_ASKED = auto()
    #: No answer, or none in time.
    UNREACHABLE = auto()
    #: It answers but takes neither the password in force nor the wanted one.
    LOCKED_OUT = auto()
    #: It answers and refuses a call that should work.
    REFUSED = auto()
    #: It answers, and the login works.
    ANSWERS = auto()


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server says about itself."""

    state: ServerState = ServerState.NOT_ASKED
    #: Why not, for a person; empty when it answers.
    message: str = ""
    #: What `GET /health` says of a server that fails: degraded, or healthy all the same; empty when nobody asked.
    health: str = ""
    #: The health of each enabled adapter: nfs and smb to healthy, unhealthy, unknown …
    adapters: Mapping[str, str] | None = None
    #: What goes on inside it; None: nothing that anybody would notice.
    under_way: Problem | None = None


def stateful_set_facts(stateful_set: View | None) -> StatefulSetFacts | None:
    """What `stateful_set` says; None when there is none."""
    if stateful_set is None:
        return None
    status = stateful_set.get("status") or {}
    return StatefulSetFacts(
        generation=int(stateful_set["metadata"].get("generation") or 0),
        observed_generation=int(status.get("observedGeneration") or 0),
        wanted=int(stateful_set["spec"].get("replicas", 1)),
        existing=int(status.get("replicas") or 0),
        ready=int(status.get("readyReplicas") or 0),
        update_revision=str(status.get("updateRevision") or ""),
    )


def pod_facts(pod: View | None) -> PodFacts | None:
    """What `pod` says; None when there is none."""
    if pod is None:
        return None
    metadata, status = pod["metadata"], pod.get("status") or {}
    container = _container_status(status.get("containerStatuses"), names.CONTAINER)
    # A new pod's first word is of this one: an image that can't be had, for example.
    purge = _container_status(status.get("initContainerStatuses"), names.PURGE_CONTAINER)
    waiting = _waiting(purge) or _waiting(container)
    ended = _last_end(container)
    return PodFacts(
        name=str(metadata["name"]),
        ready=any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or ()),
        deleting=bool(metadata.get("deletionTimestamp")),
        revision=str((metadata.get("labels") or {}).get(REVISION_LABEL) or ""),
        waiting_reason=str(waiting.get("reason") or ""),
        waiting_message=str(waiting.get("message") or ""),
        exit_code=None if ended is None else int(ended.get("exitCode") or 0),
        last_words="" if ended is None else str(ended.get("message") or ""),
        restarts=int(container.get("restartCount") or 0),
        uid=str(metadata.get("uid") or ""),
        image=str(container.get("image") or ""),
        image_id=str(container.get("imageID") or ""),
        purged=str(((purge.get("state") or {}).get("terminated") or {}).get("message") or ""),
    )


def _waiting(container: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (container.get("state") or {}).get("waiting") or {}
    return found


def _container_status(statuses: Iterable[View] | None, name: str) -> Mapping[str, Any]:
    for container in statuses or ():
        if container.get("name") == name:
            found: Mapping[str, Any] = container
            return found
    return {}


def _last_end(container: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for state in (container.get("state") or {}, container.get("lastState") or {}):
        terminated: Mapping[str, Any] | None = state.get("terminated")
        if terminated is not None:
            return terminated
    return None
