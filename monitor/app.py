"""The dashboard's process: a source delivers, a state folds, a screen is drawn from it at most fifteen times a second.

Nothing is painted per event. A message marks the state as changed and asks for a frame, if none is under way; a slow
tick keeps the running clocks going. A key press is handled between two small batches of messages, whatever comes in.
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import platformdirs
from rich.segment import Segments
from rich.text import Text
from textual import on
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import ANSIToTruecolor, LineFilter, Monochrome
from textual.screen import Screen
from textual.timer import Timer

from bridge.events.wire import Command
from bridge.process import parent
from monitor import export
from monitor.lines.format import neutralise
from monitor.lines.request_story import subject
from monitor.lines.span import Tone
from monitor.screens import palette
from monitor.screens.colon import ColonScreen
from monitor.screens.destinations import destinations
from monitor.screens.help import EVERYWHERE, HelpScreen, key_help
from monitor.screens.keys import KeysScreen
from monitor.screens.live import LiveScreen
from monitor.screens.reasoning import ReasoningScreen
from monitor.screens.request import RequestScreen
from monitor.screens.totals import TotalsScreen
from monitor.screens.view import STATUS_S, Frame, View
from monitor.screens.walkthrough import WalkthroughScreen
from monitor.sources.bridge_socket import Source
from monitor.state.request_list import Listing, exactly, without_since
from monitor.state.state import Incoming, MonitorState
from monitor.state.typed_command import read
from monitor.styles import colours, themes
from monitor.terminal.lending import LentTerminal, NotLent
from monitor.widgets.views import VIEWS, ViewsBar

FRAME_S = 1 / 15
TICK_S = 0.5

WITHOUT_COLOUR = colours.WithoutColour()
"""One for ever: a row remembers what a filter made of it."""


def wall_clock() -> datetime:
    """The time as people know it, where they are."""
    return datetime.now(UTC).astimezone()


class MonitorApp(App[None]):
    """The terminal dashboard on one source. `place` tells a person where the source is."""

    TITLE = "Clearspan"
    CSS_PATH = ["styles/monitor.tcss", "styles/views.tcss"]  # noqa: RUF012  as Textual types it
    COMMANDS: ClassVar[set[Any]] = {palette.PaletteProvider}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("colon", "colon", "Command", show=False, key_display=":"),
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True),
        *(Binding(str(number), f"view('{name}')", show=False) for number, name in enumerate(VIEWS, 1)),
        Binding("t", "walkthrough", "Steps"),
        Binding("T", "next_theme", "Next theme", show=False),
        Binding("ctrl+l", "redraw", "Draw it all anew", show=False),
        Binding("ctrl+z", "suspend_process", "Suspend", show=False),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(
        self,
        source: Source,
        place: str,
        *,
        clock: Callable[[], datetime] = wall_clock,
        theme: str | None = None,
        step: bool = False,
    ) -> None:
        super().__init__()
        self.source = source
        self.place = place
        self.clock = clock
        self.state = MonitorState()
        self.listing = Listing()
        self.live = LiveScreen(self.listing)
        self.reasoning = ReasoningScreen()
        self.keys = KeysScreen()
        self.request = RequestScreen(self.listing)
        self.totals = TotalsScreen()
        self.views: dict[str, View] = {
            view.NAME: view for view in (self.live, self.reasoning, self.keys, self.request, self.totals)
        }
        for name, view in self.views.items():
            if view is not self.live:
                self.install_screen(view, name)
        self._came_from = self.live.NAME
        self.places = [Path.cwd(), platformdirs.user_data_path("clearspan")]
        self._theme = theme or themes.DARK
        self._step = step
        self.terminal = LentTerminal(self)
        self._frame_timer: Timer | None = None
        self._painted_at = float("-inf")
        self._snapshot_requested = False
        self._runs_on: asyncio.AbstractEventLoop | None = None
        self._is_to_end = False

    def get_default_screen(self) -> LiveScreen:
        """The live view is what everything else opens over."""
        return self.live

    def on_mount(self) -> None:
        for theme in colours.THEMES.values():
            self.register_theme(theme)
        self.theme = self._theme
        if self._step:
            self.push_screen(WalkthroughScreen())
        self.call_after_refresh(self.paint)
        self.run_worker(self.source.run(self.receive), name="source")
        self.set_interval(TICK_S, self.paint)
        self.app_resume_signal.subscribe(self, lambda _app: self.action_redraw())
        self._runs_on = asyncio.get_running_loop()
        if self._is_to_end:
            self.exit()

    def end(self) -> None:
        """Ends it from another thread, which does not wait. It leaves the terminal as it was found."""
        self._is_to_end = True
        if self._runs_on is not None:
            with suppress(RuntimeError):  # it has ended
                self._runs_on.call_soon_threadsafe(self.exit)

    def receive(self, incoming: Incoming) -> None:
        """Takes one message in and sees to it that a frame will show it."""
        self.state.apply(incoming, self.clock())
        if self.state.gap and not self._snapshot_requested:
            self._snapshot_requested = True
            self.run_worker(self._catch_up(), name="catch up")
        if self._frame_timer is None and not self._is_overlaid:
            wait = FRAME_S - (asyncio.get_running_loop().time() - self._painted_at)
            self._frame_timer = self.set_timer(max(0.001, wait), self.paint)

    @property
    def _is_overlaid(self) -> bool:
        """Whether help or a question stands in front: both are painted for each frame below, which the tick is for."""
        return bool(self.screen_stack) and not isinstance(self.screen_stack[-1], View)

    async def _catch_up(self) -> None:
        """Events are missing that nobody announced: a fresh snapshot makes the picture whole."""
        try:
            await self.source.send(Command(0, "snapshot"))
        finally:
            self._snapshot_requested = False

    def paint(self) -> None:
        """Draws the state as it is now."""
        self._frame_timer = None
        if self.terminal.is_lent:  # the terminal is another program's just now
            return
        self._painted_at = asyncio.get_running_loop().time()
        view = self.view
        if view is not None and view.is_mounted:
            view.draw(self._frame())

    def _frame(self) -> Frame:
        hello = self.state.hello
        return Frame(self.state, self.clock(), hello.url if hello else None, self.place)

    def _choose_session(self, request: str | None) -> None:
        """Has the reasoning view open the session of that request."""
        before = self.reasoning.frame  # None where it was never in front: it must not be drawn yet
        self.reasoning.frame = self._frame()
        self.reasoning.choose(request)
        self.reasoning.frame = before

    @property
    def view(self) -> View | None:
        """The view in front; it goes on under an overlay."""
        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, View)), None)

    @on(View.Shown)
    def _draw_shown_view(self) -> None:
        self.paint()

    def action_view(self, name: str) -> None:
        """Brings a view to the front; it is as it was left, about what was selected in the one before."""
        if isinstance(self.screen, WalkthroughScreen):
            self.pop_screen()
        before, after = self.screen, self.views[name]
        if before is after or not isinstance(before, View):
            return
        self._came_from = before.NAME
        if before is self.live and after is self.reasoning:
            self._choose_session(self.listing.selection.id)
        if before is self.live and after is self.request:
            self.request.open(self.listing.selection.id)
        if after is self.live:  # it lies under all others
            self.pop_screen()
        elif before is self.live:
            self.push_screen(name)
        else:
            self.switch_screen(name)

    @on(ViewsBar.Chosen)
    def _open_view(self, message: ViewsBar.Chosen) -> None:
        self.action_view(message.view)

    @on(View.Left)
    def _go_back(self) -> None:
        self.action_view(self._came_from)

    @on(LiveScreen.Open)
    def _open_request(self, message: LiveScreen.Open) -> None:
        self.request.open(message.request.id)
        self.action_view("request")

    @on(ReasoningScreen.Open)
    def _open_request_read(self, message: ReasoningScreen.Open) -> None:
        self.request.open(message.request)
        self.action_view("request")

    @on(RequestScreen.Read)
    def _read_session(self, message: RequestScreen.Read) -> None:
        self._choose_session(message.request)
        self.action_view("reasoning")

    @on(KeysScreen.SendCommand)
    def _send_key_command(self, message: KeysScreen.SendCommand) -> None:
        self.run_worker(self._send(message.command, message.done), name="key")

    @on(TotalsScreen.ListRequests)
    def _list_requests(self, message: TotalsScreen.ListRequests) -> None:
        self._list(message.query)

    @on(RequestScreen.Export)
    def _export_request(self, message: RequestScreen.Export) -> None:
        self.run_worker(self._export(message.name, message.text), name="export")

    async def _export(self, name: str, text: str) -> None:
        try:
            path = await asyncio.to_thread(export.save, text, name, self.places)
        except OSError as error:
            self.show_message(f"could not export: {error.strerror or error}", "bad")
        else:
            self.show_message(f"exported to {path}", "good")

    @on(View.Copied)
    def _copy(self, message: View.Copied) -> None:
        self.copy_to_clipboard(message.text)
        self.show_message(f"copied {message.what}, {len(message.text):,} characters", "good")

    @on(View.Unable)
    def _say_why_not(self, message: View.Unable) -> None:
        self.show_message(message.text, "warn")

    @on(View.Elsewhere)
    def _read_elsewhere(self, message: View.Elsewhere) -> None:
        self._lend(self.terminal.page(message.text, message.name))

    @on(RequestScreen.Dump)
    def _read_dump(self, message: RequestScreen.Dump) -> None:
        id_ = message.request.id
        self._lend(self.terminal.page_dump(id_, f"clearspan-{export.safe(id_)}.http"))

    def _lend(self, borrow: Coroutine[Any, Any, None]) -> None:
        """Lends the terminal to a program."""

        async def lend() -> None:
            try:
                await borrow
            except NotLent as error:
                self.show_message(str(error), "warn")
            self.paint()

        self.run_worker(lend(), name="pager")

    def action_walkthrough(self) -> None:
        """Goes through the selected request step by step."""
        request = self.listing.selected
        if request is not None and isinstance(self.screen, View) and not isinstance(self.screen, WalkthroughScreen):
            self.push_screen(WalkthroughScreen(request))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where one steps through a request already, there is no key for it.

        A monitor that somebody started is not stopped by itself: the shell waits for that one, and would go on waiting.
        """
        if action == "suspend_process" and parent.VARIABLE in os.environ:
            return False
        if action == "colon" and not isinstance(self.screen, View):
            return False
        return not (action == "walkthrough" and isinstance(self.screen, WalkthroughScreen)) and super().check_action(
            action, parameters
        )

    def action_redraw(self) -> None:
        """Draws the whole screen: something else wrote on it, or it was another's for a while."""
        self.screen.refresh(layout=True)

    def action_colon(self) -> None:
        """Takes a command that is typed."""
        known = destinations(self.state, self.places)

        def obey(text: str | None) -> None:
            if text is not None:
                command, rest = read(text, known)
                self.action_go_to(command.word, rest)

        self.push_screen(ColonScreen(known), obey)

    def action_go_to(self, word: str, about: str) -> None:
        """Does what a typed command says; `about` is the name of what it is about, or any text."""
        match word:
            case "session":
                self.action_view("reasoning")
                self._choose_session(about)
                self.reasoning.panes.follow = False
                self.paint()
            case "model" | "client":
                self._list(exactly(word, about) or about)
            case "key":
                provider, _, hint = about.partition(" ")
                self.keys.selected_name = (provider, hint)
                self.action_view("keys")
            case "filter":
                self._list(about)
            case "since":
                kept = without_since(self.listing.filter.query)
                self._list(f"{kept} since:{about}".strip() if about else kept)
            case "theme":
                self.theme = about
            case "save":
                self._save()
            case "replay":
                self._lend(self.terminal.play(about, self.theme))
            case "help" | "quit":
                self.call_later(self.run_action, word)
            case _:
                self.action_view(word)

    def _list(self, query: str) -> None:
        self.live.filter(query)
        self.action_view("live")

    def _save(self) -> None:
        """Exports the request at hand."""
        request = self.request.request if self.view is self.request else self.listing.selected
        if request is None:
            self.show_message("there is no request to save", "warn")
            return
        text = export.as_json(request, self.state.trace(request.id))
        self.run_worker(self._export(export.file_name(request), text), name="export")

    def action_next_theme(self) -> None:
        """Changes the colours."""
        self.theme = themes.following(self.theme)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own colours, for Textual's themes."""
        return colours.DARK.variables

    def get_line_filters(self) -> Sequence[LineFilter]:
        """What is done to colours at the very end. NO_COLOR has chosen a theme already, where nothing else did.

        Textual looks in each row of each frame for a terminal's own colours. All of ours are true ones.
        """
        if self.theme == themes.MONO:
            return [WITHOUT_COLOUR]
        needless = (Monochrome, ANSIToTruecolor)
        return [line_filter for line_filter in super().get_line_filters() if not isinstance(line_filter, needless)]

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the command palette offers."""
        yield from palette.commands(self, screen)
        yield from palette.found_commands(self, destinations(self.state, self.places))

    def action_help(self) -> None:
        """Shows all keys."""
        self.push_screen(HelpScreen(self.view.NAME if self.view else EVERYWHERE, key_help(self.views.values())))

    @on(View.Cancel)
    def _cancel(self, message: View.Cancel) -> None:
        request = message.request
        if not request.live:
            self.show_message(f"{subject(request)} has ended already", "muted")
            return
        self.run_worker(self._send(Command(0, "cancel", id=request.id), f"cancelled {subject(request)}"), name="cancel")

    async def _send(self, command: Command, done: str) -> None:
        """Sends a command and says what came of it."""
        reply = await self.source.send(command)
        if reply.ok:
            self.show_message(done, "good")
        else:
            self.show_message(f"could not {command.command.removeprefix('key.')}: {reply.error}", "bad")

    def show_message(self, text: str, tone: Tone) -> None:
        """Tells something in the last line for a few seconds."""
        if self.view is not None:
            self.view.show_message(text, tone, self.clock() + timedelta(seconds=STATUS_S))

    def _fatal_error(self) -> None:
        """Replaces Textual's report of a crash, which prints local variables: those hold prompts and answers."""
        report = Text(neutralise(traceback.format_exc()))
        if not isinstance(sys.exception(), BrokenPipeError):  # a page that is gone reads no report
            self._exit_renderables.append(Segments(self.console.render(report, self.console.options)))
        self._close_messages_no_wait()
