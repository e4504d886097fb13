"""The dashboard's process: a source delivers, a state folds, a screen is drawn from it at most fifteen times a second.

Nothing is painted per event. A message marks the state as changed and asks for a frame, if none is under way; a slow
tick keeps the running clocks going. A key press is handled between two small batches of messages, whatever comes in.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import platformdirs
from rich.segment import Segments
from rich.text import Text
from textual.app import App
from textual.binding import Binding, BindingType
from textual.timer import Timer

from bridge.events.wire import Command
from monitor import themes
from monitor.client import Client, Source
from monitor.format import neutralise
from monitor.screens.help import HelpScreen
from monitor.screens.live import SAID_S, LiveScreen
from monitor.state import Incoming, MonitorState
from monitor.story import subject

FRAME_S = 1 / 15
TICK_S = 0.5


def wall_clock() -> datetime:
    """The time as people know it."""
    return datetime.now(UTC)


class MonitorApp(App[None]):
    """The terminal dashboard on one source. `place` tells a person where the source is, `url` where agents go."""

    TITLE = "Clearspan"
    CSS_PATH = "monitor.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "quit", "Quit", show=False, priority=True)]

    def __init__(
        self,
        source: Source,
        place: str,
        *,
        url: str | None = None,
        clock: Callable[[], datetime] = wall_clock,
    ) -> None:
        super().__init__()
        self.source = source
        self.place = place
        self.clock = clock
        self.state = MonitorState()
        self.live = LiveScreen()
        self._url = url
        self._frame: Timer | None = None
        self._painted_at = float("-inf")
        self._asked_for_snapshot = False

    def get_default_screen(self) -> LiveScreen:
        """The live view is what everything else opens over."""
        return self.live

    def on_mount(self) -> None:
        self.register_theme(themes.DARK)
        self.theme = themes.DARK.name
        self.call_after_refresh(self.paint)
        self.run_worker(self.source.run(self.receive), name="source")
        self.set_interval(TICK_S, self.paint)
        for name in (signal.SIGTERM, signal.SIGHUP):  # leave the terminal as it was found
            asyncio.get_running_loop().add_signal_handler(name, self.exit)

    def on_unmount(self) -> None:
        for name in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(name)

    def receive(self, incoming: Incoming) -> None:
        """Takes one message in and sees to it that a frame will show it."""
        self.state.apply(incoming, self.clock())
        if self.state.gap and not self._asked_for_snapshot:
            self._asked_for_snapshot = True
            self.run_worker(self._catch_up(), name="catch up")
        if self._frame is None:
            wait = FRAME_S - (asyncio.get_running_loop().time() - self._painted_at)
            self._frame = self.set_timer(max(0.001, wait), self.paint)

    async def _catch_up(self) -> None:
        """Events are missing that nobody announced: a fresh snapshot makes the picture whole."""
        try:
            await self.source.ask(Command(0, "snapshot"))
        finally:
            self._asked_for_snapshot = False

    def paint(self) -> None:
        """Draws the state as it is now."""
        self._frame = None
        self._painted_at = asyncio.get_running_loop().time()
        if self.live.is_mounted:
            hello = self.state.hello
            self.live.draw(self.state, self.clock(), hello.url if hello else self._url, self.place)

    def action_help(self) -> None:
        """Shows all keys."""
        self.push_screen(HelpScreen())

    def on_live_screen_cancel(self, message: LiveScreen.Cancel) -> None:
        one = message.one
        if not one.live:
            self.say(f"{subject(one)} has ended already", "muted")
            return
        self.run_worker(self._ask(Command(0, "cancel", id=one.id), f"cancelled {subject(one)}"), name="cancel")

    async def _ask(self, command: Command, done: str) -> None:
        """Sends a command and says what came of it."""
        reply = await self.source.ask(command)
        if reply.ok:
            self.say(done, "good")
        else:
            self.say(f"could not {command.command}: {reply.error}", "bad")

    def say(self, text: str, tone: str) -> None:
        """Tells something in the last line for a few seconds."""
        self.live.say(text, tone, self.clock() + timedelta(seconds=SAID_S))

    def _fatal_error(self) -> None:
        """Replaces Textual's report of a crash, which prints local variables: those hold prompts and answers."""
        report = Text(neutralise(traceback.format_exc()))
        self._exit_renderables.append(Segments(self.console.render(report, self.console.options)))
        self._close_messages_no_wait()


def run_monitor(socket_path: Path, *, url: str | None = None) -> int:
    """Shows the bridge behind that socket until a person quits; the exit code. Needs a terminal."""
    app = MonitorApp(Client(socket_path), str(socket_path), url=url)
    app.run()
    return app.return_code or 0


def default_socket() -> Path:
    """Where a bridge puts its event socket unless it is told otherwise (contract sections 3 and 4)."""
    named = os.environ.get("CLEARSPAN_SOCKET")
    return Path(named) if named else platformdirs.user_runtime_path("clearspan") / "events.sock"


def main(argv: list[str] | None = None) -> None:
    """The command line of `python -m monitor`."""
    parser = argparse.ArgumentParser(prog="clearspan monitor", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--socket", type=Path, metavar="PATH", help="the bridge's event socket")
    options = parser.parse_args(argv)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        parser.error("the monitor needs a terminal; `clearspan tail` prints events as lines")
    sys.exit(run_monitor(options.socket or default_socket()))
