"""Tasks in virtual time: one runs at a time, the seed says which is next, and time passes only when none can run.

A task is a greenlet, so nothing but the scheduler interrupts it, and a run is the same wherever it is repeated.
"""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from greenlet import GreenletExit, getcurrent, greenlet  # type: ignore[import-untyped]

#: How often a task that doesn't end at the end of a run is told so.
_UNWIND_TRIES = 20

#: So many steps of tasks without any time passing are an endless loop.
_MAX_STEPS_AT_ONCE = 200_000


class Stuck(Exception):
    """Tasks run on and on without any time passing."""


class Unwound(GreenletExit):  # type: ignore[misc]
    """Raised in tasks that still wait when the run is over."""


@dataclass(eq=False, slots=True)
class Process:
    """What tasks belong to: it can be paused and killed, and has a wall clock of its own."""

    name: str
    alive: bool = True
    paused_until: float = 0.0
    wall_offset_s: float = 0.0
    stalled: list[Task] = field(default_factory=list)
    #: Called when it dies, as the kernel closes what a dead process leaves open.
    at_death: list[Callable[[], None]] = field(default_factory=list)


class Task:
    """One simulated thread."""

    __slots__ = ("_body", "blocked", "done", "greenlet", "name", "process", "thread", "timed_out", "token")

    def __init__(self, body: Callable[[], None], *, name: str, process: Process, hub: greenlet) -> None:
        self._body = body
        self.name = name
        self.process = process
        #: The `threading.Thread` that it stands for, if any.
        self.thread: object = None
        self.greenlet = greenlet(self._run, parent=hub)
        self.blocked = False
        self.timed_out = False
        self.token = 0
        self.done = False

    def forget(self) -> None:
        """Keep nothing of what it did."""
        del self.greenlet
        self.thread = None
        self._body = _nothing

    def _run(self) -> None:
        try:
            self._body()
        finally:
            self.done = True


class Scheduler:
    """See the module. `random` decides which task goes next, and how long a hop takes."""

    def __init__(self, random: Random, *, start_s: float = 1000.0) -> None:
        self.now = start_s
        self.random = random
        self.over = False
        self.machine = Process("cluster")
        self.failed: list[tuple[Task, BaseException]] = []
        self.tasks: list[Task] = []
        self._hub = getcurrent()
        self._runnable: list[Task] = []
        self._timers: list[tuple[float, int, Callable[[], None] | Task, int]] = []
        self._order = 0
        self._current: Task | None = None

    # --- from anywhere

    @property
    def current(self) -> Task | None:
        """The task that runs, None between tasks."""
        return self._current

    @property
    def process(self) -> Process:
        """The process of the task that runs."""
        return self._current.process if self._current is not None else self.machine

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action`, which never waits, in `seconds`."""
        self._order += 1
        heapq.heappush(self._timers, (self.now + seconds, self._order, action, 0))

    def spawn(self, body: Callable[[], None], *, name: str, process: Process | None = None) -> Task:
        """A task that can run from now on; it belongs to the process of its maker unless told otherwise."""
        task = Task(body, name=name, process=process or self.process, hub=self._hub)
        self.tasks.append(task)
        self._runnable.append(task)
        return task

    def wake(self, task: Task) -> None:
        """End the wait of `task`; nothing happens when it doesn't wait."""
        if task.blocked:
            task.blocked = False
            task.timed_out = False
            self._runnable.append(task)

    def pause(self, process: Process, seconds: float) -> None:
        """Let nothing of `process` run for so long, as SIGSTOP does."""
        process.paused_until = max(process.paused_until, self.now + seconds)
        self.at(seconds, lambda: self.resume(process))

    def resume(self, process: Process) -> None:
        """Let `process` go on if its pause is over."""
        if process.paused_until <= self.now:
            stalled, process.stalled = process.stalled, []
            self._runnable += stalled

    def kill(self, process: Process) -> None:
        """Let nothing of `process` run any more, as SIGKILL does."""
        if process.alive:
            process.alive = False
            for action in process.at_death:
                action()

    # --- from tasks

    def block(self, timeout_s: float | None = None) -> bool:
        """Wait to be woken; False when `timeout_s` passed before."""
        task = self._current
        if task is None or self.over:
            raise Unwound
        if timeout_s is not None and timeout_s <= 0:
            self.give_way()
            return False
        task.blocked = True
        task.token += 1
        if timeout_s is not None:
            self._order += 1
            heapq.heappush(self._timers, (self.now + timeout_s, self._order, task, task.token))
        self._leave()
        return not task.timed_out

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.block(max(seconds, 0.0))

    def give_way(self) -> None:
        """Let others run, if the seed says so."""
        task = self._current
        if task is not None and not self.over:
            self._runnable.append(task)
            self._leave()

    def _leave(self) -> None:
        self._hub.switch()
        if self.over:
            raise Unwound

    # --- from the hub

    def run(self, seconds: float, *, until: Callable[[], bool] | None = None) -> bool:
        """Let `seconds` pass, or less when `until` (asked whenever time is about to pass) holds; whether it did."""
        end = self.now + seconds
        while True:
            self._run_tasks()
            if until is not None and until():
                return True
            if not self._timers or self._timers[0][0] > end:
                self.now = end
                return False
            self._next_moment()

    def _run_tasks(self) -> None:
        runnable, below = self._runnable, self.random.random
        steps = 0
        while runnable:
            steps += 1
            if steps > _MAX_STEPS_AT_ONCE:
                names = ", ".join(sorted({task.name for task in runnable}))
                raise Stuck(f"at {self.now:.3f} s tasks run on and on: {names}")
            index = int(below() * len(runnable))
            task = runnable[index]
            runnable[index] = runnable[-1]
            runnable.pop()
            process = task.process
            if not process.alive:
                continue
            if process.paused_until > self.now:
                process.stalled.append(task)
                continue
            self._step(task)

    def _step(self, task: Task) -> None:
        self._current = task
        try:
            task.greenlet.switch()
        except Exception as error:  # noqa: BLE001 - told to whoever runs the simulation
            self.failed.append((task, error))
        finally:
            self._current = None

    def _next_moment(self) -> None:
        at, _, what, token = heapq.heappop(self._timers)
        self.now = max(self.now, at)
        if not isinstance(what, Task):
            what()
        elif what.blocked and what.token == token:
            what.blocked = False
            what.timed_out = True
            self._runnable.append(what)

    def end(self) -> None:
        """Unwind every task that still waits; nothing of the run is left afterwards."""
        self.over = True
        for task in self.tasks:
            for _ in range(_UNWIND_TRIES):
                if task.greenlet.dead or not task.greenlet:
                    break
                self._current = task
                with contextlib.suppress(Exception):  # it ends, in whatever way
                    task.greenlet.throw(Unwound)
        self._current = None
        for task in self.tasks:  # a lock that somebody still holds on to must not hold on to all of the run
            task.forget()
        self.failed.clear()
        self.tasks.clear()
        self._timers.clear()
        self._runnable.clear()


def _nothing() -> None:
    """What is left of a task."""
