"""The dashboard's process: a source delivers, a state folds, a screen is drawn from it at most fifteen times a second
(`monitor.terminal.frame_rate`).

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

from bridge.events.entries import Interception
from bridge.events.wire import Command, Hello, Reply, Snapshot
from bridge.process import parent
from monitor import export
from monitor.lines import format as fmt
from monitor.lines import messages
from monitor.lines.format import neutralise
from monitor.lines.span import Tone
from monitor.screens import palette
from monitor.screens.cancelling import Cancelling
from monitor.screens.colon import ColonScreen
from monitor.screens.confirm import ConfirmScreen
from monitor.screens.help import EVERYWHERE, HelpChoice, HelpScreen, key_help
from monitor.screens.keys import KeysScreen
from monitor.screens.live import LiveScreen
from monitor.screens.reasoning import ReasoningScreen
from monitor.screens.request import RequestScreen
from monitor.screens.totals import TotalsScreen
from monitor.screens.typed_commands import TypedCommands
from monitor.screens.view import STATUS_S, Frame, View
from monitor.screens.walkthrough import WalkthroughScreen
from monitor.sources.bridge_socket import Source
from monitor.sources.day_reader import DayReader
from monitor.sources.lessons import Lessons
from monitor.state.alerts import Alerts
from monitor.state.counted import earlier_turns
from monitor.state.past import A_SEARCH, BEFORE, FOUND, MOST, TURNS
from monitor.state.request_list import Listing
from monitor.state.sessions import SessionAgent
from monitor.state.state import Incoming, MonitorState
from monitor.styles import colours, themes
from monitor.terminal.frame_rate import FrameRate
from monitor.terminal.lending import LentTerminal, NotLent
from monitor.widgets.views import VIEWS, ViewsBar

TICK_S = 0.5
SOON_S = 0.001
"""A frame that is due is painted after what has come already was taken in."""

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
        Binding("b", "alerts", "Bell", show=False),
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
        lessons: Lessons | None = None,
    ) -> None:
        super().__init__()
        self.source = source
        self.place = place
        self.clock = clock
        self.state = MonitorState()
        self.listing = Listing()
        self.alerts = Alerts()
        self.cancelling = Cancelling(self)
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
        self._lessons = lessons
        self.terminal = LentTerminal(self)
        self.typed_commands = TypedCommands(self)
        self._frame_timer: Timer | None = None
        self._frame_rate = FrameRate()
        self._snapshot_requested = False
        self._looked_before: Hello | None = None
        self._day = DayReader(self._ask_the_record)
        self._asking = asyncio.Lock()
        """One question to the record at a time: what comes is about the last one."""
        self._runs_on: asyncio.AbstractEventLoop | None = None
        self._is_to_end = False

    def get_default_screen(self) -> LiveScreen:
        """The live view is what everything else opens over."""
        return self.live

    def on_mount(self) -> None:
        for theme in colours.THEMES.values():
            self.register_theme(theme)
        self.theme = self._theme
        if self._lessons is not None:
            self.push_screen(WalkthroughScreen(lessons=self._lessons))
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
        self.cancelling.tell()
        if self.state.gap and not self._snapshot_requested:
            self._snapshot_requested = True
            self.run_worker(self._catch_up(), name="catch up")
        if isinstance(incoming, Snapshot):
            self._look_before()
            self.run_worker(self._day.catch_up(self.state, self.clock), name="day")
        if self._frame_timer is None and not self._is_overlaid:
            self._ask_for_a_frame(self._frame_rate.wait_s())

    def _ask_for_a_frame(self, wait_s: float) -> None:
        self._frame_timer = self.set_timer(max(SOON_S, wait_s), self._paint_if_due)

    def _paint_if_due(self) -> None:
        """Most of what a frame costs is known only by the time when the next one should come."""
        if (wait_s := self._frame_rate.wait_s()) > SOON_S:
            self._ask_for_a_frame(wait_s)
        else:
            self.paint()

    def _look_before(self) -> None:
        """Asks once for the last requests before this bridge, unless it has told more than it holds itself."""
        hello, picture = self.state.hello, self.state.picture
        if hello is None or hello == self._looked_before or picture.totals.forgotten:
            return
        self._looked_before = hello
        own = [each for id_, each in picture.interceptions.items() if id_ not in self.state.earlier]
        first = min(own, key=lambda request: request.started_at).id if own else None  # in the record's order
        self.run_worker(self._ask_the_record(None, Command(0, "history", before=first, limit=BEFORE)), name="before")

    async def _ask_the_record(self, session: str | None, command: Command) -> Reply:
        """Asks for past requests, as `RecordedPast.expect` says; the state takes them in before the reply is there."""
        async with self._asking:
            self.state.past.expect(session)
            return await self.source.send(command)

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
        self._frame_rate.note()
        frame, view = self._frame(), self.view
        if view is not None and view.is_mounted:
            view.draw(frame)
        self.cancelling.tell()
        if begun := self.alerts.due(self.state, frame.now):
            self._ring(*messages.alerts(begun, self.state))

    def _ring(self, text: str, tone: Tone) -> None:
        """Rings, and says why to a terminal that shows notifications (OSC 9)."""
        shown = neutralise(text).replace("\n", " ")
        self.show_message(shown, tone)
        if self._driver is not None:
            self._driver.write(f"\a\x1b]9;{shown}\a")

    def action_alerts(self) -> None:
        """Rings from now on when something begins that a person should look after, or does so no more."""
        self.alerts.switch(self.state, self.clock())
        self.show_message(messages.BELL if self.alerts.wanted else "no bell", "good")

    def _frame(self) -> Frame:
        hello = self.state.hello
        return Frame(self.state, self.clock(), hello.url if hello else None, self.place)

    def read_session(self, request: str | None) -> None:
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
            self.read_session(self.listing.selection.id)
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

    @on(LiveScreen.SearchRecord)
    def _search_record(self, message: LiveScreen.SearchRecord) -> None:
        self.run_worker(self._find_in_record(message.text), name="search")  # a late answer must find who asked for it

    async def _find_in_record(self, text: str) -> None:
        """Lists the last requests in which a text stands, also those that the bridge knows no more."""
        self.state.past.wanted = text
        reply = await self._ask_the_record(A_SEARCH, Command(0, "history", text=text, limit=FOUND))
        self.paint()
        if not reply.ok:
            self.state.past.wanted = None
            self.show_message(f"the record was not searched: {reply.error}", "muted")

    @on(ReasoningScreen.Older)
    def _load_older(self, message: ReasoningScreen.Older) -> None:
        loading = self._ask_for_older(message.agent, message.number)
        self.run_worker(loading, name="history", group="history", exclusive=True)

    async def _ask_for_older(self, agent: SessionAgent, number: int | None) -> None:
        """Asks the record for the turns before the first that is known of a session, until that `number` is among
        them."""
        past, known = self.state.past, len(self.state.past.turns)
        while (why_not := self._why_none_older(agent)) is None:
            session = self.state.roster.session(agent.last.id)
            assert session is not None  # noqa: S101  else there is a reason
            command = Command(0, "history", before=session.requests[0].id, session=session.session_id, limit=TURNS)
            reply = await self._ask_the_record(session.id, command)
            if not reply.ok:
                self.show_message(f"could not load: {reply.error}", "bad")
                return
            if number is None or self._reaches(agent, number):
                break
        loaded = len(past.turns) - known
        if loaded or why_not is None:
            self.show_message(f"{fmt.plural(loaded, 'older turn')} loaded", "good")
            self.paint()
        if number is not None and not self.reasoning.go_to_loaded(agent, number):
            self.show_message(f"turn {number} can't be loaded: {why_not}", "muted")
        elif why_not is not None and number is None:
            self.show_message(why_not, "muted")

    def _reaches(self, agent: SessionAgent, number: int) -> bool:
        now = self.state.roster.agent(agent.last.id)
        return now is None or earlier_turns(self.state, now) < number

    def _why_none_older(self, agent: SessionAgent) -> str | None:
        """Why no older turns of that agent's session can be asked for; None where they can."""
        past, session = self.state.past, self.state.roster.session(agent.last.id)
        if session is None or session.session_id is None:
            return "its requests say no session, so the record can't tell which are its own"
        if session.id in past.whole:
            return "the record holds nothing older of this session"
        if past.full:
            return f"no more than {MOST} older turns are kept; the rest is in the record"
        return None

    @on(RequestScreen.Read)
    def _read_session(self, message: RequestScreen.Read) -> None:
        self.read_session(message.request)
        self.action_view("reasoning")

    @on(KeysScreen.SendCommand)
    def _send_key_commands(self, message: KeysScreen.SendCommand) -> None:
        self.run_worker(self._send_all(message.commands, message.done), name="key")

    @on(KeysScreen.Open)
    def _open_request_of_key(self, message: KeysScreen.Open) -> None:
        self.request.open(message.request)
        self.action_view("request")

    @on(TotalsScreen.ListRequests)
    def _list_requests(self, message: TotalsScreen.ListRequests) -> None:
        self.typed_commands.list_requests(message.query)

    @on(RequestScreen.Export)
    def _export_request(self, message: RequestScreen.Export) -> None:
        self.export(message.name, message.text)

    def export(self, name: str, text: str) -> None:
        """Saves a text under that name, in the first place where that can be done."""
        self.run_worker(self._export(name, text), name="export")

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
        self.lend(self.terminal.page(message.text, message.name))

    @on(RequestScreen.Dump)
    def _read_dump(self, message: RequestScreen.Dump) -> None:
        id_ = message.request.id
        self.lend(self.terminal.page_dump(id_, f"clearspan-{export.safe(id_)}.http"))

    def lend(self, borrow: Coroutine[Any, Any, None]) -> None:
        """Lends the terminal to a program."""

        async def lend() -> None:
            try:
                await borrow
            except NotLent as error:
                self.show_message(str(error), "warn")
            self.paint()

        self.run_worker(lend(), name="pager")

    def action_walkthrough(self) -> None:
        """Goes step by step through the request at hand, else through the one that is selected."""
        if not isinstance(self.screen, View) or isinstance(self.screen, WalkthroughScreen):
            return
        request = self._stepped_through
        if request is not None:
            self.push_screen(WalkthroughScreen(request))

    @property
    def _stepped_through(self) -> Interception | None:
        """The request that one would step through from here."""
        shown = self.screen.at_hand if isinstance(self.screen, View) else None
        return shown or self.listing.selected

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where one steps through a request already, or there is none, there is no key for it.

        A monitor that somebody started is not stopped by itself: the shell waits for that one, and would go on waiting.
        """
        if action == "suspend_process" and parent.VARIABLE in os.environ:
            return False
        if action == "colon" and not isinstance(self.screen, View):
            return False
        if action == "walkthrough" and self.screen_stack:
            return not isinstance(self.screen, WalkthroughScreen) and self._stepped_through is not None
        return super().check_action(action, parameters)

    def action_redraw(self) -> None:
        """Draws the whole screen: something else wrote on it, or it was another's for a while."""
        self.screen.refresh(layout=True)

    def action_colon(self) -> None:
        """Takes a command that is typed."""
        known = self.typed_commands.known()
        self.push_screen(
            ColonScreen(known), lambda text: None if text is None else self.typed_commands.obey(text, known)
        )

    def action_go_to(self, word: str, about: str) -> None:
        """Does what a typed command says; `about` is the name of what it is about, or any text."""
        self.typed_commands.go_to(word, about)

    def run_later(self, action: str) -> None:
        """Runs one of its actions once what is in front is closed."""
        self.call_later(self.run_action, action)

    def use_theme(self, name: str | None = None) -> str:
        """Changes the colours, if a name is given; the name of those that there are then."""
        if name is not None:
            self.theme = name
        return self.theme

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
        yield from palette.found_commands(self, self.typed_commands.known())

    def action_help(self) -> None:
        """Shows all keys, and does what is chosen of them."""
        shown = HelpScreen(self.view.NAME if self.view else EVERYWHERE, key_help(self.views.values()))
        self.push_screen(shown, self._act)

    def _act(self, choice: HelpChoice | None) -> None:
        """Presses a key of the view in front, or of all; goes to the view whose key it is."""
        if choice is None:
            return
        if choice.section in self.views and self.view is not self.views[choice.section]:
            self.call_later(self.action_view, choice.section)
        else:
            self.call_later(self.simulate_key, choice.key)

    @on(View.Cancel)
    def _cancel(self, message: View.Cancel) -> None:
        self.cancelling.cancel(message.request, asks=message.asks)

    def ask(self, question: ConfirmScreen, answered: Callable[[bool | None], None]) -> None:
        """Asks a person."""
        self.push_screen(question, answered)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Has something done beside all else; it ends with the app."""
        self.run_worker(work, name=name)

    async def _send_all(self, commands: Sequence[Command], done: str) -> None:
        """Sends commands one after the other, each whatever became of the one before, and says what came of them."""
        errors = [
            f"could not {command.command.removeprefix('key.')}: {reply.error}"
            for command in commands
            if not (reply := await self.source.send(command)).ok
        ]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        self.show_message(*((f"{errors[0]}{more}", "bad") if errors else (done, "good")))

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
