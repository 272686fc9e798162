"""Every metric of this layer, with the names, labels and buckets of controller-runtime and client-go.

Dashboards and alerts made for controller-runtime work unchanged. All objects hang on the registry that is given in;
each part of the layer gets a small object that already knows its labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from informers.clock import Clock
from informers.informer_metrics import InformerMetrics, InformerSeries
from informers.queue_metrics import Depth, QueueDepths
from informers.resource import Resource

RECONCILE_BUCKETS_S = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0,
    1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
)  # fmt: skip
QUEUE_BUCKETS_S = tuple(10.0**exponent for exponent in range(-8, 4))
RESULTS = ("success", "error", "requeue", "requeue_after")


class Metrics:
    """The metric objects; build one per registry, hand its parts to whoever reports."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # The client library adds a *_created series to each counter and histogram, which controller-runtime lacks.
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library left out its annotations
        self.registry = registry
        by_controller, by_queue = ["controller"], ["name", "controller"]

        def counter(name: str, text: str, labels: list[str]) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str, labels: list[str]) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        def histogram(name: str, text: str, labels: list[str], buckets: tuple[float, ...]) -> Histogram:
            return Histogram(name, text, labels, buckets=buckets, registry=registry)

        self.reconcile_total = counter(
            "controller_runtime_reconcile_total", "Reconciles by result.", [*by_controller, "result"]
        )
        self.reconcile_errors_total = counter(
            "controller_runtime_reconcile_errors_total", "Reconciles that failed.", by_controller
        )
        self.terminal_reconcile_errors_total = counter(
            "controller_runtime_terminal_reconcile_errors_total", "Failures that no retry can help.", by_controller
        )
        self.reconcile_panics_total = counter(
            "controller_runtime_reconcile_panics_total",
            "Reconciles that raised an unforeseen exception.",
            by_controller,
        )
        self.reconcile_timeouts_total = counter(
            "controller_runtime_reconcile_timeouts_total", "Reconciles that took all of their time.", by_controller
        )
        self.own_write_waits_total = counter(
            "controller_own_write_waits_total",
            "Reconciles put off until earlier writes are seen.",
            by_controller,
        )
        self.own_writes_unseen_total = counter(
            "controller_own_writes_unseen_total", "Reconciles begun although such a wait was in vain.", by_controller
        )
        self.reconcile_time_seconds = histogram(
            "controller_runtime_reconcile_time_seconds", "Duration of a reconcile.", by_controller, RECONCILE_BUCKETS_S
        )
        self.max_concurrent_reconciles = gauge(
            "controller_runtime_max_concurrent_reconciles", "Workers of a controller.", by_controller
        )
        self.active_workers = gauge("controller_runtime_active_workers", "Workers in a reconcile now.", by_controller)

        self.queue_depths = QueueDepths()
        registry.register(self.queue_depths)
        self.queue_adds_total = counter("workqueue_adds_total", "Keys that became queued.", by_queue)
        self.queue_retries_total = counter("workqueue_retries_total", "Keys added with a delay.", by_queue)
        self.queue_duration_seconds = histogram(
            "workqueue_queue_duration_seconds", "Time from being queued to being handed out.", by_queue, QUEUE_BUCKETS_S
        )
        self.queue_work_duration_seconds = histogram(
            "workqueue_work_duration_seconds", "Time from being handed out to being done.", by_queue, QUEUE_BUCKETS_S
        )
        self.queue_unfinished_work_seconds = gauge(
            "workqueue_unfinished_work_seconds", "Work in progress, summed over the keys in work.", by_queue
        )
        self.queue_longest_running_seconds = gauge(
            "workqueue_longest_running_processor_seconds", "Age of the longest work in progress.", by_queue
        )

        self.leader_election_master_status = gauge(
            "leader_election_master_status", "1 while this process is the leader.", ["name"]
        )
        self.leader_election_slowpath_total = counter(
            "leader_election_slowpath_total", "Renewals that needed to read the lease first.", ["name"]
        )
        self.rest_client_requests_total = counter(
            "rest_client_requests_total", "Requests to the API server by answer.", ["code", "method", "host"]
        )
        self.events_dropped_total = counter(
            "event_recorder_dropped_total", "Events that were not written, by reason.", ["reason"]
        )

        self.informers = InformerSeries(registry)

    def request(self, code: str, method: str, host: str) -> None:
        """Count a request to the API server; `code` is the HTTP status, or `<error>` when no answer came."""
        self.rest_client_requests_total.labels(code=code, method=method, host=host).inc()

    def event_dropped(self, reason: str) -> None:
        """Count an event that was not written."""
        self.events_dropped_total.labels(reason=reason).inc()

    def queue(self, name: str) -> QueueMetrics:
        """What the work queue of the controller `name` reports to."""
        return QueueMetrics(self, name)

    def controller(self, name: str, *, workers: int, clock: Clock) -> ControllerMetrics:
        """What the controller `name` reports to; all of its series exist from now on."""
        return ControllerMetrics(self, name, workers=workers, clock=clock)

    def lease(self, name: str) -> LeaseMetrics:
        """What the elector for the lease `name` reports to."""
        return LeaseMetrics(self, name)

    def informer(self, resource: Resource) -> InformerMetrics:
        """What the informer of `resource` reports to."""
        return InformerMetrics(self.informers, resource)


class QueueMetrics:
    """`informers.queue_metrics.QueueObserver` for one queue."""

    def __init__(self, metrics: Metrics, name: str) -> None:
        labels = {"name": name, "controller": name}
        self._adds = metrics.queue_adds_total.labels(**labels)
        self._retries = metrics.queue_retries_total.labels(**labels)
        self._queue_duration = metrics.queue_duration_seconds.labels(**labels)
        self._work_duration = metrics.queue_work_duration_seconds.labels(**labels)
        self._name, self._depths = name, metrics.queue_depths
        self._unfinished = metrics.queue_unfinished_work_seconds.labels(**labels)
        self._longest = metrics.queue_longest_running_seconds.labels(**labels)

    def observe(self, *, depth: Depth, unfinished_s: Callable[[], float], longest_s: Callable[[], float]) -> None:
        """Read the gauges through these functions at each scrape."""
        self._depths.observe(self._name, depth)
        self._unfinished.set_function(unfinished_s)
        self._longest.set_function(longest_s)

    def added(self) -> None:
        """A key became queued."""
        self._adds.inc()

    def retried(self) -> None:
        """A key was added with a delay."""
        self._retries.inc()

    def handed_out(self, queued_s: float) -> None:
        """A key was handed out after `queued_s` seconds in the queue."""
        self._queue_duration.observe(queued_s)

    def finished(self, worked_s: float) -> None:
        """A key was done after `worked_s` seconds of work."""
        self._work_duration.observe(worked_s)


class ControllerMetrics:
    """What one controller reports."""

    def __init__(self, metrics: Metrics, name: str, *, workers: int, clock: Clock) -> None:
        self._clock = clock
        self._results = {result: metrics.reconcile_total.labels(controller=name, result=result) for result in RESULTS}
        self._errors = metrics.reconcile_errors_total.labels(controller=name)
        self._terminal = metrics.terminal_reconcile_errors_total.labels(controller=name)
        self._panics = metrics.reconcile_panics_total.labels(controller=name)
        self._timeouts = metrics.reconcile_timeouts_total.labels(controller=name)
        self._waits = metrics.own_write_waits_total.labels(controller=name)
        self._unseen = metrics.own_writes_unseen_total.labels(controller=name)
        self._time = metrics.reconcile_time_seconds.labels(controller=name)
        self._active = metrics.active_workers.labels(controller=name)
        metrics.max_concurrent_reconciles.labels(controller=name).set(workers)

    @contextmanager
    def reconcile(self) -> Iterator[None]:
        """Around one reconcile: an active worker, and its duration."""
        started = self._clock.monotonic()
        self._active.inc()
        try:
            yield
        finally:
            self._active.dec()
            self._time.observe(self._clock.monotonic() - started)

    def succeeded(self) -> None:
        """A reconcile ended with `Done`."""
        self._results["success"].inc()

    def requeued(self, *, after: bool) -> None:
        """A reconcile asked to be called again, after a time it gave or with back-off."""
        self._results["requeue_after" if after else "requeue"].inc()

    def failed(self, *, terminal: bool = False, raised: bool = False) -> None:
        """A reconcile failed: for good when `terminal`, with an unforeseen exception when `raised`."""
        self._results["error"].inc()
        self._errors.inc()
        if terminal:
            self._terminal.inc()
        if raised:
            self._panics.inc()

    def timed_out(self) -> None:
        """A reconcile took all of its time."""
        self._timeouts.inc()

    def deferred(self) -> None:
        """A reconcile is put off: the writes of the one before were not seen yet."""
        self._waits.inc()

    def unseen(self) -> None:
        """A reconcile begins although the writes of the one before were not seen in time."""
        self._unseen.inc()


class LeaseMetrics:
    """What one elector reports."""

    def __init__(self, metrics: Metrics, name: str) -> None:
        self._status = metrics.leader_election_master_status.labels(name=name)
        self._slow_path = metrics.leader_election_slowpath_total.labels(name=name)

    def observe(self, leading: Callable[[], bool]) -> None:
        """Read the status through this function at each scrape."""
        self._status.set_function(leading)

    def slow_path(self) -> None:
        """A renewal with the remembered record failed, so the lease is read first."""
        self._slow_path.inc()
