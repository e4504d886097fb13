"""What the long-running commands put together in one process, and how they end. Each returns its exit code."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import trio
from attrs import evolve

from bridge.app import protocol_error
from bridge.cli.terminal import close_output
from bridge.config.load import Loaded
from bridge.config.reload import follow_configuration
from bridge.config.settings import ProviderSettings, Settings
from bridge.errors import ClearspanError, ConfigurationError
from bridge.events.describe import describe
from bridge.events.wire import Envelope, decode
from bridge.http.engine import App
from bridge.http.listener import Listener, open_listeners
from bridge.keys.secret import Secret
from bridge.observe import logs
from bridge.server import Bridge, run_until_signalled

INTERRUPTED = 130
DEMO_ONCE_SPEED = 6.0
"""How fast the simulation runs where every scenario is to be seen once: nobody reads along."""

Beside = Callable[[Bridge], Awaitable[None]]
"""What runs beside a bridge; the bridge stops when it returns."""


def serve(loaded: Loaded, load: Callable[[], Loaded]) -> int:
    """The bridge alone. `load` reads the configuration again when it has changed."""
    settings = loaded.settings
    logs.configure(settings.log.level, settings.log.format)

    async def follow(bridge: Bridge) -> None:
        await follow_configuration(bridge, load, loaded)

    return _until_it_ends(partial(_run, settings, follow, _announce))


def up(loaded: Loaded, load: Callable[[], Loaded]) -> int:
    """Bridge and monitor; event lines where there is no terminal. `load` as in `serve`."""
    settings = loaded.settings
    terminal = _has_terminal()
    if terminal:
        _log_to_file(settings)
    else:
        logs.configure(settings.log.level, settings.log.format)

    async def show(bridge: Bridge) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow_configuration, bridge, load, loaded)
            await (_show_monitor if terminal else _print_events)(bridge)
            nursery.cancel_scope.cancel()

    return _until_it_ends(partial(_run, settings, show, _keep_quiet if terminal else _announce))


def demo(  # noqa: PLR0913  # what the command's options say
    settings: Settings,
    *,
    headless: bool = False,
    once: bool = False,
    seed: int = 1,
    speed: float = 1.0,
    keep: bool = False,
    step: bool = False,
    chosen: Mapping[str, Any] = MappingProxyType({}),
) -> int:
    """Bridge, simulated provider, scripted agents and a view of them, beside the user's own bridge if there is one.

    Its record goes with it, so that no made-up request is ever counted with real ones; `keep` writes it all the same.
    `step` shows each request step by step. `chosen` says where it is to listen: else on a free port, with a socket of
    its own.
    """
    headless = headless or not _has_terminal()
    if headless:
        logs.configure("warning", settings.log.format)
    else:
        _log_to_file(settings)
    pace = speed * DEMO_ONCE_SPEED if once else speed
    rounds = 1 if once else None
    view = _print_events if headless else partial(_show_monitor, step=step)
    return _until_it_ends(
        partial(_demo, settings, view, rounds=rounds, seed=seed, speed=pace, keep=keep, chosen=chosen)
    )


def simulate(settings: Settings, scenario: Path | None, *, seed: int, speed: float) -> int:
    """The simulated provider alone, until it is interrupted."""
    from bridge.simulator.provider import SimulatedProvider
    from bridge.simulator.scenario.file import ScenarioError, load_scenario

    logs.configure(settings.log.level, settings.log.format)
    try:
        played = load_scenario(scenario) if scenario else None
    except ScenarioError as error:
        raise ConfigurationError(str(error).splitlines()) from None

    async def run() -> int:
        provider = SimulatedProvider(played, seed=seed, speed=speed)
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with _simulated(provider, settings.server.host, settings.server.port) as url:
                _announce(url)
                await anext(signals)
        return 0

    return _until_it_ends(run)


def _until_it_ends(main: Callable[[], Awaitable[int]]) -> int:
    """Runs a command's Trio side. An error that a person can mend comes out alone, however many nurseries it left."""
    try:
        return trio.run(main)
    except BaseExceptionGroup as group:
        ours, others = group.split(ClearspanError)
        if ours is None or others is not None:
            raise
        raise _first(ours) from None


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


async def _run(settings: Settings, beside: Beside, ready: Callable[[str], None]) -> int:
    bridge = Bridge(settings)
    async with trio.open_nursery() as nursery:

        async def accompany() -> None:
            await beside(bridge)
            bridge.stop("the view was closed")

        def started(url: str) -> None:
            ready(url)
            nursery.start_soon(accompany)

        graceful = await run_until_signalled(bridge, started)
        nursery.cancel_scope.cancel()
    return 0 if graceful else INTERRUPTED


async def _demo(  # what the command's options say
    settings: Settings,
    view: Beside,
    *,
    rounds: int | None,
    seed: int,
    speed: float,
    keep: bool,
    chosen: Mapping[str, Any],
) -> int:
    from bridge.simulator.agents import run_agents
    from bridge.simulator.demo import DEMO_SCENARIO, demo_keys
    from bridge.simulator.provider import SimulatedProvider

    simulated = SimulatedProvider(DEMO_SCENARIO, seed=seed, speed=speed)
    with tempfile.TemporaryDirectory(prefix="clearspan-demo-") as place:
        async with _simulated(simulated, "127.0.0.1", 0) as url:
            keys = tuple(Secret(key) for key in demo_keys())
            provider = ProviderSettings(type="openai", base_url=f"{url}/v1", keys=keys)
            own: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "socket": Path(place) / "events.sock"}
            server = evolve(settings.server, **(own | dict(chosen)))
            record = settings.record if keep else evolve(settings.record, path=Path(place) / "clearspan.db")
            ours = evolve(settings, server=server, record=record, providers={"openai": provider})

            async def play(bridge: Bridge) -> None:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_end_on_hangup, nursery)
                    nursery.start_soon(_show_then_stop, view, bridge, nursery)
                    await run_agents(f"{bridge.url}/openai/v1", rounds=rounds, speed=speed, seed=seed)
                    await bridge.hub.flushed()
                    nursery.cancel_scope.cancel()

            code = await _run(ours, play, _announce if view is _print_events else _keep_quiet)
    return code


async def _end_on_hangup(nursery: trio.Nursery) -> None:
    """The terminal was closed: nobody watches any more."""
    with trio.open_signal_receiver(signal.SIGHUP) as hangups:
        await anext(hangups)
        nursery.cancel_scope.cancel()


async def _show_then_stop(show: Beside, bridge: Bridge, nursery: trio.Nursery) -> None:
    await show(bridge)
    nursery.cancel_scope.cancel()


async def _show_monitor(bridge: Bridge, *, step: bool = False) -> None:
    """The dashboard in this terminal, as a process of its own; returns when it is closed."""
    from monitor.command import MonitorOptions, command_line

    await trio.run_process(command_line(MonitorOptions(bridge.socket, step=step)), stdin=None, check=False)


async def _print_events(bridge: Bridge) -> None:
    """Event lines on standard output, until nobody reads them. A reader that is slow loses events, and slows nobody."""
    subscriber = bridge.hub.subscribe()
    try:
        while True:
            messages = [decode(line) for line in (await subscriber.take()).splitlines()]
            lines = [describe(message) for message in messages if isinstance(message, Envelope)]
            await trio.to_thread.run_sync(partial(print, "\n".join(lines), flush=True), abandon_on_cancel=True)
    except BrokenPipeError:
        close_output()
    finally:
        bridge.hub.unsubscribe(subscriber)


@asynccontextmanager
async def _simulated(provider: App, host: str, port: int) -> AsyncIterator[str]:
    """Serves a simulated provider while the block runs; gives its URL."""
    sockets = await open_listeners(host, port)
    listener = Listener(provider, sockets, protocol_error)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.run)
        yield "http://{}:{}".format(*sockets[0].socket.getsockname()[:2])
        nursery.cancel_scope.cancel()


def _announce(url: str) -> None:
    print(f"listening on {url}", flush=True)  # noqa: T201  # the line that scripts wait for


def _keep_quiet(_url: str) -> None:
    pass


def _has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _log_to_file(settings: Settings) -> None:
    logs.configure(settings.log.level, settings.log.format, settings.data_dir / "clearspan.log")
