"""What we take of prometheus-client: its counters and its page, without its own HTTP servers.

Its `__init__` loads those, with much of the standard library that no start needs. The page is written by a module that
has them too, so that is loaded when the page is asked for.
"""

from __future__ import annotations

from bridge.process.imports import without_init

with without_init("prometheus_client"):
    from prometheus_client.metrics import Counter, Gauge, Histogram
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector, CollectorRegistry

__all__ = [
    "Collector",
    "CollectorRegistry",
    "Counter",
    "CounterMetricFamily",
    "Gauge",
    "GaugeMetricFamily",
    "Histogram",
    "Metric",
    "page",
]


def page(registry: CollectorRegistry) -> tuple[bytes, bytes]:
    """Content type and body of the text format. In a thread: what it loads at first takes a few milliseconds."""
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest  # noqa: PLC0415  # has its servers

    return CONTENT_TYPE_PLAIN_0_0_4.encode(), generate_latest(registry)
