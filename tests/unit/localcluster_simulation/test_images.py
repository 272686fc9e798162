"""What an image's name means to the simulated kubelet."""

from __future__ import annotations

import pytest

from hack.localcluster.kubelet.images import image_id, is_dittofs, pull_error, repository


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("dittofs", "dittofs"),
        ("marmos91c/dittofs:v1", "marmos91c/dittofs"),
        ("localhost:5000/dittofs", "localhost:5000/dittofs"),
        ("localhost:5000/dittofs:v1@sha256:abc", "localhost:5000/dittofs"),
    ],
)
def test_the_repository_is_the_image_without_tag_and_digest(image: str, name: str) -> None:
    assert repository(image) == name
    assert is_dittofs(image)


def test_other_images_are_not_the_server() -> None:
    assert not is_dittofs("busybox:1")
    assert not is_dittofs("marmos91c/dittofs-operator:v1")


@pytest.mark.parametrize("image", ["dittofs:does-not-exist", "bad/dittofs:v1", "example.com/bad-image"])
def test_images_with_a_marker_cannot_be_pulled(image: str) -> None:
    assert "not found" in (pull_error(image) or "")


@pytest.mark.parametrize("image", ["marmos91c/dittofs:v0.29.0", "badger/tools:1"])
def test_all_other_images_can_be_pulled(image: str) -> None:
    assert pull_error(image) is None


def test_an_image_has_one_stable_identity() -> None:
    assert image_id("dittofs:v1") == image_id("dittofs:v1") != image_id("dittofs:v2")
