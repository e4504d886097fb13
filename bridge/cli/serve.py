"""`clearspan serve` and `up`: a bridge, with what runs beside it, until a signal or its view ends it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import trio

from bridge.cli.ending import INTERRUPTED
from bridge.cli.paper import paper
from bridge.config.load import Loaded
from bridge.config.reload import follow_configuration
from bridge.config.settings import Settings
from bridge.errors import ClearspanError
from bridge.events.describe import CONTINUED
from bridge.events.lines import EventLines
from bridge.events.wire import decode
from bridge.observe import logs
from bridge.process import garbage, heap
from bridge.process.collector import tend_garbage
from bridge.process.line_writer import standard
from bridge.process.parent import is_orphan
from bridge.process.receiver import receiver
from bridge.process.signals import kept
from bridge.server import Bridge, run_until_signalled
from monitor.options import has_terminal

log = logs.logger("configuration")

LOOK_S = 1.0
"""How often a bridge looks for who started it, in seconds."""

Beside = Callable[[Bridge], Awaitable[None]]
"""What runs beside a bridge; the bridge stops when it returns."""


def serve(loaded: Loaded, load: Callable[[], Loaded]) -> int:
    """The bridge alone. `load` reads the configuration again when it has changed."""
    settings = loaded.settings
    logs.configure(settings.log.level, settings.log.format)
    warn(loaded)

    async def follow(bridge: Bridge) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow_configuration, bridge.reconfigure, load, loaded, bridge.reconfiguration_refused)
            await orphaned()
            nursery.cancel_scope.cancel()

    return until_it_ends(partial(run_beside, settings, follow, announce))


def up(loaded: Loaded, load: Callable[[], Loaded]) -> int:
    """Bridge and monitor; event lines where there is no terminal. `load` as in `serve`."""
    settings = loaded.settings
    terminal = has_terminal()
    if terminal:
        log_to_file(settings)
    else:
        logs.configure(settings.log.level, settings.log.format)
    warn(loaded)

    async def show(bridge: Bridge) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow_configuration, bridge.reconfigure, load, loaded, bridge.reconfiguration_refused)
            await (partial(show_monitor, loaded=loaded) if terminal else print_events)(bridge)
            nursery.cancel_scope.cancel()

    return until_it_ends(partial(run_beside, settings, show, keep_quiet if terminal else announce))


def until_it_ends(main: Callable[[], Awaitable[int]]) -> int:
    """Runs a command's Trio side, which has receivers for signals, and gives its exit code.

    An error that a person can mend comes out alone, however many nurseries it left.
    """
    try:
        with kept():
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


async def run_beside(settings: Settings, beside: Beside, ready: Callable[[str], None]) -> int:
    """A bridge and what runs beside it, until either ends or a signal comes; the exit code. `ready` gets the URL."""
    bridge = Bridge(settings)
    async with trio.open_nursery() as nursery:

        async def accompany() -> None:
            await beside(bridge)
            bridge.stop("the view was closed")

        def started(url: str) -> None:
            ready(url)
            garbage.end_of_loading()
            heap.keep_one()
            nursery.start_soon(accompany)
            nursery.start_soon(tend_garbage)

        graceful = await run_until_signalled(bridge, started)
        nursery.cancel_scope.cancel()
    return 0 if graceful else INTERRUPTED


async def orphaned() -> None:
    """Returns when this bridge is another program's (`clearspan run`) and that one is gone without ending it."""
    while not is_orphan():  # noqa: ASYNC110  the system tells nobody
        await trio.sleep(LOOK_S)


async def show_monitor(
    bridge: Bridge, *, loaded: Loaded | None = None, data_dir: Path | None = None, config: Path | None = None
) -> None:
    """The dashboard in this terminal, as a process of its own; returns when it is closed. It finds record and dumps
    by what was `loaded`, or else in `data_dir` and by `config`."""
    from monitor.command import MonitorOptions, command_line, environment

    if loaded is not None:
        config, data_dir = loaded.file, loaded.explicit_data_dir
    options = MonitorOptions(bridge.socket, config=config, data_dir=data_dir)
    await trio.run_process(command_line(options), stdin=None, check=False, env=environment(os.environ))


async def end_on_hangup(nursery: trio.Nursery) -> None:
    """Cancels the nursery when the terminal is closed: nobody watches any more."""
    with receiver(signal.SIGHUP) as hangups:
        await anext(hangups)
        nursery.cancel_scope.cancel()


async def print_events(bridge: Bridge) -> None:
    """Event lines on standard output, until nobody reads them. A reader that is slow loses events, and slows nobody; so
    does a file that can't be written, until it can be again."""
    subscriber, on, shown, output = bridge.hub.subscribe(), paper(), EventLines(), standard(sys.stdout)
    shown.begin(bridge.hub.picture.interceptions.values())
    lost = 0
    try:
        while True:
            messages = [decode(line) for line in b"".join(await subscriber.take()).splitlines()]
            lines = [line for message in messages for line in shown.of(message)]
            text = "".join(f"{part}\n" for line in lines for part in on.folded(line, CONTINUED))
            try:
                await trio.to_thread.run_sync(output.write, text, abandon_on_cancel=True)
            except BrokenPipeError:
                return
            except OSError as error:
                if not lost:
                    log.warning("events can't be printed", error=error.strerror)
                lost += len(lines)
            else:
                if lost and lines:
                    log.warning("events are printed again", lost=lost)
                    lost = 0
    finally:
        bridge.hub.unsubscribe(subscriber)


def warn(loaded: Loaded) -> None:
    """Logs what is most likely a mistake in the settings."""
    for doubt in loaded.warnings:
        log.warning("a setting is likely a mistake", setting=doubt)


def announce(url: str) -> None:
    """Prints where it listens: the line that scripts wait for. Where nobody can read it, the log has it."""
    print_lines(f"listening on {url}\n")


def print_lines(lines: str) -> None:
    """Prints what nobody need read for the command to go on."""
    try:
        standard(sys.stdout).write(lines)
    except OSError as error:
        log.warning("standard output can't be written", error=error.strerror)


def keep_quiet(_url: str) -> None:
    """Prints nothing: the monitor has the terminal."""


def log_to_file(settings: Settings) -> None:
    """Keeps the log out of a terminal that the monitor has."""
    logs.configure(settings.log.level, settings.log.format, settings.data_dir / "clearspan.log")
