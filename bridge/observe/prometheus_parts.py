"""What we take of prometheus-client: its counters and its page, without its own HTTP servers.

Its `__init__` loads those, with much of the standard library that no start needs. The page is written by a module that
has them too, so that is loaded when the page is asked for.
"""

from __future__ import annotations

from typing import Any, Self

from bridge.process.imports import without_init

with without_init("prometheus_client"):
    from prometheus_client import metrics
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector, CollectorRegistry

__all__ = [
    "Collector",
    "CollectorRegistry",
    "CounterMetricFamily",
    "GaugeMetricFamily",
    "Metric",
    "SeriesCounter",
    "SeriesGauge",
    "SeriesHistogram",
    "page",
]


class _Remembered(metrics.MetricWrapperBase):
    """Remembers its series by their labels, which are to be texts: the library makes such of them and takes a lock each
    time, and a request counts in a dozen."""

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self._series: dict[tuple[object, ...], Self] = {}

    def labels(self, *labelvalues: object, **labelkwargs: object) -> Self:
        """The series of these values."""
        if labelkwargs:
            return super().labels(*labelvalues, **labelkwargs)
        series = self._series.get(labelvalues)
        if series is None:
            series = self._series[labelvalues] = super().labels(*labelvalues)
        return series

    def remove(self, *labelvalues: object) -> None:
        """Forgets the series of these values."""
        self._series.pop(labelvalues, None)
        super().remove(*labelvalues)

    def remove_by_labels(self, labels: dict[str, str]) -> None:
        """Forgets the series with these values among others."""
        self._series.clear()
        super().remove_by_labels(labels)

    def clear(self) -> None:
        """Forgets all series."""
        self._series.clear()
        super().clear()


class SeriesCounter(_Remembered, metrics.Counter):
    """A number that grows."""


class SeriesGauge(_Remembered, metrics.Gauge):
    """A number that is what it is."""


class SeriesHistogram(_Remembered, metrics.Histogram):
    """How often values were in which ranges."""


def page(registry: CollectorRegistry) -> tuple[bytes, bytes]:
    """Content type and body of the text format. In a thread: what it loads at first takes a few milliseconds."""
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest  # noqa: PLC0415  # has its servers

    return CONTENT_TYPE_PLAIN_0_0_4.encode(), generate_latest(registry)
