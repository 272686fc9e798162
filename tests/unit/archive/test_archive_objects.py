"""`dittofs-operator remove-objects` works below the prefix of one share of its instance, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dittofs_operator.archive.inputs import WrongInput
from dittofs_operator.archive.objects import check_prefix
from dittofs_operator.cli import main

INSTANCE = "storage/demo/"


@pytest.mark.parametrize("share", ["export", "a%2Fb", "export~2", "a.b-c_d"])
def test_the_prefix_of_a_share_is_taken(share: str) -> None:
    check_prefix(f"{INSTANCE}{share}/", INSTANCE)


@pytest.mark.parametrize(
    ("prefix", "instance"),
    [
        ("", ""),
        ("", INSTANCE),
        ("/", "/"),
        (INSTANCE, INSTANCE),
        (f"{INSTANCE}export", INSTANCE),
        (f"{INSTANCE}export/blocks/", INSTANCE),
        (f"{INSTANCE}/", INSTANCE),
        (f"{INSTANCE}../", INSTANCE),
        (f"{INSTANCE}~2/", INSTANCE),
        ("export/", ""),
        ("export/", INSTANCE),
        ("storage/other/export/", INSTANCE),
        ("storage/demo2/export/", "storage/demo"),
        ("../demo/export/", "../demo/"),
    ],
)
def test_another_prefix_is_refused_before_anything_is_asked(
    prefix: str, instance: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WrongInput):
        check_prefix(prefix, instance)
    result = tmp_path / "termination-log"
    code = main(
        [
            "remove-objects",
            "--bucket=files",
            f"--prefix={prefix}",
            f"--instance-prefix={instance}",
            "--until=2030-01-02T03:04:05Z",
            f"--result={result}",
        ]
    )

    assert code == 2
    assert json.loads(result.read_text())["reason"] == "WrongInput"
    assert "is none of a share below" in capsys.readouterr().err


@pytest.mark.parametrize("until", ["soon", "2030-01-02", "2030-01-02T03:04:05"])
def test_a_time_without_a_zone_is_refused(until: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["remove-objects", "--bucket=b", "--prefix=a/b/", "--instance-prefix=a/", f"--until={until}"])
    assert refused.value.code == 2
    assert "must be a time with its zone" in capsys.readouterr().err
