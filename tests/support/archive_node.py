"""What archives live in, with a node that runs the very commands of their Jobs, beside claims that are folders."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from dittofs_operator.cli import main
from informers.errors import NotFound
from informers.resource import Manifest, ObjectKey
from reconcilers.api.resources import CONFIG_MAP, SECRET
from reconcilers.builders.job import RESULT_FILE
from tests.support.archive_world import ArchiveWorld
from tests.support.archived import Server
from tests.support.dittofs_server import double_dittofs_server


class CommandWorld(ArchiveWorld):
    """Jobs are done when they are seen; a pod whose Secret is not there waits for it without a word, as on a node."""

    root: Path
    #: Called right before the command of a Job, by the end of the Job's name.
    before: dict[str, Callable[[], None]]

    @property
    def server_files(self) -> Server:
        """The claims of the instance."""
        return Server(self.root / "claims")

    @property
    def archives(self) -> Path:
        """The claim that the operator made for the archives of `weekly`."""
        return self.claim("weekly-archive")

    def claim(self, name: str) -> Path:
        folder = self.root / "claims" / name.removeprefix("demo-")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def kept(self) -> dict[str, str]:
        """Every file on any claim, by its hash."""
        files = (path for path in (self.root / "claims").rglob("*") if path.is_file())
        return {str(path): sha256(path.read_bytes()).hexdigest() for path in files}

    def _run(self, job: Manifest, hold: Any) -> None:
        name = job["metadata"]["name"]
        self.before.get(name.rpartition("-")[2], lambda: None)()
        pod = job["spec"]["template"]["spec"]
        shutil.rmtree(self.root / "pod", ignore_errors=True)
        try:
            folders = {volume["name"]: self._volume(volume) for volume in pod["volumes"]}
        except NotFound:
            self.has_pod(name, "Pending", status={"active": 1})
            return
        (container,) = pod["containers"]
        places = {mount["mountPath"]: str(folders[mount["name"]]) for mount in container["volumeMounts"]}
        result = self.root / "pod" / "result"
        main([_placed(flag, places | {RESULT_FILE: str(result)}) for flag in container["args"]])
        self.tells[name.rpartition("-")[2]] = json.loads(result.read_text())
        super()._run(job, hold)

    def _volume(self, volume: Mapping[str, Any]) -> Path:
        """What is mounted for it. Raises NotFound."""
        folder: Path = self.root / "pod" / volume["name"]
        folder.mkdir(parents=True)
        match volume:
            case {"persistentVolumeClaim": claim}:
                return self.claim(claim["claimName"])
            case {"secret": source}:
                found = self.objects.get(SECRET, ObjectKey("default", source["secretName"]))
                content = found["data"]
            case {"configMap": source}:
                found = self.objects.get(CONFIG_MAP, ObjectKey("default", source["name"]))
                plain = {key: base64.b64encode(text.encode()).decode() for key, text in found["data"].items()}
                content = plain | found["binaryData"]
            case _:
                return folder
        paths = {item["key"]: item["path"] for item in source.get("items", ())} or {key: key for key in content}
        for key, path in paths.items():
            (folder / path).write_bytes(base64.b64decode(content[key]))
        return folder


def _placed(flag: str, places: Mapping[str, str]) -> str:
    name, _, value = flag.partition("=")
    inside = [path for path in places if value == path or value.startswith(f"{path}/")]
    return f"{name}={places[inside[0]]}{value.removeprefix(inside[0])}" if inside else flag


@contextmanager
def command_world(directory: Path) -> Iterator[CommandWorld]:
    """A CommandWorld whose server and claims are in the empty `directory`."""
    with double_dittofs_server(directory / "server", container_paths=True) as server:
        for folder in ("data/metadata", "data/payload", "data/cache"):
            (directory / "server" / folder).mkdir(parents=True)
        world = CommandWorld(server)
        world.root, world.before = directory, {}
        try:
            yield world
        finally:
            world.close()
