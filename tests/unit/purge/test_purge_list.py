"""The list of deleted shares whose files are still there: what is put on it, and what comes of it for the pod."""

from __future__ import annotations

import pytest

from informers.view import freeze
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import DITTOFS
from reconcilers.purge import MAX_BYTES, Purge


def instance(**spec: object) -> DittoFS:
    head = {"apiVersion": DITTOFS.api_version, "kind": DITTOFS.kind, "metadata": {"name": "demo", "namespace": "n"}}
    return DittoFS.from_view(freeze({**head, "spec": {"database": {"sqlite": {}}, **spec}}))


def on_claim(text: str) -> Purge:
    return Purge.of(freeze({"metadata": {"annotations": {names.PURGE_ANNOTATION: text}}}))


def test_what_is_written_is_read_again() -> None:
    purge = Purge().adding("/export", now_ms=5000).adding("/a/b~2", now_ms=5000).without(["/export"])

    assert on_claim(purge.text()) == purge
    assert purge.addresses == {"/a/b~2": 5001}


def test_numbers_only_grow_even_when_the_clock_does_not() -> None:
    purge = Purge().adding("/a", now_ms=5000).without(["/a"]).adding("/b", now_ms=1000)

    assert purge.addresses == {"/b": 5001}
    assert purge.adding("/b", now_ms=9000) == purge


@pytest.mark.parametrize(
    "text", ["", "no json", "[]", "7", '{"addresses": 7}', '{"addresses": {"/../x": 3, "..": 4, "/a b": 5, "/c": -1}}']
)
def test_what_is_no_address_is_passed_over(text: str) -> None:
    assert on_claim(text).addresses == {}
    assert on_claim(text).file(instance()) == ""


def test_no_claim_no_list() -> None:
    assert Purge.of(None) == Purge()


def test_a_path_whose_files_wait_gets_the_next_free_address() -> None:
    purge = Purge().adding("/export", now_ms=1).adding("/export~2", now_ms=1)

    assert purge.free_address("/export") == "/export~3"
    assert purge.without(["/export"]).free_address("/export") == "/export"
    assert purge.free_address("/exp") == "/exp"


def test_an_address_is_known_by_its_metadata_store() -> None:
    for address in ("/a/b", "/a/b~2", "/a/b~17"):
        assert names.address_of(names.metadata_store(address), "/a/b") == address
        assert names.path_of(address) == "/a/b"
    for foreign in ("", "op-a%2Fb~1", "op-a%2Fb~02", "op-a%2Fb~x", "op-a%2Fbc", "op-a", "mine"):
        assert names.address_of(foreign, "/a/b") == ""


@pytest.mark.parametrize(
    ("spec", "files"),
    [
        ({}, "/data/payload/~2/shares/a%2Fb /data/metadata/a%2Fb~2"),
        (
            {"metadata": {"type": "sqlite"}},
            "/data/payload/~2/shares/a%2Fb "
            + " ".join(f"/data/metadata/a%2Fb~2.db{end}" for end in ("", "-wal", "-shm")),
        ),
        (
            {"payload": {"type": "s3", "s3": {"bucket": "files", "credentialsSecretRef": {"name": "k"}}}},
            "/data/cache/~2/shares/a%2Fb /data/metadata/a%2Fb~2",
        ),
    ],
)
def test_the_pod_is_told_every_file_of_an_address(spec: dict[str, object], files: str) -> None:
    purge = Purge().adding("/a/b~2", now_ms=7)

    assert purge.file(instance(**spec)) == f"7 {files}\n"


def test_what_a_living_share_uses_is_never_given_away() -> None:
    purge = Purge().adding("/export", now_ms=1).adding("/other", now_ms=2)

    text = purge.file(instance(), in_use=frozenset({"/export"}))

    assert "/export" not in text
    assert "/other" in text


def test_a_long_list_is_given_in_parts_the_oldest_first() -> None:
    purge = Purge()
    for number in range(1000):
        purge = purge.adding(f"/share-{number:04}", now_ms=1_700_000_000_000)

    text = purge.file(instance())

    assert MAX_BYTES - 200 < len(text) <= MAX_BYTES
    assert text.startswith("1700000000000 /data/payload/shares/share-0000 ")
    last = int(text.splitlines()[-1].split()[0])
    assert len(purge.up_to(last)) == len(text.splitlines())
