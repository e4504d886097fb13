"""Prometheus metrics, counted from the events like every other view of the bridge.

Models, tools and the like are named by clients, so what can be a label has a bound (`LabelValues`), and with it the
page. It is made in a thread, one at a time: the counters have locks of their own, and nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import singledispatchmethod
from typing import Protocol

import trio
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from bridge.events.hub import Hub
from bridge.events.values import CircuitState, KeyState, Outcome
from bridge.events.vocabulary import (
    AttemptStarted,
    CircuitChanged,
    Event,
    InterceptionEnded,
    InterceptionStarted,
    KeyChanged,
    PromptRecorded,
    TokensUsed,
    ToolCalled,
)
from bridge.events.wire import Envelope
from bridge.limits import HELD, LIMITS, READING
from bridge.providers.circuit_breaker import CIRCUIT_IS_OPEN

PREFIX = "clearspan"
CIRCUIT_LEVEL: dict[CircuitState, int] = {"closed": 0, "half_open": 1, "open": 2}
SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


OTHER = "other"
"""What stands for every value of a label beyond those that are counted by themselves."""

ESCAPED = str.maketrans({"\\": "__", '"': "__", "\n": "__"})
"""As many characters as the page needs for them."""


class LabelValues:
    """The values of one label: the first so many, each cut to so many characters; all further ones are `other`."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._size = 0

    def bounded(self, value: str) -> str:
        """The value as a label has it."""
        value = value[: LIMITS.label_characters]
        if value in self._known:
            return value
        size = len(value.translate(ESCAPED).encode("utf-8", "replace"))
        if len(self._known) >= LIMITS.label_values or self._size + size > LIMITS.label_bytes:
            return OTHER
        self._known.add(value)
        self._size += size
        return value


class CountedDumps(Protocol):
    """Who counts dumps; see `bridge.observe.dumps`."""

    @property
    def written(self) -> int: ...

    @property
    def failed(self) -> int: ...


class CountedElsewhere(Collector):
    """A counter whose value somebody else keeps."""

    def __init__(self, name: str, text: str, count: Callable[[], float]) -> None:
        self._name = f"{PREFIX}_{name}"
        self._text = text
        self._count = count

    def collect(self) -> Iterator[Metric]:
        """The counter as it stands."""
        yield CounterMetricFamily(self._name, self._text, value=self._count())


class Metrics:
    """A registry of its own, so that two bridges in one process do not count together."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._registry = registry = CollectorRegistry()
        self._models: dict[str, tuple[str, str]] = {}
        self._model_names = LabelValues()
        self._tool_names = LabelValues()
        self._tools_of: set[tuple[str, str, str]] = set()
        self._turn = trio.CapacityLimiter(1)
        of_request = ("provider", "model")

        def counter(name: str, text: str, labels: tuple[str, ...] = of_request) -> Counter:
            return Counter(name, text, labels, namespace=PREFIX, registry=registry)

        self._interceptions = counter("interceptions", "Interceptions ended", (*of_request, "outcome"))
        self._inflight = Gauge(
            "interceptions_inflight", "Interceptions running", of_request, namespace=PREFIX, registry=registry
        )
        self._duration = Histogram(
            "interceptions_duration_seconds",
            "From the request to the end of its answer",
            of_request,
            namespace=PREFIX,
            registry=registry,
            buckets=SECONDS,
        )
        self._first_byte = Histogram(
            "first_byte_seconds",
            "From the request to the answer's first byte",
            of_request,
            namespace=PREFIX,
            registry=registry,
            buckets=SECONDS,
        )
        self._prompts = counter("prompts", "Prompts recorded")
        self._tokens = counter("tokens", "Tokens by type", (*of_request, "type"))
        self._own_tools = counter(
            "non_injected_tool_selections", "Tool calls left to the client", (*of_request, "tool")
        )
        self._injected = counter("injected_tool_invocations", "Tool calls made by the bridge", (*of_request, "tool"))
        self._failovers = counter("key_failovers", "Attempts after the first")
        self._key_state = Gauge(
            "key_state",
            "1 for the state a key is in",
            ("provider", "key", "state"),
            namespace=PREFIX,
            registry=registry,
        )
        of_circuit = ("provider", "endpoint", "model")
        self._circuit = Gauge(
            "circuit_breaker_state",
            "0 closed, 1 half open, 2 open",
            of_circuit,
            namespace=PREFIX,
            registry=registry,
        )
        self._trips = counter("circuit_breaker_trips", "Circuits opened", of_circuit)
        self._rejects = counter("circuit_breaker_rejects", "Requests turned away by an open circuit")
        self._passthrough = counter("passthrough", "Requests passed through", ("provider",))
        self._subscribers = Gauge("event_subscribers", "Subscribers now", namespace=PREFIX, registry=registry)
        self._subscribers.set_function(lambda: hub.subscribers)
        registry.register(
            CountedElsewhere("events_dropped", "Events lost by slow subscribers", lambda: hub.events_dropped)
        )
        total = Gauge("budget_bytes", "What a shared budget has", ("budget",), namespace=PREFIX, registry=registry)
        used = Gauge("budget_used_bytes", "What of it is in use", ("budget",), namespace=PREFIX, registry=registry)
        for name, size, use in _budgets(hub):
            total.labels(name).set(size)
            used.labels(name).set_function(use)

    def count_dumps(self, dumps: CountedDumps) -> None:
        """Shows how many attempts were dumped, and how many could not be."""
        counters = (
            CountedElsewhere("dumps", "Attempts that were dumped", lambda: dumps.written),
            CountedElsewhere("dumps_failed", "Attempts that could not be dumped", lambda: dumps.failed),
        )
        for counter in counters:
            self._registry.register(counter)

    async def page(self) -> tuple[bytes, bytes]:
        """Content type and body of `/metrics`."""
        body = await trio.to_thread.run_sync(generate_latest, self._registry, limiter=self._turn)
        return CONTENT_TYPE_PLAIN_0_0_4.encode(), body

    def count(self, envelope: Envelope) -> None:
        """Takes an event in."""
        self._count(envelope.event)

    @singledispatchmethod
    def _count(self, event: Event) -> None:
        """Most events are not counted."""

    @_count.register
    def _(self, event: InterceptionStarted) -> None:
        self._models[event.id] = labels = (event.provider, self._model_names.bounded(event.model or ""))
        self._inflight.labels(*labels).inc()
        if event.passed_through:
            self._passthrough.labels(event.provider).inc()

    @_count.register
    def _(self, event: InterceptionEnded) -> None:
        labels = self._models.pop(event.id)
        self._inflight.labels(*labels).dec()
        self._interceptions.labels(*labels, event.outcome.value).inc()
        self._duration.labels(*labels).observe(event.duration_ms / 1000)
        if event.outcome is Outcome.REJECTED and event.error == CIRCUIT_IS_OPEN:
            self._rejects.labels(*labels).inc()
        if event.first_byte_ms is not None:
            self._first_byte.labels(*labels).observe(event.first_byte_ms / 1000)

    @_count.register
    def _(self, event: AttemptStarted) -> None:
        if event.attempt > 1:
            self._failovers.labels(*self._models[event.id]).inc()

    @_count.register
    def _(self, event: PromptRecorded) -> None:
        self._prompts.labels(*self._models[event.id]).inc()

    @_count.register
    def _(self, event: ToolCalled) -> None:
        counter = self._injected if event.injected else self._own_tools
        counter.labels(*self._tool_labels(*self._models[event.id], self._tool_names.bounded(event.tool))).inc()

    @_count.register
    def _(self, event: TokensUsed) -> None:
        labels = self._models[event.id]
        for name in ("input", "output", "cache_read_input", "cache_write_input"):
            self._tokens.labels(*labels, name).inc(getattr(event, name))

    @_count.register
    def _(self, event: CircuitChanged) -> None:
        labels = (event.provider, event.endpoint, self._model_names.bounded(event.model or ""))
        self._circuit.labels(*labels).set(CIRCUIT_LEVEL[event.state])
        if event.state == "open":
            self._trips.labels(*labels).inc()

    @_count.register
    def _(self, event: KeyChanged) -> None:
        for state in KeyState:
            self._key_state.labels(event.provider, event.key, state.value).set(state is event.state)

    def _tool_labels(self, provider: str, model: str, tool: str) -> tuple[str, str, str]:
        """A model's tool; of too many pairs of both, the further ones are `other`."""
        labels = (provider, model, tool)
        if labels not in self._tools_of:
            if len(self._tools_of) >= LIMITS.label_pairs:
                return (provider, OTHER, OTHER)
            self._tools_of.add(labels)
        return labels


def _budgets(hub: Hub) -> Iterator[tuple[str, int, Callable[[], float]]]:
    """The budgets that many share: name, size, and what is in use."""
    yield "reading", READING.total, lambda: READING.used
    yield "held_events", HELD.total, lambda: HELD.used
    yield "picture", LIMITS.picture_bytes, lambda: hub.picture.size
    yield "queues", LIMITS.queues_bytes, lambda: hub.queues.size
    yield "snapshots", LIMITS.snapshots_bytes, lambda: hub.snapshots.size
