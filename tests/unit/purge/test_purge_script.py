"""What removes the files of deleted shares in a pod: the script, and the double of it that a cluster without sandboxes
runs, side by side over the same folders."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hack.localcluster.double.purge import purge
from reconcilers.builders.purge import SCRIPT

NOW_MS = int(time.time() * 1000)
HOUR_MS = 3600 * 1000
SHELLS = [["/bin/sh"], *([["busybox", "sh"]] if shutil.which("busybox") else [])]


class Pod:
    """The volumes of a pod below `root`, with a share `export` and its neighbours `export2` and `export-wal`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for key in ("export", "export2", "export-wal", "a%2Fb"):
            self.put(f"/data/payload/shares/{key}/journal/1.seg")
            self.put(f"/data/metadata/{key}/MANIFEST")
        self.put("/data/controlplane/controlplane.db")

    def put(self, path: str, *, age_ms: int = 2 * HOUR_MS) -> None:
        file = self.place(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("data")
        for one in (file, *file.parents):
            if one == self.root:
                break
            os.utime(one, (time.time() - age_ms / 1000,) * 2)

    def place(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def list(self, *lines: str) -> None:
        self.place("/list").write_text("".join(f"{line}\n" for line in lines))

    def record(self) -> str:
        file = self.place("/data/metadata/.purged")
        return file.read_text() if file.exists() else ""

    def left(self) -> set[str]:
        return {
            f"/{path.relative_to(self.root)}"
            for path in self.place("/data").rglob("*")
            if path.is_file() and path.name != ".purged"
        }


def run_script(pod: Pod, shell: list[str]) -> str:
    """The script as it stands, but for where the volumes are."""
    there = f"{pod.root}/data/"
    text = (pod.place("/list").read_text() if pod.place("/list").exists() else "").replace("/data/", there)
    given = pod.place("/given")
    if text:
        given.write_text(text)
    words = pod.place("/words")
    arguments = [str(given), str(pod.place("/data/metadata/.purged")), str(words)]
    subprocess.run([*shell, "-c", SCRIPT.replace("/data/", there), "purge", *arguments], check=True, timeout=20)
    return words.read_text()


def run_double(pod: Pod, _: list[str]) -> str:
    return purge(["/list", "/data/metadata/.purged", "/words"], pod.place)


@pytest.fixture(params=["double", *(" ".join(shell) for shell in SHELLS)])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Pod, Callable[[], str]]:
    pod = Pod(tmp_path)
    shell = str(request.param).split()
    return pod, (lambda: run_double(pod, [])) if shell == ["double"] else (lambda: run_script(pod, shell))


def line(number: int, key: str = "export") -> str:
    return f"{number} /data/payload/shares/{key} /data/metadata/{key}"


def test_exactly_what_is_listed_goes(both: tuple[Pod, Callable[[], str]]) -> None:
    pod, run = both
    before, number = pod.left(), NOW_MS - HOUR_MS
    pod.list(line(number), line(number + 1, "a%2Fb"))

    assert run() == f"{number + 1}"

    gone = {
        f"/data/{where}"
        for key in ("export", "a%2Fb")
        for where in (f"payload/shares/{key}/journal/1.seg", f"metadata/{key}/MANIFEST")
    }
    assert pod.left() == before - gone
    assert pod.record() == f"{number + 1}\n"


def test_without_a_list_nothing_goes_and_what_is_done_is_told(both: tuple[Pod, Callable[[], str]]) -> None:
    pod, run = both
    before = pod.left()

    assert run() == "0"
    pod.place("/data/metadata/.purged").write_text("17\n")
    assert run() == "17"

    assert pod.left() == before


def test_a_list_that_comes_late_removes_nothing_that_was_made_since(both: tuple[Pod, Callable[[], str]]) -> None:
    pod, run = both
    number = NOW_MS - 1000
    pod.list(line(number))
    run()
    pod.put("/data/payload/shares/export/journal/2.seg")
    pod.put("/data/metadata/export/MANIFEST")
    before = pod.left()

    assert run() == f"{number}"

    assert pod.left() == before


def test_where_somebody_wrote_after_the_share_was_deleted_everything_stays(both: tuple[Pod, Callable[[], str]]) -> None:
    """A share made by hand has the same folder again."""
    pod, run = both
    number = NOW_MS - HOUR_MS
    pod.put("/data/payload/shares/export/journal/2.seg", age_ms=HOUR_MS // 2)
    before = pod.left()
    pod.list(line(number), line(number + 1, "export2"))

    assert run() == f"{number + 1} kept={number}"

    assert {path for path in before - pod.left() if "export2" not in path} == set()
    assert pod.record() == f"{number + 1}\n"


@pytest.mark.parametrize(
    "path", ["/data/payload/../controlplane", "/data/metadata/..", "/data/controlplane", "/etc/x", "/data/metadata/"]
)
def test_a_path_that_is_none_of_a_share_is_left_alone_and_does_not_hold_up_the_others(
    both: tuple[Pod, Callable[[], str]], path: str
) -> None:
    pod, run = both
    before, number = pod.left(), NOW_MS - 1000
    pod.list(f"{number} {path}", line(number + 1))

    assert run() == f"0 failed={number}"

    assert before - pod.left() == {"/data/payload/shares/export/journal/1.seg", "/data/metadata/export/MANIFEST"}
    assert pod.record() == ""


def test_sqlite_files_go_one_by_one_and_absent_ones_do_no_harm(both: tuple[Pod, Callable[[], str]]) -> None:
    pod, run = both
    for name in ("export.db", "export.db-wal", "export2.db"):
        pod.put(f"/data/metadata/{name}")
    number = NOW_MS - 1000
    files = " ".join(f"/data/metadata/export.db{end}" for end in ("", "-wal", "-shm"))
    pod.list(f"{number} /data/payload/shares/export {files}")

    assert run() == f"{number}"

    assert {path.name for path in pod.place("/data/metadata").glob("*.db*")} == {"export2.db"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove everything")
def test_what_cannot_be_removed_is_told_and_tried_again(both: tuple[Pod, Callable[[], str]]) -> None:
    pod, run = both
    number, folder = NOW_MS - 1000, pod.place("/data/payload/shares")
    pod.list(line(number))
    folder.chmod(0o555)
    try:
        assert run() == f"0 failed={number}"
    finally:
        folder.chmod(0o755)

    assert run() == f"{number}"


def test_garbage_in_the_list_and_the_record_does_no_harm(both: tuple[Pod, Callable[[], str]]) -> None:
    pod, run = both
    before = pod.left()
    pod.place("/data/metadata/.purged").write_text("x; rm -rf /\n")
    pod.list("x /data/payload/shares/export", "$(touch /tmp/x) y", "12x /data/metadata/export")

    assert run() == "0"

    assert pod.left() == before
