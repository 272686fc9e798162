"""A pod's volumes as folders. ConfigMap and Secret volumes are renewed in one step, as the kubelet does it:
the files are symlinks through `..data`, which is turned to a new folder by one rename.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hack.localcluster.kubelet.environment import Lookup, ReferenceMissing, config_map_data, field_of, secret_data
from hack.localcluster.kubelet.sandbox import Mount
from informers.resource import View

_DEFAULT_MODE = 0o644


class VolumeLookup(Lookup, Protocol):
    """Where a pod's claims are found, too."""

    def claim_folder(self, name: str) -> Path | None:
        """The folder of the bound claim `name`, or None."""

    def token(self, pod: View, source: View) -> str:
        """The token for a `serviceAccountToken` source of the pod's volumes; raises ReferenceMissing."""


class VolumeUnavailable(Exception):
    """A volume can't be set up (yet); the message is for the pod's event."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a ConfigMap or Secret volume."""

    content: bytes
    mode: int


class PodVolumes:
    """The folders of one pod's volumes, below `base`."""

    def __init__(self, base: Path) -> None:
        self._base = base

    def prepare(self, pod: View, lookup: VolumeLookup) -> dict[str, Path]:
        """Make or renew every volume of `pod`; folder by volume name. Raises VolumeUnavailable."""
        return {volume["name"]: self._prepare(volume, pod, lookup) for volume in pod["spec"].get("volumes") or ()}

    def remove(self) -> None:
        """Remove what belongs to the pod alone; the claims' folders stay."""
        shutil.rmtree(self._base, ignore_errors=True)

    def _prepare(self, volume: View, pod: View, lookup: VolumeLookup) -> Path:
        folder = self._base / str(volume["name"])
        if "persistentVolumeClaim" in volume:
            name = volume["persistentVolumeClaim"]["claimName"]
            claim: Path | None = lookup.claim_folder(name)
            if claim is None:
                raise VolumeUnavailable(f'persistentvolumeclaim "{name}" is not bound')
            return claim
        folder.mkdir(parents=True, exist_ok=True)
        if "emptyDir" in volume:
            return folder
        try:
            publish(folder, files_of(volume, pod, lookup))
        except ReferenceMissing as error:
            raise VolumeUnavailable(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}') from error
        return folder


def files_of(volume: View, pod: View, lookup: VolumeLookup) -> dict[str, File]:
    """The files of a configMap, secret or projected volume; raises ReferenceMissing."""
    if "projected" in volume:
        source = volume["projected"]
        mode = source.get("defaultMode", _DEFAULT_MODE)
        files: dict[str, File] = {}
        for part in source.get("sources") or ():
            files |= _own_part(part, pod, lookup, mode)
            if not part.keys() <= _OWN_PARTS:
                files |= _part(part, lookup, mode, name_field="name", volume=volume["name"])
        return files
    secret = volume.get("secret")
    mode = (volume.get("configMap") or secret or {}).get("defaultMode", _DEFAULT_MODE)
    return _part(volume, lookup, mode, name_field="secretName" if secret else "name", volume=volume["name"])


def publish(folder: Path, files: Mapping[str, File]) -> None:
    """Make `folder` show exactly `files`, in one step; nothing is touched when it does already."""
    data = folder / "..data"
    if data.exists() and _content(data) == dict(files):
        return
    fresh = folder / f"..{secrets.token_hex(8)}"
    for path, file in files.items():
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(file.mode)
    fresh.mkdir(exist_ok=True)
    old = data.resolve() if data.exists() else None
    pointer = folder / "..data_tmp"
    pointer.symlink_to(fresh.name)
    pointer.replace(data)
    shown = {Path(path).parts[0] for path in files}
    for name in shown:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data") / name)
    for entry in folder.iterdir():
        if entry.is_symlink() and entry.name not in shown and not entry.name.startswith(".."):
            entry.unlink()
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def mounts_of(container: View, folders: Mapping[str, Path]) -> list[Mount]:
    """Where `container` sees which volume; raises VolumeUnavailable for a volume or subPath that isn't there."""
    mounts = []
    for mount in container.get("volumeMounts") or ():
        if mount["name"] not in folders:
            raise VolumeUnavailable(f'no volume is named "{mount["name"]}"')
        source = folders[mount["name"]]
        if mount.get("subPath"):
            source = source / mount["subPath"]
            if not source.exists():
                source.mkdir(parents=True)
            # A bind follows no later change of ..data, and neither does a subPath in a real cluster.
            source = source.resolve()
        mounts.append(Mount(source, mount["mountPath"], read_only=bool(mount.get("readOnly"))))
    return mounts


#: Parts of a projected volume that tell a pod of itself.
_OWN_PARTS = frozenset({"serviceAccountToken", "downwardAPI"})


def _own_part(part: View, pod: View, lookup: VolumeLookup, mode: int) -> dict[str, File]:
    files = {}
    if "serviceAccountToken" in part:
        source = part["serviceAccountToken"]
        files[source["path"]] = File(lookup.token(pod, source).encode(), mode)
    for item in (part.get("downwardAPI") or {}).get("items") or ():
        text = field_of(item["fieldRef"]["fieldPath"], pod, "")
        files[item["path"]] = File(text.encode(), item.get("mode", mode))
    return files


def _part(part: View, lookup: Lookup, mode: int, *, name_field: str, volume: str) -> dict[str, File]:
    if "configMap" in part:
        source, noun = part["configMap"], "configmap"
        view = lookup.config_map(source["name"])
    elif "secret" in part:
        source, noun = part["secret"], "secret"
        view = lookup.secret(source[name_field])
    else:
        kinds = ", ".join(key for key in part if key != "name")
        raise VolumeUnavailable(f'the local cluster can\'t mount volume "{volume}" of type {kinds}')
    optional = bool(source.get("optional"))
    if view is None:
        if optional:
            return {}
        raise ReferenceMissing(f'{noun} "{source.get("name") or source.get(name_field)}" not found')
    data = config_map_data(view) if noun == "configmap" else secret_data(view)
    if not source.get("items"):
        return {key: File(value, mode) for key, value in data.items()}
    files = {}
    for item in source["items"]:
        if item["key"] in data:
            files[item["path"]] = File(data[item["key"]], item.get("mode", mode))
        elif not optional:
            raise ReferenceMissing(f"references non-existent {noun} key: {item['key']}")
    return files


def _content(folder: Path) -> dict[str, File]:
    return {
        path.relative_to(folder.resolve()).as_posix(): File(path.read_bytes(), path.stat().st_mode & 0o777)
        for path in folder.resolve().rglob("*")
        if path.is_file()
    }
