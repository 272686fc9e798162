"""The metrics of informers: how much each holds, how fresh it is, and what was not told or not taken."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from informers.resource import Resource


class InformerSeries:
    """The metric objects of all informers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, labels: list[str]) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str, labels: list[str]) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        of_resource = ["group", "version", "resource"]
        self.objects = gauge("informer_objects", "Objects in the store of an informer.", of_resource)
        self.bytes = gauge("informer_bytes", "Bytes of JSON that the store of an informer holds.", of_resource)
        self.queued_items = gauge(
            "informer_queued_items", "Objects of which something waits for a handler, over all handlers.", of_resource
        )
        self.coalesced_events_total = counter(
            "informer_coalesced_events_total", "Events not told, since later ones tell the same.", of_resource
        )
        self.handler_failures_total = counter(
            "informer_handler_failures_total", "Events on which a handler raised.", of_resource
        )
        self.last_event_age_seconds = gauge(
            "informer_last_event_age_seconds",
            "Time since the API server last told of the collection: a list, an event, a bookmark, an accepted watch.",
            of_resource,
        )
        self.left_out_total = counter(
            "informer_left_out_total",
            "What the API server sent and the informer could not take, by reason.",
            [*of_resource, "reason"],
        )


class InformerMetrics:
    """What one informer reports."""

    def __init__(self, series: InformerSeries, resource: Resource) -> None:
        labels = {"group": resource.group, "version": resource.version, "resource": resource.plural}
        self._objects = series.objects.labels(**labels)
        self._size = series.bytes.labels(**labels)
        self._waiting = series.queued_items.labels(**labels)
        self._age = series.last_event_age_seconds.labels(**labels)
        self._coalesced = series.coalesced_events_total.labels(**labels)
        self._handler_failures = series.handler_failures_total.labels(**labels)
        self._left_out, self._labels = series.left_out_total, labels

    def observe(
        self,
        *,
        objects: Callable[[], float],
        size: Callable[[], float],
        waiting: Callable[[], float],
        last_event_age_s: Callable[[], float],
    ) -> None:
        """Read the gauges through these functions at each scrape."""
        self._objects.set_function(objects)
        self._size.set_function(size)
        self._waiting.set_function(waiting)
        self._age.set_function(last_event_age_s)

    def left_out(self, reason: str) -> None:
        """Something that the API server sent could not be taken."""
        self._left_out.labels(**self._labels, reason=reason).inc()

    def coalesced(self, events: int) -> None:
        """So many events were not told."""
        self._coalesced.inc(events)

    def handler_failed(self) -> None:
        """A handler raised."""
        self._handler_failures.inc()
