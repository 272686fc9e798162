"""What `make scale` measures, in small: how many requests shares cost when made, at rest, and after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.scale.run import Size, run

pytestmark = [
    pytest.mark.integration,
    pytest.mark.places("local", reason="it has a local cluster of its own, whose requests it counts"),
]

INSTANCES, SHARES, POLLS = 2, 12, 3


def test_shares_cost_few_requests_when_they_are_made_and_one_list_per_poll_and_instance_at_rest(
    tmp_path: Path,
) -> None:
    size = Size(INSTANCES, SHARES, poll_s=1.0, rest_polls=POLLS, limit_s=60.0)

    steps = list(run(size, tmp_path, dfs_binary=None, tell=print).values())

    made, listed, resting, restarted = steps[2:]
    # The finalizer, the status and an event of each; the hash and the ConfigMap of each instance, every two seconds.
    assert listed["API writes"] <= 3 * SHARES + 8 * INSTANCES
    # A metadata store and the share itself; the local store, made once, may be tried by all who are at work at once.
    assert made["server writes"] <= 2 * SHARES + 5 * INSTANCES
    assert made["server failures"] == 0
    assert resting["API writes"] == resting["server writes"] == 0
    # A poll asks for the shares and for the adapters; one more of each may fall into the time. Nothing for a share.
    assert resting["passes over shares"] >= SHARES * (POLLS - 1)
    assert resting["server reads"] <= 2 * INSTANCES * (POLLS + 1) + 4
    # Logins, and one look at each instance: its shares, adapters, users, groups, settings and grace period.
    assert restarted["API writes"] == 0
    assert restarted["passes over shares"] >= SHARES
    assert restarted["server writes"] <= 2 * INSTANCES
    assert restarted["server reads"] <= 10 * INSTANCES
