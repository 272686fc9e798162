"""`python -m hack.archivebench --files 10000 --mib 5000`: time, size and memory of both, in turns."""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

#: Of each file the half is at random and the other half repeats, so that there is something to compress.
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Measured:
    """What one command took."""

    seconds: float
    cpu_seconds: float
    bytes: int
    resident_mib: int


def main() -> None:
    """Make the tree, and measure."""
    parser = argparse.ArgumentParser(prog="python -m hack.archivebench")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--mib", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="archivebench-") as folder:
        root = Path(folder)
        _make_tree(root, chosen.files, chosen.mib << 20)
        for turn in range(chosen.rounds):
            plain, ours = _tar(root), _ours(root, turn)
            print(f"tar | zstd  {_line(plain)}")
            print(f"backup      {_line(ours)}")
            print(f"verify      {_line(_verify(root, turn))}")
            time_taken, size = ours.seconds / plain.seconds, ours.bytes / plain.bytes
            print(f"ratio       {time_taken:5.2f} of the time, {size:.3f} of the size")


def _line(one: Measured) -> str:
    return (
        f"{one.seconds:7.1f} s  {one.cpu_seconds:7.1f} s of CPU  {one.bytes / (1 << 20):8.1f} MiB  "
        f"{one.resident_mib:5d} MiB resident"
    )


def _make_tree(root: Path, files: int, size: int) -> None:
    random = Random(1)
    for name in ("controlplane", "metadata", "scratch", "archives"):
        (root / name).mkdir()
    with closing(sqlite3.connect(root / "controlplane" / "controlplane.db")) as database:
        database.execute("CREATE TABLE shares (name TEXT)")
    repeated = random.randbytes(_BLOCK // 2)
    for number in range(files):
        folder = root / "payload" / "shares" / "export" / f"{number % 100:02}"
        folder.mkdir(parents=True, exist_ok=True)
        left = size // files
        with (folder / f"{number:06}").open("wb") as file:
            while left > 0:
                file.write((random.randbytes(_BLOCK // 2) + repeated)[:left])
                left -= _BLOCK
    (root / "objects.json").write_text('{"items": []}')
    description = {
        "instance": {"namespace": "default", "name": "demo", "uid": "1"},
        "image": "example/dittofs:1",
        "controlPlane": "sqlite",
        "metadata": "badger",
        "payload": "filesystem",
        "cleanStop": True,
    }
    (root / "description.json").write_text(json.dumps(description))


def _tar(root: Path) -> Measured:
    out = root / "plain.tar.zst"
    # On the disk, like an archive is.
    command = f"tar -C {root} -c controlplane metadata payload | zstd -q -f -o {out} && sync {out}"
    return _measure(["bash", "-o", "pipefail", "-c", command], [out])


def _ours(root: Path, turn: int) -> Measured:
    claims = [
        f"--{name}={root / name.replace('-', '')}" for name in ("control-plane", "metadata", "payload", "scratch")
    ]
    inputs = [f"--{name}={root / name}.json" for name in ("description", "objects")]
    archive = [f"--archive=turn-{turn}", f"--folder={root / 'archives'}"]
    command = [sys.executable, "-m", "dittofs_operator", "backup", *archive, *claims, *inputs]
    return _measure(command, [root / "archives" / f"turn-{turn}"])


def _verify(root: Path, turn: int) -> Measured:
    command = [sys.executable, "-m", "dittofs_operator", "verify", f"--archive=turn-{turn}"]
    return _measure([*command, f"--folder={root / 'archives'}"], [root / "archives" / f"turn-{turn}"])


def _measure(command: list[str], made: list[Path]) -> Measured:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    took = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    files = [file for path in made for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return Measured(took, cpu, sum(file.stat().st_size for file in files), used.ru_maxrss >> 10)


main()
