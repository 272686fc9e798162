"""What holds for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.clock import end_clocks

# The same examples each time, however slow the machine is: a test that fails only sometimes decides nothing.
settings.register_profile("suite", deadline=None, derandomize=True, database=None)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def _no_thread_waits_in_virtual_time_after_its_test() -> Iterator[None]:
    yield
    end_clocks()
