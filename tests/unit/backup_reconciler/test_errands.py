"""Calls that outlast a pass are begun once, and their end is told once."""

from __future__ import annotations

import threading

import pytest

from reconcilers.backup.restore.errands import Errands
from tests.support.eventually import eventually


def test_an_errand_is_begun_once_and_its_end_is_told_once() -> None:
    errands, begun, go_on = Errands(), list[int](), threading.Event()

    def work() -> None:
        begun.append(1)
        assert go_on.wait(10)

    assert not errands.run("a", work)
    assert errands.is_running("a")
    assert not errands.run("a", work)
    assert not errands.is_running("b")
    go_on.set()
    eventually(lambda: errands.run("a", work), what="the end of the errand")
    assert begun == [1]
    assert not errands.is_running("a")
    assert errands.run("b", lambda: None) or eventually(lambda: errands.run("b", lambda: None))


def test_what_an_errand_raises_is_raised_to_who_asks_and_it_can_be_begun_anew() -> None:
    errands = Errands(lambda work: work())

    def fails() -> None:
        raise OSError("no")

    for _ in range(2):
        with pytest.raises(OSError, match="no"):
            errands.run("a", fails)
    assert errands.run("a", lambda: None)
