"""Spans as a fold over what is told, made by the official SDK: tools, rounds, writes that fail, servers that start."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from attrs import define, frozen
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bridge.events.values import Credential, FailureReason, Outcome, ServerState
from bridge.events.vocabulary import (
    AttemptFailed,
    AttemptStarted,
    Event,
    InterceptionEnded,
    InterceptionStarted,
    PromptRecorded,
    ResponseStarted,
    ServerChanged,
    TokensUsed,
    ToolCalled,
)
from bridge.events.wire import Envelope
from bridge.limits import LIMITS
from bridge.observe.traces import trees as trees_module
from bridge.observe.traces.servers import ServerSpans
from bridge.observe.traces.told import Arrived, traceable, written
from bridge.observe.traces.trees import SpanTrees, nanoseconds

AT = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
URL = "http://127.0.0.1:9000/mcp"
STARTED = InterceptionStarted(
    "a", "openai", "responses", "POST", "/openai/v1/responses", Credential("centralized"), "m", True, initiator="alice"
)
ENDED = InterceptionEnded("a", Outcome.COMPLETED, 200, None, 2, 900)


@frozen
class Where:
    """One provider, and two servers."""

    def kind(self, provider: str) -> str | None:
        return provider

    def upstream_url(self, provider: str, path: str) -> str | None:
        return {"openai/x": URL}.get(provider + path)

    def server(self, url: str | None) -> str | None:
        return next((name for name in self.servers() if self.server_url(name) == url), None)

    def server_url(self, name: str) -> str | None:
        return {"docs": URL, "shell": "stdio:shell"}.get(name)

    def servers(self) -> Collection[str]:
        return {"docs", "shell"}


@define
class Traced:
    """What comes out of the SDK."""

    exporter: InMemorySpanExporter
    trees: SpanTrees
    servers: ServerSpans

    @classmethod
    def begin(cls) -> Traced:
        exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        tracer = provider.get_tracer("test")
        return cls(exporter, SpanTrees(tracer, Where()), ServerSpans(tracer, Where()))

    def tell(self, *events: tuple[int, Event]) -> None:
        """Events, each with its time in milliseconds."""
        for at, event in events:
            told = traceable(Envelope(1, AT + timedelta(milliseconds=at), event))
            if told is not None:
                self.trees.take(told)

    def write(self, event: Event, error: str | None = None) -> None:
        """The record writes an event, or can't."""
        told = written(Envelope(1, AT, event), nanoseconds(AT), nanoseconds(AT) + 5, error)
        if told is not None:
            self.trees.take(told)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def times(self, name: str) -> list[tuple[int, int]]:
        """When spans of that name began and ended, in milliseconds."""
        began = nanoseconds(AT)
        found = ((span.start_time or 0, span.end_time or 0) for span in self.named(name))
        return [((start - began) // 10**6, (end - began) // 10**6) for start, end in found]


def test_rounds_and_calls_stand_one_after_the_other() -> None:
    traced = Traced.begin()
    call = ToolCalled("a", "r-1", "c-1", "find", {"query": "x" * 500}, injected=True, server_url=URL)
    bad = ToolCalled("a", "r-1", "c-2", "run", "text", injected=True, server_url="stdio:shell", error="it hung")
    traced.trees.take(Arrived("a", nanoseconds(AT) - 5 * 10**6, {}))
    traced.tell(
        (0, STARTED),
        (10, AttemptStarted("a", 1, "k...1")),
        (20, ResponseStarted("a", 1, 200)),
        (100, TokensUsed("a", "r-1", 10, 5, 3, 1)),
        (200, call),
        (300, bad),
        (310, AttemptStarted("a", 2, "k...1")),
        (320, ResponseStarted("a", 2, 200)),
        (800, TokensUsed("a", "r-2", 1, 1)),
        (890, ENDED),
    )
    upstream, tool = f"{trees_module.PROCESS}.Upstream", f"{trees_module.PROCESS}.ToolCall"
    assert traced.times("Intercept") == [(-5, 890)]
    assert traced.times("Intercept.CreateInterceptor") == [(-5, 0)]
    assert traced.times("Intercept.ProcessRequest") == [(0, 890)]
    assert traced.times(upstream) == [(10, 100), (310, 890)]
    assert traced.times(tool) == [(100, 200), (200, 300)]
    first, second = traced.named(tool)
    told = {"mcp_tool_name": "find", "mcp_server_name": "docs", "mcp_server_url": URL}
    assert (first.attributes or {}).items() >= told.items()
    assert (first.attributes or {})["mcp_input"] == '{"query":"' + "x" * 90
    assert (first.attributes or {})["user_id"] == "alice"
    assert (first.status.is_ok, second.status.is_ok, second.status.description) == (True, False, "it hung")
    [process] = traced.named("Intercept.ProcessRequest")
    parents = {span.parent.span_id for name in (upstream, tool) for span in traced.named(name) if span.parent}
    assert process.context is not None
    assert parents == {process.context.span_id}
    rounds = [span.attributes or {} for span in traced.named(upstream)]
    assert [attributes["gen_ai.response.id"] for attributes in rounds] == ["r-1", "r-2"]
    assert [attributes["gen_ai.usage.input_tokens"] for attributes in rounds] == [14, 1]
    [root] = traced.named("Intercept")
    assert (root.attributes or {})["gen_ai.usage.input_tokens"] == 15


def test_a_server_error_that_goes_to_the_client_lasts_until_it_is_there() -> None:
    traced = Traced.begin()
    traced.tell(
        (0, STARTED),
        (10, AttemptStarted("a", 1, "k...1")),
        (50, AttemptFailed("a", 1, "k...1", 500, FailureReason.SERVER_ERROR)),
        (51, ResponseStarted("a", 1, 500)),
        (90, InterceptionEnded("a", Outcome.FAILED, 500, "upstream answered 500", 1, 90)),
    )
    upstream = "Intercept.ProcessRequest.Upstream"
    assert traced.times(upstream) == [(10, 90)]
    assert [span.status.description for span in traced.named(upstream)] == ["server_error"]


def test_writes_of_the_record_come_before_the_end_and_after_it() -> None:
    traced = Traced.begin()
    traced.tell((0, STARTED))
    traced.write(STARTED)
    traced.write(PromptRecorded("a", "r", "secret words"), "disk I/O error")
    traced.tell((10, ENDED))
    traced.write(ENDED)
    traced.write(STARTED)  # nothing is known of it any more
    [root] = traced.named("Intercept")
    records = [span for span in traced.spans if span.name.startswith("Intercept.Record")]
    assert [(span.name, span.status.description) for span in records] == [
        ("Intercept.RecordInterception", None),
        ("Intercept.RecordPromptUsage", "disk I/O error"),
        ("Intercept.RecordInterceptionEnded", None),
    ]
    assert root.context is not None
    assert {span.parent and span.parent.span_id for span in records} == {root.context.span_id}
    assert "secret words" not in str([span.to_json() for span in traced.spans])


def test_what_is_told_late_ended_in_time() -> None:
    traced = Traced.begin()
    traced.tell((0, STARTED), (10, AttemptStarted("a", 1, "k")), (11, ResponseStarted("a", 1, 200)), (9000, ENDED))
    assert traced.times("Intercept") == [(0, 901)]


def test_what_never_ends_is_bounded() -> None:
    traced = Traced.begin()
    for number in range(LIMITS.traced_interceptions + 5):
        traced.tell((0, InterceptionStarted(str(number), "openai", "responses", "POST", "/x", Credential("byok"))))
    assert len(traced.named("Intercept")) == 5
    traced.trees.end()
    assert len(traced.named("Intercept")) == LIMITS.traced_interceptions + 5


def test_servers_start_in_one_trace() -> None:
    traced = Traced.begin()
    at = nanoseconds(AT)
    told = [
        ServerChanged("docs", ServerState.STARTING),
        ServerChanged("shell", ServerState.STARTING),
        ServerChanged("docs", ServerState.READY, 4),
        ServerChanged("gone", ServerState.FAILED, error="removed"),
        ServerChanged("shell", ServerState.FAILED, error="no such command"),
        ServerChanged("shell", ServerState.STARTING),
        ServerChanged("shell", ServerState.READY, 1),
        ServerChanged("shell", ServerState.FAILED, error="it died"),
    ]
    for number, event in enumerate(told):
        traced.servers.take(event, at + number * 10**6)
    traced.servers.end()
    assert traced.times("ServerProxyManager.Init") == [(0, 4)]
    assert traced.times("StreamableHTTPServerProxy.Init") == [(0, 2)]
    assert traced.times("StreamableHTTPServerProxy.Init.fetchTools") == [(0, 2)]
    assert traced.times("StdioServerProxy.Init") == [(1, 4), (5, 6)]
    assert len({span.context.trace_id for span in traced.spans if span.context}) == 1
    [manager], [docs] = traced.named("ServerProxyManager.Init"), traced.named("StreamableHTTPServerProxy.Init")
    assert manager.status.description == "no such command"
    named = {"mcp_proxy_name": "docs", "mcp_server_name": "docs", "mcp_server_url": URL, "mcp_tool_count": 4}
    assert dict(docs.attributes or {}) == named
    assert [span.status.description for span in traced.named("StdioServerProxy.Init")] == ["no such command", None]
