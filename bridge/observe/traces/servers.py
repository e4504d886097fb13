"""Spans of how MCP servers start, as a fold over `server.changed`.

The first start of all of them is one trace, which ends when each is ready or has failed; later tries belong to it. A
server tells when it is ready, and not when it was asked for its tools: that span has the length of its start.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Tracer, set_span_in_context

from bridge.events.values import ServerState
from bridge.events.vocabulary import ServerChanged
from bridge.observe.traces.attributes import Attributes, known
from bridge.observe.traces.trees import fail

MANAGER = "ServerProxyManager.Init"
STDIO = "stdio:"


class ServerPlaces(Protocol):
    """Who knows which servers are configured."""

    def server_url(self, name: str) -> str | None:
        """Where a server is, `stdio:NAME` for a command; None where it is not configured."""

    def servers(self) -> Collection[str]:
        """The names of all."""


class ServerSpans:
    """The servers' starts."""

    def __init__(self, tracer: Tracer, places: ServerPlaces) -> None:
        self._tracer = tracer
        self._places = places
        self._manager: Span | None = None
        self._manages = False
        self._settled: dict[str, str | None] = {}
        self._starting: dict[str, tuple[Span, int]] = {}

    def take(self, event: ServerChanged, at: int) -> None:
        """Takes a `server.changed` in, which happened at that time (nanoseconds of the wall clock)."""
        url = self._places.server_url(event.server)
        if url is None:  # it is gone from the configuration
            return
        if self._manager is None:
            self._manager = self._tracer.start_span(MANAGER, Context(), SpanKind.INTERNAL, start_time=at)
            self._manages = True
        if event.state is ServerState.STARTING:
            told = self._told(event.server, url)
            self._starting.setdefault(event.server, (self._child(self._manager, _name(url), told, at), at))
        elif (started := self._starting.pop(event.server, None)) is not None:
            self._settle(event, url, *started, at)

    def end(self) -> None:
        """Nothing more will be told."""
        for span, began in self._starting.values():
            fail(span, "the bridge stopped")
            span.end(began)
        if self._manages and self._manager is not None:
            self._manager.end()

    def _settle(self, event: ServerChanged, url: str, span: Span, began: int, at: int) -> None:
        if event.error is None:
            told = {**self._told(event.server, url), "mcp_tool_count": event.tools}
            self._child(span, f"{_name(url)}.fetchTools", told, began).end(at)
            span.set_attribute("mcp_tool_count", event.tools)
        else:
            fail(span, event.error)
        span.end(at)
        self._settled[event.server] = event.error
        if self._manages and self._manager is not None and self._settled.keys() >= set(self._places.servers()):
            self._manages = False
            if (error := next((error for error in self._settled.values() if error is not None), None)) is not None:
                fail(self._manager, error)
            self._manager.end(at)

    def _told(self, name: str, url: str) -> Attributes:
        return known(mcp_proxy_name=name, mcp_server_name=name, mcp_server_url=url)

    def _child(self, parent: Span, name: str, attributes: Attributes, began: int) -> Span:
        context = set_span_in_context(parent, Context())
        return self._tracer.start_span(name, context, SpanKind.INTERNAL, attributes, start_time=began)


def _name(url: str) -> str:
    return f"{'StdioServerProxy' if url.startswith(STDIO) else 'StreamableHTTPServerProxy'}.Init"
