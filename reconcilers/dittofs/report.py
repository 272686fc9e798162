"""What one pass did and ran into: filled by its steps, read at its end. Steps fail alone, the pass goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from informers.errors import ApiError, Conflict
from informers.resource import ObjectKey, Resource, View
from reconcilers.dittofs.facts import Problem


@dataclass(slots=True)
class Report:
    """One pass over one instance; each text names what it is about, never a value."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    #: What somebody else had changed or deleted, with where.
    repaired: list[str] = field(default_factory=list)
    #: Claims that an earlier instance of this name left.
    adopted: list[str] = field(default_factory=list)
    #: What was changed inside the server.
    server_changes: list[str] = field(default_factory=list)

    #: Addresses of deleted shares whose files are removed.
    purged: list[str] = field(default_factory=list)
    #: Those where somebody wrote after the share was deleted.
    purge_kept: list[str] = field(default_factory=list)
    #: Those whose files could not be removed at this start of the pod.
    purge_failed: list[str] = field(default_factory=list)

    #: Names taken by objects that are not ours.
    conflicts: list[str] = field(default_factory=list)
    #: Children that somebody else changes back each time, with what and who.
    contested: list[str] = field(default_factory=list)
    #: Objects that must go before ours can come.
    leaving: list[str] = field(default_factory=list)
    #: Steps that the API server refused.
    failures: list[str] = field(default_factory=list)
    #: Steps that somebody else's write came in between: they only have to be done again.
    stale: list[str] = field(default_factory=list)
    #: Settings of adapters that the server does not take.
    setting_problems: list[str] = field(default_factory=list)
    #: Claims that can't have the size asked for, each with the reason.
    storage_problems: list[str] = field(default_factory=list)
    #: Users and groups that the server can't have as declared.
    account_problems: list[str] = field(default_factory=list)
    #: Keys of configOverrides that the server passes over in silence.
    unknown_settings: list[str] = field(default_factory=list)
    #: Why the server does not take the bucket as specified; empty: it does.
    bucket_problem: str = ""
    #: Whether rows of remote stores wait for the next pass to be changed.
    rows_left: bool = False
    #: The start of a process that has something else than its rows say; empty: it has what they say.
    outdated_process: str = ""
    #: The shares that a process has to end for, since it did not load them.
    restarted_for: list[str] = field(default_factory=list)
    config_problems: list[Problem] = field(default_factory=list)

    #: The children as they are after this pass, which the caches may not show yet.
    children: dict[tuple[Resource, ObjectKey], View] = field(default_factory=dict)

    @property
    def config_problem(self) -> Problem | None:
        """The problem to tell of: the first."""
        return self.config_problems[0] if self.config_problems else None

    def is_foreign(self, resource: Resource, name: str) -> bool:
        """Whether the name of this child belongs to an object that is not ours."""
        return f"{resource.kind} {name}" in self.conflicts

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """A step about `what`, whose refusal by the API server ends the step but not the pass.

        An unreachable API server or a lost lease ends the pass: nothing else could be done or reported either.
        """
        try:
            yield
        except Conflict as error:
            self.stale.append(f"{what}: {error.message}")
        except ApiError as error:
            if error.namespace_is_terminating:  # our object goes next
                self.stale.append(f"{what}: the namespace is being deleted")
                return
            self.failures.append(f"{what}: {first_line(str(error))}")


def first_line(text: str) -> str:
    """What says it all: kube-apiserver adds whole differences of objects to some refusals."""
    return text.partition("\n")[0]
