"""The bridge as a whole: what it is made of, in which order it starts, and how it stops.

Start: the port, so that a taken one is known first; then the event socket, the providers, and last the accept
loop. Stop: new requests are turned away, running ones have their grace, then everything ends in the reverse order, so
that subscribers hear of every end.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from bridge import __version__
from bridge.access import HostGuard
from bridge.app import App, json_page
from bridge.config.rules import open_to_all
from bridge.config.settings import RecordSettings, Settings
from bridge.events.hub import Hub, utc_now
from bridge.events.picture import REMOVED
from bridge.events.socket import CommandRefused, event_socket
from bridge.events.values import KeyState
from bridge.events.vocabulary import BridgeStopping, KeyChanged
from bridge.events.wire import PROTOCOL, Command, Hello, Tools
from bridge.http.listener import Listener, open_listeners
from bridge.interception.interception import Services
from bridge.interception.lifecycle import CancelReason
from bridge.interception.silence import SilenceWatch
from bridge.keys.pool import KeyPool, UnknownKey
from bridge.observe.logs import logger, redactor
from bridge.observe.metrics import Metrics
from bridge.process.receiver import receiver
from bridge.process.signals import ENDING
from bridge.providers.connections import NoAuthorities, load_authorities
from bridge.providers.prices import Prices
from bridge.providers.provider import Provider
from bridge.record.journal import journal_bytes
from bridge.record.own_usage import OwnUsage
from bridge.record.past import Remembrance
from bridge.record.recorder import Wrote
from bridge.record.recording import recording

if TYPE_CHECKING:
    from bridge.observe.dumps.dumps import Dumps
    from bridge.observe.traces.tracing import Tracing
    from bridge.tools.servers import Servers

log = logger("bridge")

COMMANDS = ("cancel", "key.reset", "key.disable", "key.enable", "tools", "history", "snapshot", "filter")
"""What subscribers may ask for; the last two are the event socket's own."""

AFTER_START_S = 0.05
"""What can wait is loaded so long after the start, since its threads would take the interpreter from it."""


class Bridge:
    """One running bridge. `url` is known once it has started."""

    def __init__(self, settings: Settings) -> None:
        redactor.learn(settings.secrets())
        self._settings = settings
        self._stop = trio.Event()
        self._stop_reason = ""
        self._aborted = False
        self.hub = Hub()
        self.silence = SilenceWatch()
        self.dumps = _dumps(settings.record)
        self.providers = {
            name: Provider(name, chosen, self.hub, self.dumps) for name, chosen in settings.providers.items()
        }
        self.started_at = utc_now()
        self.url = ""
        self.socket = settings.server.socket
        self._own_usage = OwnUsage(self.hub, settings.record.path)
        self._tools = self._tool_servers(settings) if settings.mcp.servers else None
        self._app: App | None = None
        self._metrics: Metrics | None = None
        self._nursery: trio.Nursery | None = None

    def stop(self, reason: str) -> None:
        """Asks for a graceful stop. Returns at once; `run` ends when it is done."""
        self._stop_reason = self._stop_reason or reason
        self._stop.set()

    def abort(self) -> None:
        """Cuts off what is under way. Returns at once; subscribers and the record still hear how it ended."""
        self._aborted = True
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    async def run(self, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs until stopped; `task_status` gets the URL. Raises StartError where it can't start."""
        server = self._settings.server
        sockets = await open_listeners(server.host, server.port)
        host, port = sockets[0].socket.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        guard = HostGuard(server.host, port, server.allowed_hosts)
        prices = Prices()
        services = Services(self.hub, prices, self.silence, server.max_request_bytes, self._tools)
        app = App(services, self.providers, guard, server)
        self._app = app
        self._metrics = metrics = self._count()
        app.serve_locally("/metrics", metrics.page)
        app.serve_locally("/healthz", json_page(self.health))
        app.serve_own_usage(self._own_usage.of)
        async with AsyncExitStack() as stack:
            for listener_socket in sockets:
                stack.push_async_callback(listener_socket.aclose)
            past = Remembrance(self._settings.record.path)
            await stack.enter_async_context(
                event_socket(server.socket, self.hub, self._hello, self._perform, past.remember)
            )
            await stack.enter_async_context(self._dumping(metrics))
            wrote = await stack.enter_async_context(self._traced(app))
            await stack.enter_async_context(recording(self._settings.record, self.hub, self._pools, wrote))
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                if self._aborted:
                    nursery.cancel_scope.cancel()
                for provider in self.providers.values():
                    self._begin(provider)
                listener = Listener(app, sockets, app.protocol_error)
                nursery.start_soon(listener.run)
                nursery.start_soon(self.silence.run)
                start = {"url": self.url, "socket": str(server.socket), "version": __version__}
                if warning := open_to_all(self._settings):
                    start["note"] = warning
                log.info("started", **start)
                task_status.started(self.url)
                nursery.start_soon(self._load_authorities)
                nursery.start_soon(prices.load, AFTER_START_S)
                if self._tools is not None:
                    nursery.start_soon(self._tools.run)
                await self._stop.wait()
                self.hub.publish(BridgeStopping(self._stop_reason))
                log.info("stopping", reason=self._stop_reason, running=len(app.live))
                await app.stop(self._settings.server.shutdown_grace)
                await listener.drain()
                nursery.cancel_scope.cancel()

    def _count(self) -> Metrics:
        metrics = Metrics(self.hub, self._server_at)
        metrics.show_providers(lambda: [(name, found.kind.name) for name, found in list(self.providers.items())])
        if (record := self._settings.record.path) is not None:
            metrics.show_journal(lambda: journal_bytes(record))
        self.hub.add_sink(metrics.count)
        return metrics

    def _server_at(self, url: str | None) -> str | None:
        return self._settings.mcp.server_at(url)

    @asynccontextmanager
    async def _dumping(self, metrics: Metrics) -> AsyncIterator[None]:
        """Writes dumps while the block runs, if any are asked for."""
        if self.dumps is None:
            yield
            return
        self.hub.add_sink(self.dumps.take)
        metrics.count_dumps(self.dumps)
        async with self.dumps.running():
            yield

    @asynccontextmanager
    async def _traced(self, app: App) -> AsyncIterator[Wrote | None]:
        """Makes spans while the block runs, if any are asked for; gives what wants to know of the record's writes."""
        tracing = self._tracing()
        if tracing is None:
            yield None
            return
        self.hub.add_sink(tracing.take)
        app.on_request = tracing.arrived
        async with tracing.running():
            yield tracing.wrote

    def _tracing(self) -> Tracing | None:
        if not any(os.environ.get(name) for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER")):
            return None
        from bridge.observe.traces.tracing import BridgePlaces, Tracing, exporters  # noqa: PLC0415  # for those who ask

        names = exporters(os.environ)
        return Tracing(names, os.environ, BridgePlaces(self.providers, lambda: self._settings)) if names else None

    async def _load_authorities(self) -> None:
        """Whom to trust: the first request may need it, but no start has to wait for it."""
        await trio.sleep(AFTER_START_S)
        if any(provider.upstream.is_encrypted for provider in self.providers.values()):
            try:
                await load_authorities()
            except NoAuthorities as error:  # requests are told the same, until it is mended
                log.warning("no provider can be reached by https", reason=str(error))

    def reconfigure(self, settings: Settings) -> None:
        """Takes over changed settings: providers, keys, tokens, limits. What runs goes on with what it began with."""
        if self._stop.is_set():
            return
        redactor.learn(settings.secrets())
        for name in self.providers.keys() - settings.providers.keys():
            self._end(self.providers.pop(name))
        for name, chosen in settings.providers.items():
            provider = self.providers.get(name)
            if provider is not None and provider.can_reconfigure_to(chosen):
                self._forget(provider.reconfigure(chosen), name)
                continue
            if provider is not None:
                self._end(provider)
            self.providers[name] = Provider(name, chosen, self.hub, self.dumps)
            self._begin(self.providers[name])
        self._reconfigure_tools(settings)
        self._settings = settings
        if self._app is not None:
            self._app.reconfigure(settings.server, self._tools)
        self._note_reload(success=True)

    def reconfiguration_refused(self) -> None:
        """The configuration was read again, and has faults: nothing changes."""
        self._note_reload(success=False)

    def _note_reload(self, *, success: bool) -> None:
        if self._metrics is not None:
            self._metrics.note_reload(success=success)

    def _reconfigure_tools(self, settings: Settings) -> None:
        if self._tools is not None:
            self._tools.reconfigure(settings.mcp)
        elif settings.mcp.servers:
            self._tools = self._tool_servers(settings)
            if self._nursery is not None:
                self._nursery.start_soon(self._tools.run)

    def _tool_servers(self, settings: Settings) -> Servers:
        from bridge.tools.servers import Servers  # noqa: PLC0415  # a start without any does not wait for it

        return Servers(settings.mcp, self.hub.publish, self._own_usage.whole)

    def _begin(self, provider: Provider) -> None:
        for key in provider.pool.snapshot():
            self.hub.publish(key)
        if provider.pool.keys:
            self.hub.publish(provider.pool.fact())
        if self._nursery is not None:
            self._nursery.start_soon(provider.run)

    def _end(self, provider: Provider) -> None:
        self._forget([key.hint for key in provider.pool.keys], provider.name)
        provider.retire()

    def _forget(self, hints: Iterable[str], provider: str) -> None:
        for hint in hints:
            self.hub.publish(KeyChanged(provider, hint, KeyState.DISABLED, reason=REMOVED))

    def _pools(self) -> dict[str, KeyPool]:
        return {name: provider.pool for name, provider in self.providers.items()}

    def health(self) -> dict[str, Any]:
        """What `/healthz` shows."""
        return {
            "status": "stopping" if self._stop.is_set() else "ok",
            "version": __version__,
            "pid": os.getpid(),
            "started_at": self.started_at,
            "live": len(self._app.live) if self._app else 0,
        }

    def _hello(self) -> Hello:
        return Hello(PROTOCOL, __version__, os.getpid(), self.url, self.started_at, seq=self.hub.seq, at=utc_now())

    def _perform(self, command: Command) -> Tools | None:
        match command.command:
            case "cancel":
                cancellation = self._app.live.get(command.id or "") if self._app else None
                if cancellation is None:
                    raise CommandRefused("no interception of that id is running")
                cancellation.cancel(CancelReason.BY_OWNER)
            case "key.reset" | "key.disable" | "key.enable":
                self._change_key(command)
            case "tools":
                return Tools(command.n, self._tools.told() if self._tools else [])
            case _:
                raise CommandRefused(f"unknown command; known: {', '.join(COMMANDS)}")
        return None

    def _change_key(self, command: Command) -> None:
        provider = self.providers.get(command.provider or "")
        if provider is None:
            raise CommandRefused(f"unknown provider; known: {', '.join(self.providers)}")
        pool = provider.pool
        change = {"key.reset": pool.reset, "key.disable": pool.disable, "key.enable": pool.enable}
        try:
            change[command.command](command.key or "")
        except UnknownKey as error:
            raise CommandRefused(str(error)) from None


def _dumps(settings: RecordSettings) -> Dumps | None:
    if settings.dump_dir is None:
        return None
    from bridge.observe.dumps.dumps import Dumps  # noqa: PLC0415  # for those who ask for it

    return Dumps(settings)


async def run_until_signalled(bridge: Bridge, ready: Callable[[str], None]) -> bool:
    """Runs a bridge until SIGINT or SIGTERM; a second signal ends it at once, a third whatever it is doing then.

    Returns whether one signal was enough.

    `ready` gets the URL once requests are accepted.
    """
    count = 0
    with receiver(*ENDING) as signals:
        async with trio.open_nursery() as nursery:

            async def handle_signals() -> None:
                nonlocal count
                async for number in signals:
                    count += 1
                    if count == 1:
                        bridge.stop(signal.Signals(number).name)
                    elif count == 2:
                        bridge.abort()
                    else:
                        nursery.cancel_scope.cancel()

            async def run(task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
                await bridge.run(task_status=task_status)
                nursery.cancel_scope.cancel()

            nursery.start_soon(handle_signals)
            ready(await nursery.start(run))
    return count < 2
