"""Spans of interceptions, as a fold over what is told of them: explicit times, and no clock.

```
Intercept                         from the request's head to the end
  Intercept.CreateInterceptor     until it is read
  Intercept.ProcessRequest        from there to the end
    ....Upstream                  each attempt
    ....ToolCall                  each injected call
  Intercept.Record...             each write of the record, which may come after the end
Passthrough                       a request that is not read
```
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import Protocol, TypeVar

from attrs import field
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from bridge.events.values import ErrorType, Outcome
from bridge.events.vocabulary import (
    AttemptFailed,
    AttemptStarted,
    Event,
    InterceptionEnded,
    InterceptionStarted,
    ModelServed,
    ResponseStarted,
    TokensUsed,
    ToolCalled,
)
from bridge.events.wire import Envelope
from bridge.limits import LIMITS
from bridge.observe.traces.attributes import Attributes, base, known, usage, usage_of
from bridge.observe.traces.told import Arrived, Traceable, Written
from bridge.value_classes import define

ROOT = "Intercept"
CREATE = f"{ROOT}.CreateInterceptor"
PROCESS = f"{ROOT}.ProcessRequest"
UPSTREAM = f"{PROCESS}.Upstream"
TOOL_CALL = f"{PROCESS}.ToolCall"
PASSTHROUGH = "Passthrough"
NO_ANSWER = "no answer"
NOT_UNDERSTOOD = frozenset({ErrorType.BAD_REQUEST})
NOT_IMPLEMENTED = 501
MILLISECOND = 1_000_000
LATE_NS = 100 * MILLISECOND

Value = TypeVar("Value")

propagator = TraceContextTextMapPropagator()


class RequestPlaces(Protocol):
    """Who knows where requests go, and tools are."""

    def kind(self, provider: str) -> str | None:
        """What kind of provider that is."""

    def upstream_url(self, provider: str, path: str) -> str | None:
        """Where a request with that path is passed on to."""

    def server(self, url: str | None) -> str | None:
        """The name of the MCP server that is there."""


def nanoseconds(at: datetime) -> int:
    """A time of the wall clock as spans have it."""
    return round(at.timestamp() * 1000) * MILLISECOND


def fail(span: Span, error: str) -> None:
    """Marks a span as failed."""
    span.set_status(Status(StatusCode.ERROR, error))


@define
class TracedAttempt:
    """An attempt under way."""

    span: Span
    status: int | None = None
    reason: str | None = None
    failed_ns: int | None = None


@define
class Tree:
    """The spans of an interception under way."""

    root: Span
    base: Attributes
    began_ns: int
    passed_through: bool
    last_ns: int
    """When something was last told."""
    process: Span | None = None
    attempt: TracedAttempt | None = None
    used: list[int] = field(factory=lambda: [0, 0, 0, 0])


class SpanTrees:
    """All interceptions under way, and what may still be written of those that have ended."""

    def __init__(self, tracer: Tracer, places: RequestPlaces) -> None:
        self._tracer = tracer
        self._places = places
        self._arrived: OrderedDict[str, Arrived] = OrderedDict()
        self._trees: OrderedDict[str, Tree] = OrderedDict()
        self._ended: OrderedDict[str, Tree] = OrderedDict()

    def take(self, told: Traceable) -> None:
        """Takes in what is told next."""
        match told:
            case Arrived():
                _keep(self._arrived, told.id, told)
            case Written():
                self._written(told)
            case Envelope(at=at, event=InterceptionStarted() as event):
                self._start(event, nanoseconds(at))
            case Envelope(at=at, event=event):
                tree = self._trees.get(getattr(event, "id", ""))
                if tree is not None:
                    self._go_on(tree, event, nanoseconds(at))
                    tree.last_ns = nanoseconds(at)

    def end(self) -> None:
        """Ends what is under way: nothing more will be told."""
        for tree in self._trees.values():
            tree.root.end(tree.last_ns)
        self._trees.clear()

    def _start(self, event: InterceptionStarted, at: int) -> None:
        arrived = self._arrived.pop(event.id, None) or Arrived(event.id, at, {})
        began = min(arrived.at_ns, at)
        parent = propagator.extract(arrived.parent, Context())
        common = base(event, self._places.kind(event.provider))
        if event.passed_through:
            name, attributes = PASSTHROUGH, self._passed(event)
        else:
            name, attributes = ROOT, {**common, **known(client=event.client, session_id=event.session_id)}
        root = self._tracer.start_span(name, parent, SpanKind.SERVER, attributes, start_time=began)
        self._trees[event.id] = Tree(root, common, began, event.passed_through, at)
        if len(self._trees) > LIMITS.traced_interceptions:
            _, oldest = self._trees.popitem(last=False)
            oldest.root.end(oldest.last_ns)

    def _passed(self, event: InterceptionStarted) -> Attributes:
        query = "" if event.query is None else f"?{event.query}"
        upstream = self._places.upstream_url(event.provider, event.path)
        return known(
            passthrough_url=event.path + query,
            passthrough_upstream_url=None if upstream is None else upstream + query,
            passthrough_method=event.method,
            provider=event.provider,
        )

    def _go_on(self, tree: Tree, event: Event, at: int) -> None:
        if isinstance(event, InterceptionEnded):
            self._end(tree, event, at)
        elif not tree.passed_through:
            self._process(tree, event, at)

    def _process(self, tree: Tree, event: Event, at: int) -> None:
        match event:
            case AttemptStarted():
                self._end_attempt(tree, at)
                told = {**tree.base, **known(attempt=event.attempt, key=event.key)}
                tree.attempt = TracedAttempt(self._child(UPSTREAM, self._processing(tree), told, at, SpanKind.CLIENT))
            case AttemptFailed() if tree.attempt is not None:
                tree.attempt.status, tree.attempt.reason = event.status, str(event.reason)
                tree.attempt.failed_ns = at
            case ResponseStarted() if tree.attempt is not None:
                tree.attempt.status, tree.attempt.failed_ns = event.status, None
            case ModelServed():
                self._tell(tree, known(gen_ai__response__model=event.model))
            case TokensUsed():
                self._tokens(tree, event)
            case ToolCalled():
                self._called(tree, event, at)

    def _tell(self, tree: Tree, attributes: Attributes) -> None:
        """What an answer says of itself: to its attempt, and to the whole, where the last one counts."""
        for span in (tree.root, None if tree.attempt is None else tree.attempt.span):
            if span is not None:
                span.set_attributes(attributes)

    def _tokens(self, tree: Tree, event: TokensUsed) -> None:
        self._tell(tree, known(gen_ai__response__id=event.response_id))
        if tree.attempt is not None:
            tree.attempt.span.set_attributes(usage_of(event))
        more = (event.input, event.output, event.cache_read_input, event.cache_write_input)
        tree.used = [before + now for before, now in zip(tree.used, more, strict=True)]
        tree.root.set_attributes(usage(*tree.used))

    def _called(self, tree: Tree, event: ToolCalled, at: int) -> None:
        """A call is told when it has run; before it the round's answer ended, or the call before it."""
        self._end_attempt(tree, tree.last_ns)
        told = known(
            mcp_tool_name=event.tool,
            mcp_server_name=self._places.server(event.server_url),
            mcp_server_url=event.server_url,
            mcp_input=event.arguments,
        )
        span = self._child(TOOL_CALL, self._processing(tree), {**tree.base, **told}, tree.last_ns)
        if event.error is not None:
            fail(span, event.error)
        span.end(at)

    def _end_attempt(self, tree: Tree, at: int) -> None:
        attempt, tree.attempt = tree.attempt, None
        if attempt is None:
            return
        if attempt.status is not None:
            attempt.span.set_attribute("http.response.status_code", attempt.status)
        if attempt.status is None:
            fail(attempt.span, attempt.reason or NO_ANSWER)
        elif attempt.status >= 400:
            fail(attempt.span, attempt.reason or f"upstream answered {attempt.status}")
        attempt.span.end(at if attempt.failed_ns is None else attempt.failed_ns)

    def _processing(self, tree: Tree) -> Span:
        if tree.process is None:
            self._child(CREATE, tree.root, tree.base, tree.began_ns).end(tree.last_ns)
            tree.process = self._child(PROCESS, tree.root, tree.base, tree.last_ns)
        return tree.process

    def _end(self, tree: Tree, event: InterceptionEnded, at: int) -> None:
        lasted = round(event.duration_ms * 1_000_000)
        # What is told late, behind tokens that wait for their price, ended no later for it.
        ended = at if at < tree.began_ns + lasted + LATE_NS else tree.began_ns + lasted + MILLISECOND
        error = event.error if event.outcome is not Outcome.COMPLETED else None
        if tree.passed_through:
            if error is not None or (event.status or 0) >= 400:
                fail(tree.root, error or f"upstream answered {event.status}")
        else:
            self._end_processing(tree, event, error, ended)
            told = known(outcome=str(event.outcome), http__response__status_code=event.status)
            tree.root.set_attributes({**told, **known(error__type=event.error_type and str(event.error_type))})
            if error is not None:
                fail(tree.root, error)
        tree.root.end(ended)
        del self._trees[event.id]
        if not tree.passed_through:
            _keep(self._ended, event.id, tree)

    def _end_processing(self, tree: Tree, event: InterceptionEnded, error: str | None, ended: int) -> None:
        self._end_attempt(tree, ended)
        understood = event.error_type not in NOT_UNDERSTOOD and event.status != NOT_IMPLEMENTED
        if tree.process is None and event.outcome is Outcome.REJECTED and not understood:
            span = self._child(CREATE, tree.root, tree.base, tree.began_ns)
        else:
            span = self._processing(tree)
        if error is not None:
            fail(span, error)
        span.end(ended)

    def _written(self, told: Written) -> None:
        tree = self._trees.get(told.id) or self._ended.get(told.id)
        if tree is None or tree.passed_through:
            return
        span = self._child(f"{ROOT}.{told.name}", tree.root, tree.base, told.began_ns)
        if told.error is not None:
            fail(span, told.error)
        span.end(told.ended_ns)
        if told.name == "RecordInterceptionEnded":
            self._ended.pop(told.id, None)

    def _child(
        self, name: str, parent: Span, attributes: Attributes, began: int, kind: SpanKind = SpanKind.INTERNAL
    ) -> Span:
        return self._tracer.start_span(name, set_span_in_context(parent, Context()), kind, attributes, start_time=began)


def _keep(into: OrderedDict[str, Value], name: str, value: Value) -> None:
    into[name] = value
    if len(into) > LIMITS.traced_interceptions:
        into.popitem(last=False)
