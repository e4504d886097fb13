"""The keys view: every key's health, limits and uses, and what happened to it; reset, check, disable, enable them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.message import Message

from bridge.events.key_health import KeyName
from bridge.events.vocabulary import KeyChanged
from bridge.events.wire import Command
from monitor.lines import format as fmt
from monitor.lines import key_commands, key_details, key_panel, key_table
from monitor.lines.key_details import Ledger
from monitor.lines.key_table import Table
from monitor.screens.confirm import ConfirmScreen
from monitor.screens.view import Frame, View
from monitor.state.key_list import ORDERS, KeyList
from monitor.state.ledger_entry import LedgerEntry
from monitor.state.state import Status
from monitor.widgets.empty_state import EmptyState
from monitor.widgets.keys import KeyTable, LedgerPanel
from monitor.widgets.lines import Lines
from monitor.widgets.typed import TypedLine

HINT = "words to find; key: provider: state:, ! for not"

LEDGER = 4
"""Lines that stay for the ledger, its title among them, where there is little room: why a key rests stands there."""

BESIDE = 190
"""Columns from which on the details may stand beside a table that is too long to have them below."""


class KeysScreen(View):
    """A key is selected by its name: it stays selected while others come and go. Commands go to the marked ones."""

    NAME = "keys"
    KEY_HELP = (
        ("↑ ↓ j k g G", "select a key, an entry of the ledger"),
        ("Tab", "from the keys to the ledger, and back"),
        ("Enter", "open the entry's request"),
        ("/", "filter: words, key: provider: state:"),
        ("s", "sort: trouble, next ready, used, $"),
        ("Space", "mark it, or take its mark away"),
        ("r", "reset: end its cooldown, try again"),
        ("p", "probe: check a dead key, try one that cools"),
        ("d e", "disable it, enable it"),
        ("Escape", "take marks, then the filter away; back"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", key_display="⏎"),
        Binding("r", "reset", "Reset"),
        Binding("p", "probe", "Probe"),
        Binding("d", "disable", "Disable"),
        Binding("e", "enable", "Enable"),
        Binding("s", "sort", "Sort"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("escape", "back", "Back", show=False),
    ]

    class SendCommand(Message):
        """Commands about keys, and what to say when all are done."""

        def __init__(self, commands: Sequence[Command], done: str) -> None:
            super().__init__()
            self.commands, self.done = commands, done

    class Open(Message):
        """Somebody wants to see that request alone."""

        def __init__(self, request: str) -> None:
            super().__init__()
            self.request = request

    def __init__(self) -> None:
        super().__init__(classes="-blank")
        self.selected_name: KeyName | None = None
        self.listing = KeyList()
        self._index = 0
        self._entry = 0
        self._entries: list[LedgerEntry] = []
        self._offered: object = None
        self._table = Table((), ())
        self._ledger = Ledger((), ())
        self.empty_state = EmptyState()
        self.panels = Container(id="key-panels")
        self.panel = KeyTable(id="key-table")
        self.panel.heads = 1
        self.details = Vertical(id="key-details")
        self.facts = Lines(id="key-facts")
        self.history = LedgerPanel(id="key-ledger")
        self.typed = TypedLine(" / ", HINT)

    def body(self) -> ComposeResult:
        yield self.empty_state
        with self.panels:
            yield self.panel
            with self.details:
                yield self.facts
                yield self.history

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield self.typed

    def draw_body(self, frame: Frame) -> None:
        state = frame.state
        blank = not state.picture.keys
        if self.has_class("-blank") != blank:
            self.set_class(blank, "-blank")
            self.refresh_bindings()
            if not blank:
                self.panel.focus()
        if blank:
            self.empty_state.show(state, frame.url, frame.place, keys=True)
            return
        self.listing.update(state, frame.now)
        self._settle()
        height = self.panels.size.height
        room = height if self.has_class("-beside") else height // 2
        self._table = key_table.table(state, self.listing, frame.now, self.panel.content_width, room)
        self._arrange(len(self._table.lines), height)
        self.panel.show(self._table.lines, self._table.place(self.selected_name))
        self.panel.entitle(self._title(frame))
        self._draw_details(frame)
        offered = [self.check_action(binding.action, ()) for binding in self.BINDINGS if isinstance(binding, Binding)]
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()

    def _title(self, frame: Frame) -> str:
        listed, query = self.listing, self.listing.query.strip()
        parts = [f"{len(listed.names)} of {listed.total} /{query[:40]}"] if query else []
        if listed.marks:
            parts.append(f"{len(listed.marks)} marked")
        if listed.order:
            parts.append(ORDERS[listed.order])
        return f"Keys  {' · '.join([*parts, key_panel.summary(frame.state, frame.now)])}"

    def _arrange(self, lines: int, height: int) -> None:
        """Details stand below the table, or beside it where it would leave them too little room."""
        beside = self.size.width >= BESIDE and lines > height // 2
        if self.has_class("-beside") != beside:
            self.set_class(beside, "-beside")
            self.call_after_refresh(self.redraw)

    def _draw_details(self, frame: Frame) -> None:
        key = self.chosen
        if key is None:
            self.facts.show(())
            self.history.show(())
            self.history.entitle("Nothing is selected")
            return
        room = self.details.size.height - LEDGER
        self.facts.show(key_details.facts(key, frame.state, frame.now, self.facts.size.width - 2, room))
        self._entries = frame.state.ledger.of((key.provider, key.key))
        roster, width = frame.state.roster, self.history.content_width
        self._ledger = key_details.ledger(self._entries, roster, frame.now, width)
        self._entry = min(self._entry, max(0, len(self._entries) - 1))
        chosen = self._ledger.places[self._entry] if self._entries else range(0)
        left = self.history.scrollable_content_region.height - len(self._ledger.lines)
        others = key_details.elsewhere(frame.state, (key.provider, key.key), frame.now, width, left)
        self.history.show([*self._ledger.lines, *others], chosen)
        self.history.entitle(f"What happened to {fmt.one_line(key.provider)} {fmt.one_line(key.key)}")

    def _settle(self) -> None:
        """Where the selected key is gone, the one that took its place is selected."""
        names = self.listing.names
        if self.selected_name in names:
            self._index = names.index(self.selected_name)
        elif names:
            self._select(self._index)

    def _select(self, index: int) -> None:
        names = self.listing.names
        self._index = min(max(index, 0), len(names) - 1)
        if self.selected_name != names[self._index]:
            self.selected_name, self._entry = names[self._index], 0

    @property
    def chosen(self) -> KeyChanged | None:
        """The selected key, where it is listed."""
        if self.frame is None or self.selected_name not in self.listing.names:
            return None
        return self.frame.state.picture.keys.get(self.selected_name)

    @property
    def targets(self) -> list[KeyChanged]:
        """The keys that a command is for: the marked ones, or the selected one."""
        if self.frame is not None and self.listing.marks:
            return [key for name, key in self.frame.state.picture.keys.items() if name in self.listing.marks]
        return [self.chosen] if self.chosen is not None else []

    def action_choose(self, step: int) -> None:
        """Selects the key below, or above where negative."""
        if self.listing.names:
            self._select(self._index + step)
            self.redraw()

    def action_choose_entry(self, step: int) -> None:
        """Selects the entry below in the ledger, or above where negative."""
        self._entry = min(max(self._entry + step, 0), max(0, len(self._entries) - 1))
        self.redraw()

    def action_mark(self) -> None:
        """Marks the selected key for a command, or takes its mark away, and goes on to the next."""
        if self.selected_name is not None and self.chosen is not None:
            self.listing.mark(self.selected_name)
            self.action_choose(1)

    def action_sort(self) -> None:
        """Lists the keys in another order, and goes to the first: it is the one that was looked for."""
        self.listing.sort()
        self.selected_name, self._index = None, 0
        self.redraw()

    def action_filter(self) -> None:
        """Lists only what matches what is typed."""
        self.typed.open()

    @on(TypedLine.Typed)
    def _take_filter(self, message: TypedLine.Typed) -> None:
        self.listing.query = message.text
        self.redraw()

    @on(TypedLine.Closed)
    def _leave_filter(self) -> None:
        self.panel.focus()
        self.redraw()

    @property
    def _request(self) -> str | None:
        """The request of the selected entry, where the bridge still knows it."""
        id_ = self._entries[self._entry].request if self.chosen and self._entry < len(self._entries) else None
        return id_ if id_ is not None and self.frame and id_ in self.frame.state.picture.interceptions else None

    def action_open(self) -> None:
        """Shows the request of the selected entry from its first byte to its last."""
        if self._request is not None:
            self.post_message(self.Open(self._request))

    def action_reset(self) -> None:
        """Ends a cooldown, or gives a refused key another chance."""
        self._send("key.reset", "reset")

    def action_probe(self) -> None:
        """Has a dead key checked at once, and the next request try one that cools."""
        keys = self._those("key.reset")
        if keys:
            self._post(keys, "key.reset", key_commands.probed(keys))

    def action_enable(self) -> None:
        """Switches the keys on again."""
        self._send("key.enable", "enabled")

    def action_disable(self) -> None:
        """Switches the keys off, if that is meant."""
        keys = self._those("key.disable")
        if not keys or self.frame is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._post(keys, "key.disable", f"disabled {key_commands.named(keys)}")

        all_keys = list(self.frame.state.picture.keys.values())
        left = key_commands.left_over(keys, all_keys, self.frame.now)
        self.app.push_screen(ConfirmScreen(f"Disable {key_commands.named(keys)}?", left), answered)

    def _those(self, command: str) -> list[KeyChanged]:
        """The keys that a command is for and to which it does something."""
        return list(filter(key_commands.DOES[command], self.targets))

    def _send(self, command: str, done: str) -> None:
        keys = self._those(command)
        if keys:
            self._post(keys, command, f"{done} {key_commands.named(keys)}")

    def _post(self, keys: list[KeyChanged], name: str, done: str) -> None:
        commands = [Command(0, name, provider=key.provider, key=key.key) for key in keys]
        self.listing.marks.clear()
        self.post_message(self.SendCommand(commands, done))
        self.redraw()

    def action_back(self) -> None:
        """Takes the marks away, then the filter; back to where one came from."""
        if self.listing.marks:
            self.listing.marks.clear()
            self.redraw()
        elif self.listing.query:
            self.typed.field.value = ""
        else:
            self.post_message(self.Left())

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """The footer shows the keys that do something now."""
        if action in ("reset", "probe", "disable", "enable"):
            answers = (
                self.frame is not None and self.frame.state.status is Status.LIVE
            )  # neither a log does, nor who left
            return answers and bool(self._those("key.reset" if action == "probe" else f"key.{action}"))
        if action == "open":
            return self._request is not None
        return action not in ("filter", "sort") or not self.has_class("-blank")
