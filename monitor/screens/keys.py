"""The keys view: every key's health, limits and uses; reset, disable and enable them."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message

from bridge.events.values import KeyState
from bridge.events.vocabulary import KeyChanged
from bridge.events.wire import Command
from monitor.lines import format as fmt
from monitor.lines import key_table
from monitor.lines.key_table import Table
from monitor.screens.confirm import ConfirmScreen
from monitor.screens.view import Frame, View
from monitor.widgets.empty_state import EmptyState
from monitor.widgets.keys import KeyTable


class KeysScreen(View):
    """A key is selected by its name: it stays selected while others come and go."""

    NAME = "keys"
    KEY_HELP = (
        ("↑ ↓ j k g G", "select a key"),
        ("r", "reset: end its cooldown, try again"),
        ("d e", "disable it, enable it"),
        ("Escape", "back"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "reset", "Reset"),
        Binding("d", "disable", "Disable"),
        Binding("e", "enable", "Enable"),
        Binding("escape", "back", "Back", show=False),
    ]

    class SendCommand(Message):
        """A command about a key, and what to say when it is done."""

        def __init__(self, command: Command, done: str) -> None:
            super().__init__()
            self.command, self.done = command, done

    def __init__(self) -> None:
        super().__init__(classes="-blank")
        self.selected_name: tuple[str, str] | None = None
        self._index = 0
        self._offered: KeyState | None = None
        self._table = Table((), ())
        self.empty_state = EmptyState()
        self.panel = KeyTable(id="key-table")

    def body(self) -> ComposeResult:
        yield self.empty_state
        yield self.panel

    def draw_body(self, frame: Frame) -> None:
        state = frame.state
        blank = not state.picture.keys
        if self.has_class("-blank") != blank:
            self.set_class(blank, "-blank")
            self.refresh_bindings()
            if not blank:
                self.panel.focus()
        if blank:
            self.empty_state.show(state, frame.url, frame.place)
            return
        self._table = key_table.table(state, frame.now, self.panel.content_width)
        self._settle()
        chosen = self.chosen
        offered = chosen.state if chosen else None
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()
        self.panel.show(self._table.lines, self._table.place(self.selected_name))
        self.panel.entitle(f"Keys  {key_table.summary(state)} · uses of the last 10 minutes")

    def _settle(self) -> None:
        """Where the selected key is gone, the one that took its place is selected."""
        names = [name for name, _place in self._table.places]
        if self.selected_name in names:
            self._index = names.index(self.selected_name)
        elif names:
            self._index = min(self._index, len(names) - 1)
            self.selected_name = names[self._index]

    @property
    def chosen(self) -> KeyChanged | None:
        """The selected key."""
        if self.frame is None or self.selected_name is None:
            return None
        return self.frame.state.picture.keys.get(self.selected_name)

    def action_choose(self, step: int) -> None:
        """Selects the key below, or above where negative."""
        names = [name for name, _place in self._table.places]
        if names:
            self._index = min(max(self._index + step, 0), len(names) - 1)
            self.selected_name = names[self._index]
            self.redraw()

    def action_reset(self) -> None:
        """Ends a cooldown, or gives a refused key another chance."""
        self._send("key.reset", "reset")

    def action_enable(self) -> None:
        """Switches the key on again."""
        self._send("key.enable", "enabled")

    def action_disable(self) -> None:
        """Switches the key off, if that is meant."""
        key = self.chosen
        if key is None or self.frame is None:
            return
        pool = [other for other in self.frame.state.picture.keys.values() if other.provider == key.provider]
        others = sum(other.state is KeyState.VALID and other.key != key.key for other in pool)
        rest = f"{fmt.plural(others, 'valid key')} of this provider would be left." if others else "It is the last."
        question = f"Disable {fmt.one_line(key.provider)} {fmt.one_line(key.key)}?"

        def answered(yes: bool | None) -> None:
            if yes:
                self._post(key, "key.disable", "disabled")

        self.app.push_screen(ConfirmScreen(question, rest), answered)

    def _send(self, command: str, done: str) -> None:
        if self.chosen is not None:
            self._post(self.chosen, command, done)

    def _post(self, key: KeyChanged, name: str, done: str) -> None:
        command = Command(0, name, provider=key.provider, key=key.key)
        self.post_message(self.SendCommand(command, f"{done} {key.provider} {key.key}"))

    def action_back(self) -> None:
        """Back to where one came from."""
        self.post_message(self.Left())

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """The footer shows the keys that do something now."""
        state = self.chosen.state if self.chosen and not self.has_class("-blank") else None
        return {
            "reset": state in (KeyState.TEMPORARY, KeyState.PERMANENT),
            "disable": state not in (None, KeyState.DISABLED),
            "enable": state is KeyState.DISABLED,
        }.get(action, True)
