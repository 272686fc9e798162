"""The operator as a process: flags, health, metrics, leadership between two of it, signals, restart."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import yaml

from dittofs_operator.program import Program
from informers.client import Client
from informers.resource import Resource
from reconcilers.api.resources import (
    CONFIG_MAP,
    DITTOFS,
    DITTOFS_SHARE,
    LEASE,
)
from tests.support.acceptance import EVERYTHING, PATIENCE_S, World
from tests.support.eventually import eventually
from tests.support.operator_process import PROGRAM, OperatorProcess, may_lead_in, operator_process
from tests.support.place import Place

pytestmark = pytest.mark.integration

LEASE_S, RETRY_S = 3.0, 0.5
SHORT = (f"--lease-duration={LEASE_S:g}s", "--renew-deadline=2s", "--retry-period=500ms")
#: A follower that sees the Lease change takes milliseconds; the rest is what two busy cores may take.
HANDOVER_S = 6
#: A lease that nobody could sit out in that time, nor find free by asking every ten to 22 seconds.
LONG = ("--lease-duration=30s", "--renew-deadline=20s", "--retry-period=10s")
#: What dashboards made for controller-runtime and client-go look for.
METRICS = {
    "controller_runtime_reconcile_total",
    "controller_runtime_reconcile_errors_total",
    "controller_runtime_terminal_reconcile_errors_total",
    "controller_runtime_reconcile_panics_total",
    "controller_runtime_reconcile_time_seconds_bucket",
    "controller_runtime_max_concurrent_reconciles",
    "controller_runtime_active_workers",
    "workqueue_depth",
    "workqueue_adds_total",
    "workqueue_queue_duration_seconds_bucket",
    "workqueue_work_duration_seconds_bucket",
    "workqueue_unfinished_work_seconds",
    "workqueue_longest_running_processor_seconds",
    "workqueue_retries_total",
    "leader_election_master_status",
    "rest_client_requests_total",
}

Run = Callable[..., AbstractContextManager[OperatorProcess]]


@pytest.fixture
def world(client: Client, namespace: str) -> World:
    return World(client, namespace)


@pytest.fixture
def run(cluster: Place, client: Client, namespace: str, tmp_path: Path) -> Run:
    """Starts an operator whose Lease is in the test's namespace; its log is named by the first argument."""
    may_lead_in(namespace, cluster, client)

    def start(name: str, *flags: str) -> AbstractContextManager[OperatorProcess]:
        log = tmp_path / f"{name}.log"
        return operator_process(cluster.operator_kubeconfig, log, lease_namespace=namespace, flags=(*SHORT, *flags))

    return start


def holder(world: World) -> str:
    return str(world.get(LEASE, "dittofs-operator")["spec"].get("holderIdentity") or "")


def leader_and_follower(one: OperatorProcess, other: OperatorProcess) -> tuple[OperatorProcess, OperatorProcess]:
    one.until_ready()
    other.until_ready()
    eventually(lambda: one.leads() or other.leads(), PATIENCE_S, what="a leader")
    return (one, other) if one.leads() else (other, one)


def test_health_readiness_and_metrics_tell_how_it_is(run: Run, world: World) -> None:
    with run("one") as one:
        one.until_ready()
        one.until_leading()

        assert one.health("/healthz") == (200, "ok")
        assert one.health("/healthz/leader-election") == (200, "ok")
        status, text = one.health("/readyz?verbose")
        assert status == 200
        assert "[+]informer-dittofs.dittofs.dittofs.io ok" in text
        assert "[+]informer-dittofsshares.dittofs.dittofs.io ok" in text
        eventually(lambda: one.metrics().names() >= METRICS, PATIENCE_S, what=f"metrics, of {sorted(METRICS)}")


def test_a_stopped_operator_ends_with_0_and_leaves_the_lease_free(run: Run, world: World) -> None:
    with run("one") as one:
        one.until_leading()
        assert holder(world)

        one.signal(signal.SIGTERM)

        assert one.wait() == 0
        assert holder(world) == ""
        assert one.log_lines()  # raises when a line is no JSON


def test_of_two_one_leads_and_hands_over_at_once_when_it_is_asked_to_stop(run: Run, world: World) -> None:
    with run("one", *LONG) as leader:
        leader.until_leading()
        with run("other", *LONG) as follower:
            follower.until_ready()
            eventually(lambda: _has_seen_a_leader(follower), PATIENCE_S, what="a follower that waits")
            assert not follower.leads()
            assert follower.metrics().writes() == {"POST": 0, "PATCH": 0, "DELETE": 0}
            held_by = holder(world)

            leader.signal(signal.SIGTERM)
            follower.until_leading(HANDOVER_S)

            assert leader.wait() == 0
            assert holder(world) not in ("", held_by)


def _has_seen_a_leader(follower: OperatorProcess) -> bool:
    return any(line["event"] == "leader seen" and line["leader"] for line in follower.log_lines())


def test_a_killed_leader_is_followed_after_its_lease_and_not_before(run: Run, world: World) -> None:
    with run("one") as one, run("other") as other:
        leader, follower = leader_and_follower(one, other)

        killed_at = time.monotonic()
        leader.signal(signal.SIGKILL)
        leader.wait()
        follower.until_leading(LEASE_S + HANDOVER_S)

        # The last renewal may have been a retry period before the end; half of one more for slow scheduling.
        assert time.monotonic() - killed_at >= LEASE_S - 1.5 * RETRY_S


def test_a_second_signal_ends_it_at_once_with_1(run: Run) -> None:
    with run("one") as one:
        one.until_leading()
        one.signal(signal.SIGSTOP)  # so that both are there before the first one is acted on
        one.signal(signal.SIGTERM)
        one.signal(signal.SIGINT)
        one.signal(signal.SIGCONT)

        assert one.wait(5) == 1


def test_a_restart_on_an_unchanged_world_writes_nothing(run: Run, world: World, operator: Program) -> None:
    world.instance()
    world.share("export", readOnly=True, quota={"size": "3Gi"}, nfs={"squash": "none"})
    world.until_phase(DITTOFS_SHARE, "export", "Ready")
    world.until_phase(DITTOFS, "demo", "Running")
    eventually(
        lambda: (
            "export" in world.get(CONFIG_MAP, "demo-dittofs-config")["data"]["shares.yaml"]
            and "dittofs.dittofs.io/shares-hash" in world.get(DITTOFS, "demo")["metadata"].get("annotations", {})
        ),
        PATIENCE_S,
    )
    with run("earlier") as earlier:  # so that the Lease is there
        earlier.until_leading()
        earlier.signal(signal.SIGTERM)
        assert earlier.wait() == 0
    before = world.versions(*EVERYTHING)

    with run("restarted") as restarted:
        restarted.until_leading()
        eventually(lambda: _has_looked(restarted, world), PATIENCE_S, what="two looks at everything")
        writes = restarted.metrics().writes()

    assert world.versions(*EVERYTHING) == before
    assert writes == {"POST": 0, "PATCH": 0, "DELETE": 0}


def _has_looked(restarted: OperatorProcess, world: World) -> bool:
    """Whether every object was looked at twice: at the start, and for the poll interval alone."""
    metrics, instances, shares = restarted.metrics(), *(_count(world, kind) for kind in (DITTOFS, DITTOFS_SHARE))
    return (
        metrics.passes("dittofs") > 2 * instances
        and metrics.passes("dittofsshare") > 2 * shares
        and metrics.passes("sharesannouncer") >= instances
    )


def _count(world: World, resource: Resource) -> int:
    return len(world.client.list(resource).items)


@pytest.fixture
def nobody_listens(tmp_path: Path) -> Path:
    """A kubeconfig of a cluster that does not answer."""
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = tmp_path / "nobody.yaml"
    path.write_text(yaml.safe_dump(kubeconfig))
    return path


def test_without_an_api_server_it_lives_is_not_ready_and_ends_when_asked(nobody_listens: Path, tmp_path: Path) -> None:
    with operator_process(nobody_listens, tmp_path / "log", lease_namespace="default") as alone:
        eventually(lambda: alone.health("/healthz")[0] == 200, PATIENCE_S, what="a live operator")
        status, text = alone.health("/readyz")
        assert status == 500
        assert "[-]informer-" in text

        alone.signal(signal.SIGTERM)

        assert alone.wait() == 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--kubeconfig=/nowhere/config",), "/nowhere/config"),
        (("--poll-interval=often",), "--poll-interval=often"),
        (("--lease-duration=5s", "--renew-deadline=10s"), "must exceed renew deadline"),
    ],
)
def test_a_wrong_flag_is_one_clear_line_and_2(cluster: Place, flags: tuple[str, ...], words: str) -> None:
    done = subprocess.run(
        [PROGRAM, "run", f"--kubeconfig={cluster.kubeconfig}", "--metrics-address=0", *flags],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
