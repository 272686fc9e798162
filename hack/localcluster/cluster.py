"""The local cluster: API server, simulated controllers, kubelet and network, in this process, below one folder."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Sequence
from pathlib import Path
from random import Random

from hack.apparatus import Apparatus, write_kubeconfig
from hack.localcluster.apiserver.server import ApiServer
from hack.localcluster.controllers.manager import SimulatedControllers
from hack.localcluster.kubelet.container import Pace
from hack.localcluster.kubelet.outside import OutsideServer
from hack.localcluster.kubelet.processes import Launcher, ServerKind
from hack.localcluster.pod_network import AddressPool, PodNetwork, random_networks
from hack.localcluster.simulation import Simulation


class LocalCluster(Apparatus):
    """A cluster of one node. Started once, stopped once; nothing of it is left after `stop`.

    `directory` gets the kubeconfig, and in `data_dir` the claims' folders (`volumes/`), the pods' and their logs.
    Without `dfs_binary` (or where namespaces can't be made) a double stands for the DittoFS server: `server_kind`
    says which; `outside` is all that the real server reaches beyond its pod. With `simulate=False` there is only the
    API server.
    """

    def __init__(
        self,
        directory: Path,
        *,
        dfs_binary: Path | None = None,
        outside: Sequence[OutsideServer] = (),
        simulate: bool = True,
        watch_window: int = 1000,
        bookmark_interval_s: float = 5.0,
        pace: Pace | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.directory = directory
        self.data_dir = directory / "data"
        self.token = secrets.token_urlsafe(24)
        self.kubeconfig = directory / "kubeconfig"
        self._random = Random(seed)
        service_network, pod_network = random_networks(self._random)
        self._service_addresses = AddressPool(service_network)
        self._pod_network = PodNetwork(AddressPool(pod_network))
        self._launcher = Launcher(dfs_binary, outside=outside)
        self._watch_window = watch_window
        self._bookmark_interval_s = bookmark_interval_s
        self._url = ""
        self._pace = pace or Pace()
        self._simulate = simulate

    @property
    def url(self) -> str:
        """The API server's address; empty before the start."""
        return self._url

    @property
    def server_kind(self) -> ServerKind:
        """Whether pods get the real DittoFS server or the double, and why."""
        return self._launcher.server_kind

    def silence(self, pod_address: str) -> None:
        """Let the server in the pod of that address hang: it takes connections, and answers its kubelet alone."""
        self._pod_network.silence(pod_address)

    def leftovers(self) -> list[str]:
        """What is left of a stopped cluster, in words: processes, folders; empty as it should be."""
        folder = str(self.data_dir)
        left = [str(path) for path in (self.data_dir, self.kubeconfig) if path.exists()]
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if folder.encode() in (process / "cmdline").read_bytes():
                    left.append(f"process {process.name}")
        return left

    def _start(self) -> None:
        api = ApiServer(
            token=self.token,
            watch_window=self._watch_window,
            bookmark_interval_s=self._bookmark_interval_s,
            service_address_allocator=self._service_addresses.take,
        )
        self._undo.append(api.stop)
        api.start()
        self._url = api.url
        write_kubeconfig(self.kubeconfig, api.kubeconfig)
        self._undo.append(lambda: self.kubeconfig.unlink(missing_ok=True))
        if self._simulate:
            self._start_simulation()

    def _start_simulation(self) -> None:
        simulation = Simulation(
            self.kubeconfig,
            controllers=SimulatedControllers,
            data_dir=self.data_dir,
            launcher=self._launcher,
            pace=self._pace,
            service_addresses=self._service_addresses,
            pod_network=self._pod_network,
            random=self._random,
        )
        self._undo.append(simulation.stop)
        simulation.start()
