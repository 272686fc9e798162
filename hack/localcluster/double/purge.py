"""What the container `purge` of a pod does, for clusters without namespaces: its script, in Python.

A test runs both, and compares.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

_ROOMS = ("/data/metadata/", "/data/payload/", "/data/cache/")


def purge(arguments: list[str], resolve: Callable[[str], Path]) -> str:
    """Remove what the list says, with the script's `arguments`; its last words. `resolve` finds the pod's paths."""
    given, record = (resolve(path) for path in arguments[:2])
    text = record.read_text().strip() if record.is_file() else ""
    last, told, whole = int(text) if text.isdigit() else 0, "", True
    for line in given.read_text().splitlines() if given.is_file() else ():
        number, *paths = line.split()
        if not number.isdigit() or int(number) <= last:
            continue
        if _used_since(resolve(paths[0]), int(number)):
            told += f" kept={number}"
        elif not _remove(paths, resolve):
            told, whole = f"{told} failed={number}", False
        if whole:
            last = int(number)
            record.write_text(f"{last}\n")
    return f"{last}{told:.3000}"


def _used_since(path: Path, number: int) -> bool:
    minutes = (int(time.time()) - number // 1000) // 60 - 1
    if minutes <= 0 or not path.exists():
        return False
    since = time.time() - minutes * 60
    return any(file.lstat().st_mtime > since for file in (path, *path.rglob("*")))


def _remove(paths: list[str], resolve: Callable[[str], Path]) -> bool:
    for path in paths:
        if ".." in path.split("/") or path in _ROOMS or not path.startswith(_ROOMS):
            return False
        place = resolve(path)
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
    return True
