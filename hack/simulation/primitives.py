"""What `threading` offers, on a `Scheduler`: locks, conditions, events, semaphores, threads, all in virtual time.

Their methods are those of the originals.

A lock of the code under test is a place where another task may come first: that is where its races are.
"""

# ruff: noqa: D102 - what the methods mean stands in the documentation of threading

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from threading import get_ident
from typing import Any, Self

from hack.simulation.scheduler import Scheduler, Task, Unwound

#: How often taking a free lock lets another task run first.
_GIVE_WAY = 0.05
#: Locks of these packages are such places; elsewhere (urllib3, the API server) it would only cost time.
_UNDER_TEST = ("informers", "reconcilers", "dittofs_operator")


class Lock:
    """A `threading.Lock`, or with `reentrant` a `threading.RLock`."""

    __slots__ = ("_count", "_gives_way", "_owner", "_reentrant", "_scheduler", "_waiters")

    def __init__(self, scheduler: Scheduler, *, reentrant: bool = False, gives_way: bool = False) -> None:
        self._scheduler = scheduler
        self._reentrant = reentrant
        self._gives_way = gives_way
        self._owner: object = None
        self._count = 0
        self._waiters: list[Task] = []

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        scheduler = self._scheduler
        if scheduler.over and scheduler.current is not None:
            raise Unwound
        me: object = scheduler.current or scheduler
        if self._reentrant and self._owner is me:
            self._count += 1
            return True
        if self._gives_way and scheduler.current is not None and scheduler.random.random() < _GIVE_WAY:
            scheduler.give_way()
        deadline = scheduler.now + timeout
        while self._owner is not None:
            if not blocking:
                return False
            left = None if timeout < 0 else deadline - scheduler.now
            if left is not None and left <= 0:
                return False
            if scheduler.current is None:
                raise RuntimeError(f"a lock that {self._owner!r} holds is waited for outside of all tasks")
            task = scheduler.current
            self._waiters.append(task)
            if not scheduler.block(left) and task in self._waiters:
                self._waiters.remove(task)
        self._owner = me
        self._count = 1
        return True

    def release(self) -> None:
        if self._owner is None:
            if self._scheduler.over:
                return
            raise RuntimeError("release of a lock that nobody holds")
        self._count -= 1
        if self._count == 0:
            self._owner = None
            if self._waiters:
                waiters, self._waiters = self._waiters, []
                for task in waiters:
                    self._scheduler.wake(task)

    def locked(self) -> bool:
        return self._owner is not None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def is_mine(self) -> bool:
        """Whether the running task holds it."""
        return self._owner is (self._scheduler.current or self._scheduler)

    def release_all(self) -> int:
        """Let go however often it is held; gives how often."""
        count, self._count = self._count, 1
        self.release()
        return count

    def acquire_again(self, count: int) -> None:
        """Hold it as often as before `release_all`."""
        self.acquire()
        self._count = count


class Condition:
    """A `threading.Condition`."""

    __slots__ = ("_lock", "_scheduler", "_waiters", "acquire", "release")

    def __init__(self, scheduler: Scheduler, lock: Lock | None = None, *, gives_way: bool = False) -> None:
        self._scheduler = scheduler
        self._lock = lock or Lock(scheduler, reentrant=True, gives_way=gives_way)
        self._waiters: list[Task] = []
        self.acquire = self._lock.acquire
        self.release = self._lock.release

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        if not self._lock.is_mine():
            raise RuntimeError("wait without holding the condition's lock")
        task = self._scheduler.current
        if task is None:
            raise RuntimeError("a condition is waited for outside of all tasks")
        self._waiters.append(task)
        count = self._lock.release_all()
        try:
            notified = self._scheduler.block(timeout)
        finally:
            if task in self._waiters:
                self._waiters.remove(task)
            if not self._scheduler.over:
                self._lock.acquire_again(count)
        return notified

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        deadline = None if timeout is None else self._scheduler.now + timeout
        while not (result := predicate()):
            left = None if deadline is None else deadline - self._scheduler.now
            if left is not None and left <= 0:
                break
            self.wait(left)
        return result

    def notify(self, n: int = 1) -> None:
        if not self._lock.is_mine() and not self._scheduler.over:
            raise RuntimeError("notify without holding the condition's lock")
        woken, self._waiters = self._waiters[:n], self._waiters[n:]
        for task in woken:
            self._scheduler.wake(task)

    def notify_all(self) -> None:
        self.notify(len(self._waiters))


class Event:
    """A `threading.Event`."""

    __slots__ = ("_flag", "_scheduler", "_waiters")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._flag = False
        self._waiters: list[Task] = []

    def is_set(self) -> bool:
        return self._flag

    def set(self) -> None:
        self._flag = True
        waiters, self._waiters = self._waiters, []
        for task in waiters:
            self._scheduler.wake(task)

    def clear(self) -> None:
        self._flag = False

    def wait(self, timeout: float | None = None) -> bool:
        task = self._scheduler.current
        if not self._flag and task is not None:
            self._waiters.append(task)
            if not self._scheduler.block(timeout) and task in self._waiters:
                self._waiters.remove(task)
        return self._flag


class Semaphore:
    """A `threading.Semaphore`."""

    __slots__ = ("_condition", "_value")

    def __init__(self, scheduler: Scheduler, value: int = 1) -> None:
        self._condition = Condition(scheduler)
        self._value = value

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        with self._condition:
            free = self._value > 0 or (blocking and self._condition.wait_for(lambda: self._value > 0, timeout))
            self._value -= bool(free)
            return bool(free)

    def release(self, n: int = 1) -> None:
        with self._condition:
            self._value += n
            self._condition.notify(n)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Thread:
    """A `threading.Thread`."""

    def __init__(
        self,
        scheduler: Scheduler,
        target: Callable[..., Any],
        *,
        name: str = "",
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        daemon: bool | None = None,
    ) -> None:
        self._scheduler = scheduler
        self._target = target
        self._args = tuple(args)
        self._kwargs = dict(kwargs or {})
        self._task: Task | None = None
        self._ended = Event(scheduler)
        self.name = name or getattr(target, "__name__", "thread")
        self.daemon = bool(daemon)
        self.ident = len(scheduler.tasks) + 1

    def start(self) -> None:
        if self._task is not None:
            raise RuntimeError("threads can only be started once")
        self._task = self._scheduler.spawn(self._run, name=self.name)
        self._task.thread = self

    def is_alive(self) -> bool:
        return self._task is not None and not self._task.done

    def join(self, timeout: float | None = None) -> None:
        if self.is_alive():
            self._ended.wait(timeout)

    def _run(self) -> None:
        try:
            self._target(*self._args, **self._kwargs)
        finally:
            if self._task is not None:
                self._task.done = True
            self._ended.set()


class Local:
    """A `threading.local`: attributes of each task; threads that simulate nothing keep theirs, in `others`."""

    def __init__(self, scheduler: Scheduler, others: object) -> None:
        for name, value in (("scheduler", scheduler), ("others", others), ("thread", get_ident()), ("values", {})):
            object.__setattr__(self, f"_{name}", value)

    def __getattr__(self, name: str) -> Any:
        if get_ident() != self._thread:
            return getattr(self._others, name)
        try:
            return self._values[self._scheduler.current, name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        if get_ident() != self._thread:
            setattr(self._others, name, value)
        else:
            self._values[self._scheduler.current, name] = value


def is_under_test(depth: int = 2) -> bool:
    """Whether the code that asks for a lock, `depth` calls up, is what the simulation is about."""
    frame = sys._getframe(depth)  # noqa: SLF001 - there is no other way to ask
    module: str = frame.f_globals.get("__name__", "")
    return module.partition(".")[0] in _UNDER_TEST
