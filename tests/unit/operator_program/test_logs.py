"""What a log line holds, and what it must not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

FAILING = """
import structlog
from dittofs_operator.logs import configure
from dittofs_operator.settings import LogFormat, LogLevel
configure(level=LogLevel.INFO, form=LogFormat({form!r}))
def log_in():
    password = "hunter2" + "-SECRET"
    raise RuntimeError("refused")
try:
    log_in()
except RuntimeError:
    structlog.get_logger().exception("it failed", namespace="default")
structlog.get_logger().debug("too fine")
"""


def logged(form: str) -> str:
    """What a process prints that logs an exception whose frame holds a password."""
    command = [sys.executable, "-c", FAILING.format(form=form)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stderr


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_logged_exception_says_where_and_never_which_values(form: str) -> None:
    line = logged(form)
    assert "log_in" in line
    assert "refused" in line
    assert "SECRET" not in line


def test_a_json_line_is_one_object_with_level_time_and_fields() -> None:
    (line,) = logged("json").splitlines()
    record = json.loads(line)
    assert record["event"] == "it failed"
    assert record["level"] == "error"
    assert record["namespace"] == "default"
    assert record["timestamp"].endswith("Z")
