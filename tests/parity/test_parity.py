"""Each case on the local cluster's API server alone, and on it and a kube-apiserver side by side."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.parity import case as cases
from tests.parity.case import Case
from tests.parity.running import surprises, unexpected
from tests.parity.side import Side

CASES = cases.load()
_each = pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])


@_each
def test_the_local_api_server_answers_as_expected(case: Case, ours: Side, tally: Counter[tuple[str, str]]) -> None:
    """Codes, reasons and picked values are those that the case names."""
    tally[case.topic, "cases"] += 1
    _report(unexpected(case, ours.records(case), ours=True))
    tally[case.topic, "as expected"] += 1


@_each
def test_both_api_servers_answer_the_same(case: Case, ours: Side, real: Side, tally: Counter[tuple[str, str]]) -> None:
    """Answers are equal but for what a server chooses freely and for the differences that the case lists."""
    tally[case.topic, "compared"] += 1
    tally[case.topic, "differing"] += 1
    theirs = real.records(case)
    found = unexpected(case, theirs, ours=False)
    for number, (step, one, other) in enumerate(zip(case.steps, theirs, ours.records(case), strict=True), start=1):
        found += [f"step {number} {step.method} {step.path}: {line}" for line in surprises(step, one, other)]
    _report(found)
    tally[case.topic, "differing"] -= 1
    tally[case.topic, "listed" if any(step.differs for step in case.steps) else "same"] += 1


def _report(found: list[str]) -> None:
    if found:
        pytest.fail("\n".join(found), pytrace=False)
