"""Metrics whose values somebody else keeps: they are asked for when the page is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from bridge.observe.prometheus_parts import Collector, CounterMetricFamily, GaugeMetricFamily, Metric


class CountedElsewhere(Collector):
    """A counter. `name` is whole but for its `_total`."""

    def __init__(self, name: str, text: str, count: Callable[[], float]) -> None:
        self._name = name
        self._text = text
        self._count = count

    def collect(self) -> Iterator[Metric]:
        """The counter as it stands."""
        yield CounterMetricFamily(self._name, self._text, value=self._count())


class Facts(Collector):
    """A gauge that is 1 for what is so: a row of label values for each fact."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...], facts: Callable[[], Iterable[list[str]]]) -> None:
        self._name = name
        self._text = text
        self._labels = labels
        self._facts = facts

    def collect(self) -> Iterator[Metric]:
        """What is so now."""
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        for fact in self._facts():
            family.add_metric(fact, 1)
        yield family
