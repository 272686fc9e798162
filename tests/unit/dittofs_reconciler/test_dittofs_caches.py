"""Which events lead to which DittoFS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from informers.event import Added, Deleted, Updated
from informers.resource import ObjectKey, View
from informers.store import Store
from informers.view import freeze
from reconcilers import names
from reconcilers.dittofs.caches import DITTOFS_INDEXERS, changed_instance, instance_of_child, instances_of_secret

DEMO = ObjectKey("storage", "demo")


def view(name: str, *, spec: Mapping[str, Any] | None = None, **metadata: Any) -> View:
    frozen: View = freeze(
        {"metadata": {"name": name, "namespace": "storage", **metadata}, "spec": spec or {}, "status": {}}
    )
    return frozen


def test_a_child_leads_to_its_instance_by_its_labels_even_without_an_owner() -> None:
    claim = view("demo-payload", labels=names.labels("demo", "image:v1"))

    assert instance_of_child(Deleted(claim)) == (DEMO,)


def test_a_child_that_lost_its_labels_still_leads_to_its_instance() -> None:
    labelled = view("demo-payload", labels=names.labels("demo", "image:v1"))

    assert instance_of_child(Updated(labelled, view("demo-payload"))) == (DEMO,)


def test_an_object_of_somebody_else_leads_nowhere() -> None:
    assert instance_of_child(Added(view("demo", labels={names.INSTANCE_LABEL: "demo"}))) == ()


def test_a_referenced_secret_leads_to_every_instance_that_names_it() -> None:
    instances = Store(indexers=DITTOFS_INDEXERS, logger=structlog.get_logger())
    instances.put(view("one", spec={"auth": {"adminSecretRef": {"name": "shared"}}}))
    instances.put(view("two", spec={"auth": {"jwtSecretRef": {"name": "shared"}}}))
    instances.put(view("three"))
    mapper = instances_of_secret(instances)

    assert set(mapper(Added(view("shared")))) == {ObjectKey("storage", "one"), ObjectKey("storage", "two")}
    assert mapper(Added(view("unrelated"))) == ()


def test_a_written_status_wakes_nobody_and_all_else_does() -> None:
    old = view("demo", uid="1", generation=1)

    assert changed_instance(Updated(old, view("demo", uid="1", generation=1, resourceVersion="2"))) == ()
    assert changed_instance(Updated(old, view("demo", uid="1", generation=2))) == (DEMO,)
    assert changed_instance(Updated(old, view("demo", uid="1", generation=1, annotations={"a": "b"}))) == (DEMO,)
    assert changed_instance(Updated(old, view("demo", uid="1", generation=1, deletionTimestamp="now"))) == (DEMO,)
    assert changed_instance(Added(old)) == (DEMO,)
