"""`python -m hack.endtoend`: what `make e2e` runs. KUBECONFIG and IMAGE name a cluster that exists and its image."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import tempfile
from pathlib import Path

from hack.controlplane.tools import KIND, ToolMissing, build
from hack.endtoend.commands import CommandFailed, run
from hack.endtoend.harness import Harness
from hack.endtoend.places import CannotRun, Cluster, ExistingCluster, KindCluster, missing_for_kind

_ROOT = Path(__file__).parents[2]
_TRACES = _ROOT / ".local" / "e2e"
_FAILED, _CANNOT_RUN = 1, 2


def main() -> int:
    """Run the scenarios; 1 when one failed, 2 when they can't be run here."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    name = f"dittofs-e2e-{secrets.token_hex(3)}"
    kubectl = str(Path(sys.executable).with_name("kubectl"))
    try:
        with tempfile.TemporaryDirectory(prefix=f"{name}-") as scratch:
            cluster = _cluster(name, kubectl, Path(scratch))
            harness = Harness(
                run=run,
                tell=_tell,
                kubectl=kubectl,
                python=sys.executable,
                source=_ROOT,
                scratch=Path(scratch),
                traces=_TRACES / name,
            )
            harness.scenarios(cluster)
    except (CannotRun, ToolMissing) as error:
        _tell(f"error: {error}")
        return _CANNOT_RUN
    except CommandFailed as error:
        _tell(f"error: {error}")
        return _FAILED
    except KeyboardInterrupt:
        _tell("interrupted; all that was made is deleted")
        return _FAILED
    return 0


def _cluster(name: str, kubectl: str, scratch: Path) -> Cluster:
    kubeconfig, image = os.environ.get("KUBECONFIG"), os.environ.get("IMAGE")
    if kubeconfig:
        if not image:
            raise CannotRun(
                "KUBECONFIG is set: say by IMAGE where its cluster can pull the operator's image, "
                "or unset KUBECONFIG for a kind cluster"
            )
        return ExistingCluster(run, kubectl, kubeconfig=Path(kubeconfig), image=image)
    if missing := missing_for_kind(run, os.environ):
        raise CannotRun(missing)
    return KindCluster(run, tell=_tell, kind=lambda: build(KIND, tell=_tell), name=name, folder=scratch, source=_ROOT)


def _interrupt(_number: int, _frame: object) -> None:
    """Ask once: a second signal must not keep us from deleting what was made."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
