"""`python -m hack.demo [--once]`: see `make demo`."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType

from rich.console import Console

from hack.demo import checks, show
from hack.demo.processes import DemoFailedError, Kubectl, Operator, operator
from hack.demo.progress import Progress, ready
from hack.localcluster.binary import BinaryMissing, find_dfs
from hack.localcluster.cluster import LocalCluster
from informers import configuration
from informers.client import Client

MANIFESTS = Path(__file__).parents[2] / "manifests"
NAMESPACE = "default"


def main() -> int:
    """Run the demo; 0 when all of it worked."""
    parser = argparse.ArgumentParser(prog="python -m hack.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="check repair and deletion too, then end")
    once = parser.parse_args().once
    stop = threading.Event()

    def asked_to_stop(_signal: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        if not settled.is_set():
            raise KeyboardInterrupt

    settled = threading.Event()
    signal.signal(signal.SIGINT, asked_to_stop)
    signal.signal(signal.SIGTERM, asked_to_stop)
    console = Console(highlight=False)
    directory = Path(tempfile.mkdtemp(prefix="dittofs-demo-"))
    try:
        _demo(console, directory, once=once, stop=stop, settled=settled)
    except (BinaryMissing, DemoFailedError) as error:
        console.print(f"[red]the demo failed:[/red] {error}", markup=True, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


def _demo(console: Console, directory: Path, *, once: bool, stop: threading.Event, settled: threading.Event) -> None:
    began = time.monotonic()
    with LocalCluster(directory / "cluster", dfs_binary=find_dfs()) as cluster:
        kubectl = Kubectl(cluster.kubeconfig)
        console.print(f"local cluster at {cluster.url}; its pods run the {cluster.server_kind}", soft_wrap=True)
        kubectl("apply", "-f", str(MANIFESTS / "crds"))
        console.print("CustomResourceDefinitions installed")
        client = Client(configuration.load(str(cluster.kubeconfig)).configuration, user_agent="dittofs-demo")
        with operator(cluster.kubeconfig, directory / "operator.log") as running:
            console.print(f"operator runs as process {running.process.pid}")
            kubectl("apply", "-n", NAMESPACE, "-f", str(MANIFESTS / "samples"))
            progress = Progress(client=client, namespace=NAMESPACE, console=console, still_alive=running.check_alive)
            progress.until("waiting for the samples to be ready", lambda s: len(s) == 3 and all(map(ready, s.values())))
            show.what_was_made(console, kubectl, progress, running, NAMESPACE)
            console.print(f"ready after {time.monotonic() - began:.1f} s")
            if once:
                checks.run(console, kubectl, client, progress, NAMESPACE)
                _stop_operator(running)
            else:
                console.print("Ctrl-C ends it all and leaves nothing behind")
                settled.set()
                while not stop.wait(1):
                    running.check_alive()
        client.close()
    if once:
        checks.nothing_runs_on(cluster)
        console.print(f"[green]all of it worked[/green], in {time.monotonic() - began:.1f} s")


def _stop_operator(running: Operator) -> None:
    code = running.stop()
    if code != 0:
        raise DemoFailedError(
            f"the operator, asked to stop, ended with code {code}:\n{running.log.read_text()[-2000:]}"
        )


if __name__ == "__main__":
    sys.exit(main())
