"""A collector of traces for tests: OTLP over HTTP, on a real socket, in threads of its own."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from attrs import define, field
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

ERROR = 2
"""The status of a span that failed."""


@define
class Collected:
    """What came. While `hangs` is not set, nothing is answered."""

    url: str
    spans: list[Span] = field(factory=list)
    services: set[str] = field(factory=set)
    bodies: list[bytes] = field(factory=list)
    headers: list[dict[str, str]] = field(factory=list)
    answers: threading.Event = field(factory=threading.Event)

    def take(self, body: bytes) -> None:
        """Reads a request."""
        self.bodies.append(body)
        told = ExportTraceServiceRequest()
        told.ParseFromString(body)
        for resource in told.resource_spans:
            self.services |= {
                pair.value.string_value for pair in resource.resource.attributes if pair.key == "service.name"
            }
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def named(self, name: str) -> list[Span]:
        """The spans of that name, in the order in which they began."""
        return sorted((span for span in self.spans if span.name == name), key=lambda span: span.start_time_unix_nano)

    def only(self, name: str) -> Span:
        """The one span of that name."""
        [span] = self.named(name)
        return span

    def parent(self, span: Span) -> str | None:
        """The name of a span's parent; None where it has none here."""
        return next((other.name for other in self.spans if other.span_id == span.parent_span_id), None)


def attributes(span: Span) -> dict[str, Any]:
    """What a span says."""
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in span.attributes}


@contextmanager
def collector() -> Iterator[Collected]:
    """A collector at `url` while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # its name there
            body = self.rfile.read(int(self.headers["content-length"]))
            collected.answers.wait()
            collected.headers.append(dict(self.headers))
            collected.take(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        collected = Collected(f"http://127.0.0.1:{server.server_port}")
        collected.answers.set()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield collected
        finally:
            collected.answers.set()
            server.shutdown()
            thread.join()
