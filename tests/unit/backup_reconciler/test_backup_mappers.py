"""Which event leads to which backup, and which to none."""

from __future__ import annotations

import itertools
from typing import Any

import structlog

from informers.event import Added, Deleted, Updated
from informers.resource import ObjectKey, View
from informers.store import Store
from informers.view import freeze
from reconcilers.backup.caches import (
    BACKUP_INDEXERS,
    backups_behind,
    backups_of_instance,
    backups_of_share,
    changed_backup,
)

#: Two states of the same version would be a resync.
_versions = map(str, itertools.count(1))


def backup(name: str, *, phase: str = "", instance: str = "demo", **metadata: Any) -> View:
    return freeze(
        {
            "metadata": {
                "name": name,
                "namespace": "default",
                "uid": name,
                "resourceVersion": next(_versions),
                **metadata,
            },
            "spec": {"instanceRef": {"name": instance}},
            "status": {"phase": phase},
        }
    )


def store_of(*backups: View) -> Store:
    store = Store(indexers=BACKUP_INDEXERS, logger=structlog.get_logger())
    for view in backups:
        store.put(view)
    return store


STORE = store_of(
    backup("done", phase="Completed"),
    backup("broken", phase="Failed"),
    backup("waiting", phase="Pending"),
    backup("fresh"),
    backup("elsewhere", instance="other"),
)
WAITING = {ObjectKey("default", "waiting"), ObjectKey("default", "fresh")}


def test_a_written_status_wakes_nobody_and_a_changed_specification_does() -> None:
    old = backup("a", generation=1)

    assert changed_backup(Updated(old, backup("a", generation=1, phase="Running"))) == ()
    assert changed_backup(Updated(old, backup("a", generation=2))) == (ObjectKey("default", "a"),)


def test_one_that_ends_or_goes_wakes_those_that_wait_for_the_same_instance() -> None:
    behind = backups_behind(STORE)
    running, ended = backup("x", phase="Running"), backup("x", phase="Completed")

    assert set(behind(Updated(running, ended))) == WAITING
    assert set(behind(Deleted(ended))) == WAITING
    assert set(behind(Updated(running, backup("x", phase="Running")))) == set()
    assert set(behind(Added(running))) == set()
    assert set(behind(Updated(backup("fresh"), backup("fresh", phase="Pending")))) == {ObjectKey("default", "waiting")}


def test_an_instance_wakes_its_unfinished_backups_when_it_can_or_can_t_be_asked_any_more() -> None:
    def instance(**status: Any) -> View:
        metadata = {
            "name": "demo",
            "namespace": "default",
            "uid": "i",
            "generation": 1,
            "resourceVersion": next(_versions),
        }
        return freeze({"metadata": metadata, "status": status})

    mapper = backups_of_instance(STORE)

    assert set(mapper(Added(instance()))) == WAITING
    assert set(mapper(Updated(instance(), instance(apiReachable=True)))) == WAITING
    assert set(mapper(Updated(instance(replicas=1), instance(replicas=0)))) == WAITING
    assert set(mapper(Updated(instance(shares=1), instance(shares=2)))) == set()


def test_a_share_that_comes_goes_or_is_in_another_phase_wakes_the_unfinished_backups_of_its_instance() -> None:
    mapper = backups_of_share(STORE)
    share = backup("a share")

    assert set(mapper(Added(share))) == WAITING
    assert set(mapper(Deleted(share))) == WAITING
    assert set(mapper(Updated(share, backup("a share", phase="Maintenance")))) == WAITING
    assert set(mapper(Updated(share, backup("a share", generation=2)))) == set()
