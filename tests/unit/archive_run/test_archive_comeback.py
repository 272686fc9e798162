"""What comes back of the objects: told by the Job in pages that fit its last words, made anew as they were."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from dittofs_operator.archive.comeback import KINDS, PAGE_BYTES, NoSuchPage, page
from dittofs_operator.archive.report import MAX_BYTES
from reconcilers.api.share import DittoFSShare
from reconcilers.backup.archive.comeback import Unreadable, unpacked
from reconcilers.names import PURGE_ANNOTATION
from tests.support.crd_admission import admit

#: What is in a result beside the page, at its longest.
BESIDE = {
    "result": "Completed",
    "archive": "a" * 128,
    "manifestSHA256": "f" * 64,
    "storedBytes": 1 << 50,
    "contentBytes": 1 << 50,
    "files": 1 << 40,
    "encrypted": False,
    "cleanStop": False,
    "covered": {"controlPlane": "Included", "metadata": "Included", "payload": "Included"},
}


HEAD = {"apiVersion": "dittofs.dittofs.io/v1alpha1", "kind": "DittoFSShare"}
#: With all that the API server fills in.
SPEC = admit(DittoFSShare, {**HEAD, "metadata": {"name": "a"}, "spec": {"instanceRef": {"name": "demo"}}})["spec"]


def share(number: int) -> dict[str, Any]:
    labels = {"noise": sha256(str(number).encode()).hexdigest()[:60]}
    return {
        **HEAD,
        "metadata": {"name": f"share-{number}", "namespace": "there", "uid": f"{number:032x}", "labels": labels},
        "spec": {**SPEC, "path": f"/team/of-{number}", "quota": {"size": f"{number + 1}Gi"}},
    }


def archived(count: int, *others: dict[str, Any]) -> bytes:
    return json.dumps(
        {"items": [{"kind": "DittoFS", "metadata": {"name": "demo"}}, *map(share, range(count)), *others]}
    ).encode()


def all_pages(objects: bytes) -> list[str]:
    count = int(str(page(objects, 0)["pages"]))
    return [str(page(objects, number)["objects"]) for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 100, 300])
def test_every_share_comes_back_as_it_was(count: int) -> None:
    objects = archived(count)

    pages = all_pages(objects)

    back = unpacked(pages)
    assert [(one.name, one.path, one.labels) for one in back.shares] == [
        (f"share-{number}", f"/team/of-{number}", share(number)["metadata"]["labels"]) for number in range(count)
    ]
    assert [one.spec for one in back.shares] == [share(number)["spec"] for number in range(count)]
    assert back.purge == ""
    assert all(len(json.dumps(BESIDE | page(objects, number))) <= MAX_BYTES for number in range(len(pages)))
    assert len(pages) <= 1 + count // 40


def test_what_is_still_to_go_comes_back_too_and_no_secret_does() -> None:
    claim = {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "demo-metadata", "annotations": {PURGE_ANNOTATION: "x"}},
    }
    secret = {"kind": "Secret", "metadata": {"name": "keys"}, "data": {"k": "c2VjcmV0"}}

    pages = all_pages(archived(1, claim, secret))

    assert unpacked(pages).purge == "x"
    assert "Secret" not in KINDS
    assert [one.name for one in unpacked(pages).shares] == ["share-0"]


def test_there_is_no_page_beyond_the_last() -> None:
    with pytest.raises(NoSuchPage, match="there are 1 pages"):
        page(archived(1), 1)


def test_pages_that_are_cut_mixed_or_made_up_are_refused() -> None:
    pages = all_pages(archived(200))
    assert len(pages) > 2
    for wrong in (pages[:-1], pages[1:], [*reversed(pages)], ["%%%"], [""], ["e30="], [*pages[:1], *pages[:1]]):
        with pytest.raises(Unreadable):
            unpacked(wrong)
    assert PAGE_BYTES * 4 // 3 < MAX_BYTES
