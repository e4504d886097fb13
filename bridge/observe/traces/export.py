"""The official SDK as it is used here: spans in batches to a collector over OTLP/HTTP, in a thread of the SDK's own.

It logs every try that fails, over and over; of those the first is told, and then that it works again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter, SpanExportResult

from bridge import __version__
from bridge.observe.logs import logger

log = logger("traces")

SERVICE = "clearspan"
LIBRARY = "opentelemetry"

EXPORTERS: dict[str, Callable[[], SpanExporter]] = {"otlp": OTLPSpanExporter, "console": ConsoleSpanExporter}
"""By their names in OTEL_TRACES_EXPORTER; where they send, and how, the SDK reads from the environment."""


class TroubleOnce(logging.Handler):
    """Tells what the SDK says of trouble, once until it is over."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._told = False

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a line of the SDK's."""
        if not self._told:
            self._told = True
            log.warning("traces can't be delivered", reason=record.getMessage())

    def over(self) -> None:
        """Something was delivered."""
        if self._told:
            self._told = False
            log.info("traces are delivered again")


class Watched(SpanExporter):
    """An exporter that says when it works."""

    def __init__(self, exporter: SpanExporter, trouble: TroubleOnce) -> None:
        self._exporter = exporter
        self._trouble = trouble

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends spans."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._trouble.over()
        return result

    def shutdown(self) -> None:
        """Ends it."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Sends what it holds back."""
        return self._exporter.force_flush(timeout_millis)


def unknown_exporters(names: Sequence[str]) -> list[str]:
    """Those of these names that are none here."""
    return [name for name in names if name not in EXPORTERS]


def start_sdk(names: Sequence[str], environment: Mapping[str, str]) -> TracerProvider:
    """An SDK of this bridge's own that sends to these exporters. Its threads hold up no end of the process."""
    library = logging.getLogger(LIBRARY)
    trouble = TroubleOnce()
    library.handlers = [handler for handler in library.handlers if not isinstance(handler, TroubleOnce)]
    library.addHandler(trouble)
    library.propagate = False
    named = {} if environment.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: SERVICE}
    resource = Resource.create({**named, SERVICE_VERSION: __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for name in names:
        provider.add_span_processor(BatchSpanProcessor(Watched(EXPORTERS[name](), trouble)))
    return provider
