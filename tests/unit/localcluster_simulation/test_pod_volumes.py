"""Volumes as folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.localcluster.kubelet.volumes import PodVolumes, VolumeUnavailable, mounts_of
from tests.unit.localcluster_simulation.pods import FakeLookup, pod


def test_a_config_map_becomes_files_and_is_renewed_in_one_step(tmp_path: Path) -> None:
    lookup, volumes = FakeLookup(), PodVolumes(tmp_path)
    lookup.config_maps["c"] = {"a": "1", "b": "2"}
    it = pod(volumes=[{"name": "v", "configMap": {"name": "c"}}])
    folder = volumes.prepare(it, lookup)["v"]
    seen_by_a_reader = (folder / "..data").resolve()
    assert (folder / "a").read_text() == "1"

    lookup.config_maps["c"] = {"a": "new", "c": "3"}
    volumes.prepare(it, lookup)

    assert {entry.name for entry in folder.iterdir() if not entry.name.startswith("..")} == {"a", "c"}
    assert (folder / "a").read_text() == "new"
    assert (folder / "..data").resolve() != seen_by_a_reader
    assert not seen_by_a_reader.exists()


def test_nothing_is_touched_when_nothing_changed(tmp_path: Path) -> None:
    lookup, volumes = FakeLookup(), PodVolumes(tmp_path)
    lookup.config_maps["c"] = {"a": "1"}
    it = pod(volumes=[{"name": "v", "configMap": {"name": "c"}}])
    before = (volumes.prepare(it, lookup)["v"] / "..data").readlink()
    assert (volumes.prepare(it, lookup)["v"] / "..data").readlink() == before


def test_items_choose_files_and_modes(tmp_path: Path) -> None:
    lookup = FakeLookup()
    lookup.secrets["s"] = {"a": "1", "b": "2"}
    source = {"secretName": "s", "defaultMode": 0o400, "items": [{"key": "a", "path": "deep/x"}]}
    folder = PodVolumes(tmp_path).prepare(pod(volumes=[{"name": "v", "secret": source}]), lookup)["v"]
    assert (folder / "deep" / "x").read_text() == "1"
    assert (folder / "deep" / "x").stat().st_mode & 0o777 == 0o400
    assert not (folder / "b").exists()


def test_projected_volumes_join_their_sources(tmp_path: Path) -> None:
    lookup = FakeLookup()
    lookup.secrets["s"] = {"a": "1"}
    lookup.config_maps["c"] = {"b": "2"}
    source = {"sources": [{"secret": {"name": "s"}}, {"configMap": {"name": "c"}}]}
    folder = PodVolumes(tmp_path).prepare(pod(volumes=[{"name": "v", "projected": source}]), lookup)["v"]
    assert ((folder / "a").read_text(), (folder / "b").read_text()) == ("1", "2")


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        ({"configMap": {"name": "c"}}, 'configmap "c" not found'),
        ({"secret": {"secretName": "s"}}, 'secret "s" not found'),
        ({"persistentVolumeClaim": {"claimName": "p"}}, 'persistentvolumeclaim "p" is not bound'),
        ({"hostPath": {"path": "/"}}, "can't mount volume"),
    ],
)
def test_a_volume_that_cannot_be_made_says_why(tmp_path: Path, volume: dict[str, object], words: str) -> None:
    with pytest.raises(VolumeUnavailable, match=words):
        PodVolumes(tmp_path).prepare(pod(volumes=[{"name": "v", **volume}]), FakeLookup())


def test_mounts_name_the_folder_the_path_and_the_sub_path(tmp_path: Path) -> None:
    container = {
        "volumeMounts": [
            {"name": "v", "mountPath": "/data", "readOnly": True},
            {"name": "v", "mountPath": "/sub", "subPath": "inner"},
        ]
    }
    whole, inner = mounts_of(container, {"v": tmp_path})
    assert (whole.source, whole.path, whole.read_only) == (tmp_path, "/data", True)
    assert (inner.source, inner.read_only) == (tmp_path / "inner", False)
    assert inner.source.is_dir()
