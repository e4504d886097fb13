"""A line to type into, in place of the last line: a filter or a search that works with every letter."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static


class _Field(Input):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "done", "Keep"),
        Binding("escape", "give_up", "Clear"),
        Binding("down,up,tab", "done", "Keep", show=False),
    ]

    def action_done(self) -> None:
        if isinstance(self.parent, TypedLine):
            self.parent.close(keep=True)

    def action_give_up(self) -> None:
        if isinstance(self.parent, TypedLine):
            self.parent.close(keep=False)


class TypedLine(Horizontal):
    """Open while somebody types; Enter keeps what was typed, Escape clears it."""

    class Typed(Message):
        """The text as it is now."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Closed(Message):
        """Typing is over; `kept` says whether the text stays in force."""

        def __init__(self, *, kept: bool) -> None:
            super().__init__()
            self.kept = kept

    def __init__(self, prompt: str, hint: str) -> None:
        super().__init__()
        self._prompt = Content(prompt)
        self.field = _Field(placeholder=hint, compact=True, select_on_focus=False)
        self.display = False

    def compose(self) -> ComposeResult:
        yield Static(self._prompt)
        yield self.field

    def open(self) -> None:
        """Shows the line, with what it held last, and takes the keyboard."""
        self.display = True
        self.field.cursor_position = len(self.field.value)
        self.field.focus()

    def close(self, *, keep: bool) -> None:
        """Gives the line back."""
        if not keep:
            self.field.value = ""
        self.display = False
        self.post_message(self.Closed(kept=keep))

    @on(Input.Changed)
    def _pass_on(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(event.value))
