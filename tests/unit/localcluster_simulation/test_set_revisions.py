"""ControllerRevisions of the simulated StatefulSet controller."""

from __future__ import annotations

from typing import Any

from hack.localcluster.controllers import revisions


def stateful_set(image: str = "a:1") -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    return {"metadata": {"name": "demo", "namespace": "default", "uid": "1"}, "spec": {"template": template}}


def test_the_same_template_has_the_same_name_whatever_the_order_of_its_keys() -> None:
    shuffled = stateful_set()
    template = shuffled["spec"]["template"]
    shuffled["spec"]["template"] = dict(reversed(template.items()))
    assert revisions.revision_name(stateful_set()) == revisions.revision_name(shuffled)


def test_another_template_has_another_name() -> None:
    assert revisions.revision_name(stateful_set("a:1")) != revisions.revision_name(stateful_set("a:2"))


def test_a_revision_gives_back_its_template() -> None:
    revision = revisions.new_revision(stateful_set(), 1)
    assert revisions.template_of(revision) == stateful_set()["spec"]["template"]
    assert revision["metadata"]["ownerReferences"][0]["controller"] is True


def test_only_the_oldest_unused_revisions_beyond_the_limit_go() -> None:
    known = [{"metadata": {"name": name}, "revision": number} for number, name in enumerate("abcd", start=1)]
    gone = revisions.superfluous(known, used=["a"], limit=1)
    assert [revision["metadata"]["name"] for revision in gone] == ["b", "c"]
    assert revisions.next_number(known) == 5
