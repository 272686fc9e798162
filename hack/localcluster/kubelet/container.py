"""One container of a pod over all its runs: start, probes, end, back-off. Stepped by the pod's worker; never sleeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hack.localcluster.kubelet import probes
from hack.localcluster.kubelet.images import image_id, pull_error
from hack.localcluster.kubelet.probes import ProbeSeries, Verdict
from hack.localcluster.kubelet.processes import Process, is_real
from informers.resource import View


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the kubelet does things, in seconds. A real one waits 10 to 300 s between restarts."""

    restart_backoff_initial_s: float = 1.0
    restart_backoff_max_s: float = 60.0
    restart_backoff_reset_s: float = 600.0
    retry_s: float = 1.0
    eager_probe_s: float = 0.2


_MESSAGE_BYTES, _MESSAGE_LINES = 2048, 80


class StartRefused(Exception):
    """A container can't be started now; the waiting reason, and the message for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


#: Told about what a person would want to know: type, reason, note.
Record = Callable[[str, str, str], None]


class Container:
    """The state of one container; all times are of the monotonic clock unless they are datetimes."""

    def __init__(self, spec: View, *, grace_s: float, pace: Pace, record: Record, log: Path) -> None:
        """`grace_s` is how long a run that failed its probes may take to end; all runs write to `log`."""
        self.spec = spec
        self.name: str = spec["name"]
        self.process: Process | None = None
        self.restart_count = 0
        self.started = False
        self.ready = False
        self.waiting: tuple[str, str] = ("ContainerCreating", "")
        self.last_end: dict[str, Any] | None = None
        self.ended = False
        self._pace = pace
        self._record = record
        self._log = log
        self._log_before = 0
        self._started_at: datetime | None = None
        self._started_monotonic = 0.0
        self._not_before = 0.0
        self._backoff_s = 0.0
        self._runs = 0
        self._grace_s = grace_s
        self._kill_at = 0.0
        self._killed_for = ""
        self._series: dict[str, ProbeSeries] = {}

    @property
    def running(self) -> bool:
        """Whether a process is there that has not been seen to end."""
        return self.process is not None

    def step(self, *, now: float, wall: datetime, restarts: bool, start: Callable[[], Process]) -> float | None:
        """Do what is due; when to come back, or None when only an event can change something.

        `start` gives a new run or raises StartRefused; `restarts` is whether a run that ended is repeated.
        """
        if self.process is not None and self.process.exit_code is not None:
            self._take_end(self.process.exit_code, now=now, wall=wall, restarts=restarts)
        if self.process is not None:
            return self._probe(now)
        if self.ended:
            return None
        if now < self._not_before:
            return self._not_before
        return self._start(now=now, wall=wall, start=start)

    def status(self) -> dict[str, Any]:
        """The container's part of the pod's status."""
        state: dict[str, Any]
        if self.process is not None:
            state = {"running": {"startedAt": _wire(self._started_at)}}
        elif self.ended:
            state = {"terminated": self.last_end}
        else:
            reason, message = self.waiting
            state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        last = {"terminated": self.last_end} if self.last_end and not self.ended else {}
        ran = self._runs > 0
        return {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": image_id(self.spec["image"]) if ran else "",
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restart_count,
            "state": state,
            "lastState": last,
        }

    def observe_end(self, *, now: float, wall: datetime) -> None:
        """Take note of the end of a run that is not to be repeated."""
        if self.process is not None and self.process.exit_code is not None:
            self._take_end(self.process.exit_code, now=now, wall=wall, restarts=False)

    def _start(self, *, now: float, wall: datetime, start: Callable[[], Process]) -> float | None:
        try:
            _check_image(self.spec["image"])
            self._log_before = self._log.stat().st_size if self._log.exists() else 0
            self.process = start()
        except StartRefused as refused:
            if self.waiting != (refused.reason, refused.message):
                self.waiting = (refused.reason, refused.message)
                self._record("Warning", "Failed", f"Error: {refused.message}")
            self._not_before = now + self._pace.retry_s
            return self._not_before
        self._runs += 1
        self._started_at, self._started_monotonic = wall, now
        self._series = {
            kind: ProbeSeries(probes.parse(self.spec[f"{kind}Probe"]), started=now, eager_s=self._pace.eager_probe_s)
            for kind in ("startup", "liveness", "readiness")
            if self.spec.get(f"{kind}Probe") and is_real(self.process)
        }
        self._settle()
        self._record("Normal", "Started", f"Started container {self.name}")
        return now

    def _probe(self, now: float) -> float | None:
        assert self.process is not None
        if self._killed_for:
            if now >= self._kill_at:
                self.process.kill()
            return self._kill_at
        kinds = ("startup",) if not self.started else ("liveness", "readiness")
        for kind in kinds:
            series = self._series.get(kind)
            if series is None or series.due > now:
                continue
            success, message = probes.attempt(series.spec, self.spec, self.process.connect)
            series.record(now=now, success=success, message=message)
            if series.verdict is Verdict.FAILURE and kind != "readiness":
                self._record("Warning", "Unhealthy", f"{kind.capitalize()} probe failed: {message}")
                self._record("Normal", "Killing", f"Container {self.name} failed {kind} probe, will be restarted")
                self._killed_for, self._kill_at = kind, now + self._grace_s
                self.process.terminate()
                break
        self._settle()
        if self._killed_for:
            return self._kill_at
        dues = [self._series[kind].due for kind in kinds if kind in self._series]
        return min(dues, default=None)

    def _message(self, code: int, written: str) -> dict[str, str]:
        """What a run has `written` as its last words; if it failed without any, the end of its log, if wanted."""
        if written:
            return {"message": written}
        if code == 0 or self.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return {}
        words = _last_words(self._log, self._log_before)
        return {"message": words} if words else {}

    def _settle(self) -> None:
        """Derive started and ready from the probes; a container without one is what it would say."""

        def passed(kind: str) -> bool:
            return kind not in self._series or self._series[kind].verdict is Verdict.SUCCESS

        self.started = passed("startup")
        self.ready = self.started and passed("readiness") and not self._killed_for

    def _take_end(self, code: int, *, now: float, wall: datetime, restarts: bool) -> None:
        assert self.process is not None
        self.process.kill()
        message = self._message(code, self.process.message)
        self.process = None
        self.started = self.ready = False
        self._killed_for = ""
        self.last_end = {
            "exitCode": code,
            "reason": "Completed" if code == 0 else "Error",
            "startedAt": _wire(self._started_at),
            "finishedAt": _wire(wall),
            **message,
        }
        if not restarts:
            self.ended = True
            return
        self.restart_count += 1
        if now - self._started_monotonic > self._pace.restart_backoff_reset_s:
            self._backoff_s = 0.0
        # The first restart comes at once, as in a real kubelet; the back-off is for the next.
        self._not_before = now + self._backoff_s
        if self._backoff_s:
            words = f"back-off {self._backoff_s:g}s restarting failed container={self.name}"
            self.waiting = ("CrashLoopBackOff", words)
            self._record("Warning", "BackOff", words.capitalize())
        doubled = self._backoff_s * 2 or self._pace.restart_backoff_initial_s
        self._backoff_s = min(doubled, self._pace.restart_backoff_max_s)


def _last_words(log: Path, begin: int) -> str:
    """The end of what stands in `log` from `begin` on, as much as a real kubelet takes."""
    if not log.exists():
        return ""
    text = log.read_bytes()[begin:][-_MESSAGE_BYTES:].decode(errors="replace")
    return "\n".join(text.splitlines()[-_MESSAGE_LINES:])


def _check_image(image: str) -> None:
    error = pull_error(image)
    if error is not None:
        raise StartRefused("ImagePullBackOff", f'Back-off pulling image "{image}": {error}')


def _wire(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
