"""Tracing as part of a running bridge: one more listener of the hub, which only hands on to a thread.

In the thread the SDK is loaded and events become spans (`trees`, `servers`); the SDK sends them from a thread of its
own. What waits for either is bounded, so that a collector that is slow, hangs or is not there costs spans and nothing
else; a stop waits a moment for it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from time import time_ns
from typing import TYPE_CHECKING, Any

import trio

from bridge.config.settings import McpServerSettings, Settings
from bridge.events.vocabulary import ServerChanged
from bridge.events.wire import Envelope
from bridge.http.exchange import Exchange
from bridge.keys.secret import hint
from bridge.limits import LIMITS
from bridge.observe.logs import Redactor, logger, redactor
from bridge.observe.traces.told import Arrived, Traceable, traceable, written
from bridge.process.background import run_in_background
from bridge.providers.provider import Provider
from bridge.value_classes import define

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = logger("traces")

BATCH_S = 0.2
AFTER_START_S = 0.05
"""The SDK is loaded so long after the start, since that takes the interpreter from it."""
STOP_S = 2.0
"""How long a stop waits for what is not sent yet."""
EXTRA = "the extra 'otel' is not installed; `pip install clearspan[otel]` brings it"
PARENT_HEADERS = (b"traceparent", b"tracestate")


def exporters(environment: Mapping[str, str]) -> list[str]:
    """The names of the exporters that the environment asks for; none where it asks for no traces."""
    names = environment.get("OTEL_TRACES_EXPORTER", "").strip()
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    if not names:
        return ["otlp"] if environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip() else []
    return [name for part in names.split(",") if (name := part.strip()) not in {"", "none"}]


@define
class BridgePlaces:
    """Where requests of this bridge go, and where its tools are."""

    providers: Mapping[str, Provider]
    settings: Callable[[], Settings]

    def kind(self, provider: str) -> str | None:
        """What kind of provider that is."""
        found = self.providers.get(provider)
        return None if found is None else found.kind.name

    def upstream_url(self, provider: str, path: str) -> str | None:
        """Where a request with that path is passed on to."""
        found = self.providers.get(provider)
        route = None if found is None else found.find(path[len(provider) + 1 :])
        if found is None or route is None:
            return None
        return found.settings.base_url.rstrip("/") + found.kind.target(route[0]).decode("latin-1")

    def server(self, url: str | None) -> str | None:
        """The name of the MCP server that is there."""
        return self.settings().mcp.server_at(url)

    def server_url(self, name: str) -> str | None:
        """Where a server is, `stdio:NAME` for a command; None where it is not configured."""
        found = self._servers.get(name)
        return None if found is None else found.shown_url(name)

    def servers(self) -> Collection[str]:
        """The names of all."""
        return self._servers.keys()

    @property
    def _servers(self) -> Mapping[str, McpServerSettings]:
        return self.settings().mcp.servers


class Tracing:
    """The traces of one bridge, sent to exporters of these names."""

    def __init__(self, names: list[str], environment: Mapping[str, str], places: BridgePlaces) -> None:
        self._names = names
        self._environment = environment
        self._places = places
        self._waiting: deque[Traceable] = deque()
        self._work_waits = threading.Event()
        self._stopping = threading.Event()
        self._on = True
        self._loss_told = False
        redactor.learn(_secrets(environment))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Makes spans while the block runs, and sends what is left at its end."""
        run = partial(run_in_background, self._work, self._stop, patience_s=STOP_S, given_up=_given_up)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            try:
                yield
            finally:
                nursery.cancel_scope.cancel()

    def arrived(self, exchange: Exchange, secrets: Redactor) -> None:
        """A request came in. What it says of its caller's trace is sent on, masked by `secrets`."""
        brought = {name.decode(): exchange.header(name) for name in PARENT_HEADERS}
        parent = {name: secrets.redact(value) for name, value in brought.items() if value is not None}
        self._put(Arrived(exchange.id, time_ns(), parent))

    def take(self, envelope: Envelope) -> None:
        """An event happened."""
        if (told := traceable(envelope)) is not None:
            self._put(told)

    def wrote(self, items: Iterable[Any], began_ns: int, ended_ns: int, error: str | None) -> None:
        """The record wrote something, or could not. Called from its thread."""
        for item in items:
            if (told := written(item, began_ns, ended_ns, error)) is not None:
                self._put(told)

    def _put(self, told: Traceable) -> None:
        if not self._on:
            return
        if len(self._waiting) >= LIMITS.traced_events:
            if not self._loss_told:
                self._loss_told = True
                log.warning("spans are missing: more happens than can be traced")
            return
        self._waiting.append(told)
        self._work_waits.set()

    def _stop(self) -> None:
        self._stopping.set()
        self._work_waits.set()

    # All below runs in the thread.

    def _work(self) -> None:
        self._stopping.wait(AFTER_START_S)
        try:
            sdk = self._start()
        except ImportError:
            log.warning("traces are off", because=EXTRA)
        except Exception:  # a boundary: what is wrong with the SDK's own settings harms no bridge
            log.exception("traces are off")
        else:
            if sdk is not None:
                self._fold(sdk)
                sdk.shutdown()
        self._on = False
        self._waiting.clear()

    def _start(self) -> TracerProvider | None:
        from bridge.observe.traces.export import start_sdk, unknown_exporters  # noqa: PLC0415  # not on a start's way

        if unknown := unknown_exporters(self._names):
            log.warning("traces are off", because=f"OTEL_TRACES_EXPORTER names what is not known: {', '.join(unknown)}")
            return None
        return start_sdk(self._names, self._environment)

    def _fold(self, sdk: TracerProvider) -> None:
        from bridge.observe.traces.servers import ServerSpans  # noqa: PLC0415  # as above
        from bridge.observe.traces.trees import SpanTrees, nanoseconds  # noqa: PLC0415

        tracer = sdk.get_tracer("clearspan")
        trees, servers = SpanTrees(tracer, self._places), ServerSpans(tracer, self._places)
        while True:
            self._work_waits.wait()
            self._stopping.wait(BATCH_S)
            self._work_waits.clear()
            stopping = self._stopping.is_set()  # asked after the clear, which may have wiped out the call to stop
            while self._waiting:
                told = self._waiting.popleft()
                try:
                    if isinstance(told, Envelope) and isinstance(told.event, ServerChanged):
                        servers.take(told.event, nanoseconds(told.at))
                    else:
                        trees.take(told)
                except Exception:  # a boundary: a bug costs a span, not all that come after it
                    log.exception("a span could not be made")
            if stopping:
                trees.end()
                servers.end()
                return


def _given_up() -> None:
    log.warning("not all traces were delivered: the collector takes too long")


def _secrets(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """The values of headers that the collector wants: credentials, mostly."""
    names = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
    pairs = [pair.partition("=")[2].strip() for name in names for pair in environment.get(name, "").split(",")]
    return [(value, hint(value)) for value in pairs if len(value) >= 8]
