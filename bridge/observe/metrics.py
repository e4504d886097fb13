"""Prometheus metrics, counted from the events like every other view of the bridge.

Models, tools and the like are named by clients, so what can be a label has a bound (`LabelValues`), and with it the
page. It is made in a thread, one at a time: the counters have locks of their own, and nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import trio

from bridge.events.handlers import Handlers
from bridge.events.hub import Hub
from bridge.events.picture import REMOVED
from bridge.events.values import CircuitState, FailureReason, KeyState, Outcome
from bridge.events.vocabulary import (
    AttemptFailed,
    AttemptStarted,
    CircuitChanged,
    InterceptionEnded,
    InterceptionStarted,
    KeyChanged,
    PromptRecorded,
    ResponseStarted,
    TokensUsed,
    ToolCalled,
)
from bridge.events.wire import Envelope
from bridge.limits import HELD, LIMITS, READING
from bridge.observe.kept_elsewhere import CountedElsewhere, Facts
from bridge.observe.labels import Combinations, LabelValues
from bridge.observe.prometheus_parts import CollectorRegistry, SeriesCounter, SeriesGauge, SeriesHistogram, page
from bridge.providers.circuit_breaker import CIRCUIT_IS_OPEN
from bridge.value_classes import define

PREFIX = "clearspan"
CIRCUIT_LEVEL: dict[CircuitState, float] = {"closed": 0, "half_open": 0.5, "open": 1}
ATTEMPTS = (1, 2, 3, 4, 5, 10, 25)
EXHAUSTED_BY = {
    FailureReason.RATE_LIMITED: "rate_limited",
    FailureReason.QUOTA_EXHAUSTED: "rate_limited",
    FailureReason.UNAUTHORIZED: "auth_failed",
    FailureReason.FORBIDDEN: "auth_failed",
}
"""What became of a pool whose last key failed so, and whose failure the client got since no other was left."""
REFUSED_WITH = {429: "rate_limited", 502: "auth_failed"}
"""The same where the client was told in the bridge's own words."""
SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class CountedDumps(Protocol):
    """Who counts dumps; see `bridge.observe.dumps`."""

    @property
    def written(self) -> int: ...

    @property
    def failed(self) -> int: ...


@define
class Request:
    """An interception under way. `attempts` are those of its walk through the keys, `failure` is the last one's."""

    labels: tuple[str, str]
    caller: tuple[str, ...]
    """Provider, model, client and API."""
    of_pool: bool
    passed_through: bool
    attempts: int = 0
    failure: FailureReason | None = None


class Metrics:
    """A registry of its own, so that two bridges in one process do not count together.

    `server_name` tells an MCP server by its URL; the URL itself may hold a credential.
    """

    def __init__(self, hub: Hub, server_name: Callable[[str | None], str | None] = lambda _: None) -> None:
        self._hub = hub
        self._server_name = server_name
        self._registry = registry = CollectorRegistry()
        self._requests: dict[str, Request] = {}
        self._model_names = LabelValues()
        self._tool_names = LabelValues()
        self._clients = LabelValues()
        self._token_types = LabelValues()
        self._callers = Combinations(1)
        self._tools_of = Combinations(1, 2)
        self._turn = trio.CapacityLimiter(1)
        of_request = ("provider", "model")

        def counter(name: str, text: str, labels: tuple[str, ...] = of_request) -> SeriesCounter:
            return SeriesCounter(name, text, labels, namespace=PREFIX, registry=registry)

        self._interceptions = counter("interceptions", "Interceptions ended", (*of_request, "outcome", "client", "api"))
        self._inflight = SeriesGauge(
            "interceptions_inflight", "Interceptions running", of_request, namespace=PREFIX, registry=registry
        )
        self._duration = SeriesHistogram(
            "interceptions_duration_seconds",
            "From the request to the end of its answer",
            of_request,
            namespace=PREFIX,
            registry=registry,
            buckets=SECONDS,
        )
        self._first_byte = SeriesHistogram(
            "first_byte_seconds",
            "From the request to the answer's first byte",
            of_request,
            namespace=PREFIX,
            registry=registry,
            buckets=SECONDS,
        )
        self._prompts = counter("prompts", "Prompts recorded")
        self._tokens = counter("tokens", "Tokens by type", (*of_request, "type", "client"))
        self._own_tools = counter(
            "non_injected_tool_selections", "Tool calls left to the client", (*of_request, "tool")
        )
        self._injected = counter(
            "injected_tool_invocations", "Tool calls made by the bridge", (*of_request, "server", "tool")
        )
        self._failovers = counter("key_failovers", "Attempts after one that failed")
        self._exhaustions = counter(
            "key_pool_exhaustions", "Requests that no key was left for", ("provider", "outcome")
        )
        self._walks = SeriesHistogram(
            "key_pool_failover_attempts",
            "Attempts that a walk through the keys took",
            ("provider",),
            namespace=PREFIX,
            registry=registry,
            buckets=ATTEMPTS,
        )
        self._key_state = SeriesGauge(
            "key_state",
            "1 for the state a key is in",
            ("provider", "key", "state"),
            namespace=PREFIX,
            registry=registry,
        )
        of_circuit = ("provider", "endpoint", "model")
        self._circuit = SeriesGauge(
            "circuit_breaker_state",
            "0 closed, 0.5 half open, 1 open",
            of_circuit,
            namespace=PREFIX,
            registry=registry,
        )
        self._trips = counter("circuit_breaker_trips", "Circuits opened", of_circuit)
        self._rejects = counter("circuit_breaker_rejects", "Requests turned away by an open circuit")
        self._passthrough = counter("passthrough", "Requests passed through", ("provider",))
        self._subscribers = SeriesGauge("event_subscribers", "Subscribers now", namespace=PREFIX, registry=registry)
        self._subscribers.set_function(lambda: hub.subscribers)
        registry.register(
            CountedElsewhere(f"{PREFIX}_events_dropped", "Events lost by slow subscribers", lambda: hub.events_dropped)
        )
        self._reloaded = SeriesGauge(
            "config_last_reload_success",
            "Whether the configuration was taken over",
            namespace=PREFIX,
            registry=registry,
        )
        self._reloaded_at = SeriesGauge(
            "config_last_reload_timestamp_seconds",
            "When the configuration was read last",
            namespace=PREFIX,
            registry=registry,
        )
        self.note_reload(success=True)
        total = SeriesGauge(
            "budget_bytes", "What a shared budget has", ("budget",), namespace=PREFIX, registry=registry
        )
        used = SeriesGauge(
            "budget_used_bytes", "What of it is in use", ("budget",), namespace=PREFIX, registry=registry
        )
        for name, size, use in _budgets(hub):
            total.labels(name).set(size)
            used.labels(name).set_function(use)

    def count_dumps(self, dumps: CountedDumps) -> None:
        """Shows how many attempts were dumped, and how many could not be."""
        counters = (
            CountedElsewhere(f"{PREFIX}_dumps", "Attempts that were dumped", lambda: dumps.written),
            CountedElsewhere(f"{PREFIX}_dumps_failed", "Attempts that could not be dumped", lambda: dumps.failed),
        )
        for counter in counters:
            self._registry.register(counter)

    def show_journal(self, size: Callable[[], float]) -> None:
        """Shows how many bytes the record's journal takes."""
        text = "What the record's write-ahead log takes on the disk"
        SeriesGauge("record_journal_bytes", text, namespace=PREFIX, registry=self._registry).set_function(size)

    def show_providers(self, kinds: Callable[[], Iterable[tuple[str, str]]]) -> None:
        """Shows which providers there are, each with its kind."""
        facts = Facts(
            f"{PREFIX}_provider_info",
            "1 for each provider",
            ("provider", "type"),
            lambda: [[name, kind] for name, kind in kinds()],
        )
        self._registry.register(facts)

    def note_reload(self, *, success: bool) -> None:
        """The configuration was read, and taken over or refused."""
        self._reloaded.set(success)
        self._reloaded_at.set_to_current_time()

    async def page(self) -> tuple[bytes, bytes]:
        """Content type and body of `/metrics`."""
        return await trio.to_thread.run_sync(page, self._registry, limiter=self._turn)

    _counts = Handlers()

    def count(self, envelope: Envelope) -> None:
        """Takes an event in. Most are not counted."""
        counts = self._counts.get(type(envelope.event))
        if counts is not None:
            counts(self, envelope.event)

    @_counts.of(InterceptionStarted)
    def _count_started(self, event: InterceptionStarted) -> None:
        labels = (event.provider, self._model_names.bounded(event.model or ""))
        caller = self._callers.bounded(*labels, self._clients.bounded(event.client), event.api)
        of_pool = event.credential.kind == "centralized"
        self._requests[event.id] = Request(labels, caller, of_pool, event.passed_through)
        self._inflight.labels(*labels).inc()
        if event.passed_through:
            self._passthrough.labels(event.provider).inc()

    @_counts.of(InterceptionEnded)
    def _count_ended(self, event: InterceptionEnded) -> None:
        request = self._requests.pop(event.id)
        provider, model, client, api = request.caller
        self._inflight.labels(*request.labels).dec()
        self._interceptions.labels(provider, model, event.outcome.value, client, api).inc()
        self._duration.labels(*request.labels).observe(event.duration_ms / 1000)
        if event.outcome is Outcome.REJECTED and event.error == CIRCUIT_IS_OPEN:
            self._rejects.labels(*request.labels).inc()
        if event.first_byte_ms is not None:
            self._first_byte.labels(*request.labels).observe(event.first_byte_ms / 1000)
        self._end_walk(request)
        if request.of_pool and event.outcome is Outcome.REJECTED and event.status in REFUSED_WITH:
            self._exhaustions.labels(provider, REFUSED_WITH[event.status]).inc()

    @_counts.of(AttemptStarted)
    def _count_attempt_started(self, event: AttemptStarted) -> None:
        request = self._requests[event.id]
        if request.failure is not None:
            self._failovers.labels(*request.labels).inc()
        request.attempts, request.failure = request.attempts + 1, None

    @_counts.of(AttemptFailed)
    def _count_attempt_failed(self, event: AttemptFailed) -> None:
        self._requests[event.id].failure = event.reason

    @_counts.of(ResponseStarted)
    def _count_response_started(self, event: ResponseStarted) -> None:
        request = self._requests[event.id]
        outcome = None if request.failure is None else EXHAUSTED_BY.get(request.failure)
        if outcome is not None and not request.passed_through:  # whose body may be too large to be sent again
            self._exhaustions.labels(request.labels[0], outcome).inc()
        self._end_walk(request)

    @_counts.of(PromptRecorded)
    def _count_prompt_recorded(self, event: PromptRecorded) -> None:
        self._prompts.labels(*self._requests[event.id].labels).inc()

    @_counts.of(ToolCalled)
    def _count_tool_called(self, event: ToolCalled) -> None:
        provider, model = self._requests[event.id].labels
        labels = self._tools_of.bounded(provider, model, self._tool_names.bounded(event.tool))
        if event.injected:
            self._injected.labels(*labels[:2], self._server_name(event.server_url) or "", labels[2]).inc()
        else:
            self._own_tools.labels(*labels).inc()

    @_counts.of(TokensUsed)
    def _count_tokens_used(self, event: TokensUsed) -> None:
        provider, model, client, _ = self._requests[event.id].caller
        for name in ("input", "output", "cache_read_input", "cache_write_input"):
            self._tokens.labels(provider, model, name, client).inc(getattr(event, name))
        for name, count in event.extra.items():
            if count > 0:
                self._tokens.labels(provider, model, self._token_types.bounded(name), client).inc(count)

    @_counts.of(CircuitChanged)
    def _count_circuit_changed(self, event: CircuitChanged) -> None:
        labels = (event.provider, event.endpoint, self._model_names.bounded(event.model or ""))
        self._circuit.labels(*labels).set(CIRCUIT_LEVEL[event.state])
        if event.state == "open":
            self._trips.labels(*labels).inc()

    @_counts.of(KeyChanged)
    def _count_key_changed(self, event: KeyChanged) -> None:
        for state in KeyState:
            if event.reason == REMOVED:  # a gauge of what is no more would be a wrong figure
                self._key_state.remove(event.provider, event.key, state.value)
                continue
            self._key_state.labels(event.provider, event.key, state.value).set(state is event.state)

    def _end_walk(self, request: Request) -> None:
        if request.of_pool and request.attempts:
            self._walks.labels(request.labels[0]).observe(request.attempts)
        request.attempts, request.failure = 0, None


def _budgets(hub: Hub) -> Iterator[tuple[str, int, Callable[[], float]]]:
    """The budgets that many share: name, size, and what is in use."""
    yield "reading", READING.total, lambda: READING.used
    yield "held_events", HELD.total, lambda: HELD.used
    yield "picture", LIMITS.picture_bytes, lambda: hub.picture.size
    yield "queues", LIMITS.queues_bytes, lambda: hub.queues.size
    yield "snapshots", LIMITS.snapshots_bytes, lambda: hub.snapshots.size
