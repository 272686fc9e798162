"""What a running operator has cost so far: requests, passes, processor time, memory. And differences of such looks."""

from __future__ import annotations

import os
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

#: Of what the client of the API server counts, the methods that change something; PUT is the Lease's alone.
WRITES = ("POST", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Look:
    """Sums since the operator's start, at one moment."""

    at: float
    api_reads: float
    api_writes: float
    server_reads: float
    server_writes: float
    server_failures: float
    passes: dict[str, float]
    cpu_s: float
    peak_mib: float

    def since(self, before: Look) -> dict[str, float]:
        """What has come since the look `before`, by the names that the report shows."""
        return {
            "seconds": self.at - before.at,
            "API reads": self.api_reads - before.api_reads,
            "API writes": self.api_writes - before.api_writes,
            "server reads": self.server_reads - before.server_reads,
            "server writes": self.server_writes - before.server_writes,
            "server failures": self.server_failures - before.server_failures,
            "passes over shares": self.passes.get("dittofsshare", 0) - before.passes.get("dittofsshare", 0),
            "passes over instances": self.passes.get("dittofs", 0) - before.passes.get("dittofs", 0),
            "CPU s": self.cpu_s - before.cpu_s,
            "peak MiB": self.peak_mib,
        }


NOTHING = Look(0.0, 0, 0, 0, 0, 0, {}, 0.0, 0.0)


def look(metrics_address: str, pid: int) -> Look:
    """Look at the operator that runs as process `pid`. Raises OSError while it does not answer."""
    with urllib.request.urlopen(f"http://{metrics_address}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    api, server, codes, passes = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            match sample.name:
                case "rest_client_requests_total":
                    api[labels["method"]] += int(sample.value)
                case "dittofs_operator_server_requests_total":
                    server[labels["method"]] += int(sample.value)
                    codes[labels["code"]] += int(sample.value)
                case "controller_runtime_reconcile_total":
                    passes[labels["controller"]] += int(sample.value)
    failures = sum(count for code, count in codes.items() if code[0] not in "24")
    return Look(
        at=time.monotonic(),
        api_reads=api["GET"],
        api_writes=sum(api[method] for method in WRITES),
        server_reads=server["GET"],
        server_writes=server.total() - server["GET"],
        server_failures=failures,
        passes=dict(passes),
        cpu_s=_cpu_s(pid),
        peak_mib=_peak_mib(pid),
    )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
