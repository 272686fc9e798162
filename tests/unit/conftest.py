"""What holds for every unit test."""

from __future__ import annotations

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logs_are_not_those_of_the_operator_that_an_earlier_test_runs_in_this_process() -> None:
    structlog.reset_defaults()
