"""The image is pinned, locked, small in rights, and holds nothing that builds."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[3]


@dataclass(slots=True)
class Stage:
    image: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        return [value for name, value in self.instructions if name == instruction]

    def one(self, instruction: str) -> str:
        (value,) = self.all(instruction)
        return value


def _stages() -> list[Stage]:
    text = (ROOT / "Dockerfile").read_text()
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for line in filter(None, (line.strip() for line in lines)):
        instruction, value = line.split(maxsplit=1)
        if instruction == "ARG":
            name, _, default = value.partition("=")
            arguments[name] = default
        elif instruction == "FROM":
            image, _, name = value.partition(" AS ")
            stages.append(Stage(re.sub(r"\$\{(\w+)\}", lambda m: arguments[m[1]], image), name))
        else:
            stages[-1].instructions.append((instruction, " ".join(value.split())))
    return stages


def test_every_base_image_is_pinned_to_one_python() -> None:
    images = {stage.image for stage in _stages()}

    assert len(images) == 1
    tag = images.pop().rpartition(":")[2]
    assert re.fullmatch(r"3\.11(\.\d+)?-slim-\w+", tag)


def test_the_image_runs_as_a_numeric_user_that_is_not_root() -> None:
    user, _, group = _stages()[-1].one("USER").partition(":")

    assert int(user) > 0
    assert int(group) > 0


def test_the_entry_point_is_the_program() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    (program,) = json.loads(_stages()[-1].one("ENTRYPOINT"))

    assert program in scripts


def test_every_package_from_an_index_is_checked_against_a_hash() -> None:
    installs = [run for stage in _stages() for run in stage.all("RUN") if re.search(r"\bpip\b.*\binstall\b", run)]

    assert len(installs) == 3
    for install in installs:
        assert "--require-hashes --only-binary=:all: --requirement" in install or "--no-deps --no-index" in install


def test_the_operator_runs_on_the_locked_requirements_of_run_time_alone() -> None:
    environment = next(stage for stage in _stages() if stage.name == "environment")

    assert "requirements.lock ./" in environment.all("COPY")
    assert not any("requirements-dev" in value for _, value in environment.instructions)


def test_the_last_stage_takes_the_environment_only_and_builds_nothing() -> None:
    last = _stages()[-1]

    assert last.all("COPY") == ["--from=environment /opt/dittofs-operator /opt/dittofs-operator"]
    assert last.all("RUN") == ["python -m pip uninstall --yes --root-user-action=ignore pip setuptools wheel"]
    assert last.all("ADD") == []


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    admitted = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = {
        source.removeprefix("./")
        for stage in _stages()
        for value in stage.all("COPY")
        if "--from=" not in value
        for source in value.split()[:-1]
    }

    assert copied == admitted
    assert all((ROOT / path).exists() for path in copied)


def test_nothing_secret_can_get_into_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()

    assert next(line for line in lines if not line.startswith("#")) == "*"


def test_the_packages_of_the_wheel_are_all_copied() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    wheel = next(stage for stage in _stages() if stage.name == "wheel")

    for package in packages:
        assert f"{package} ./{package}" in wheel.all("COPY")
