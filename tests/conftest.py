"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# The same examples each time, however slow the machine is: a test that fails only sometimes decides nothing.
settings.register_profile("suite", deadline=None, derandomize=True, database=None)
settings.load_profile("suite")
