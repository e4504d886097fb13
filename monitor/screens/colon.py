"""The line behind `:`, with what one may go on to type above it, a line each."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from monitor.lines import format as fmt
from monitor.lines.span import Line
from monitor.state.typed_command import CommandChoice, Destinations, NoCommand, choices, read
from monitor.widgets.lines import Lines
from monitor.widgets.paint import TONES

SHOWN = 10
"""Choices shown at once."""


class ColonScreen(ModalScreen[str | None]):
    """Gives back what was typed, once it is a command; None where somebody thought better of it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = TONES
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close", show=False),
        Binding("tab", "complete", "Complete", show=False, priority=True),
        Binding("down", "choose(1)", "Next choice", show=False, priority=True),
        Binding("up", "choose(-1)", "Choice before", show=False, priority=True),
    ]

    def __init__(self, destinations: Destinations) -> None:
        super().__init__()
        self._destinations = destinations
        self._chosen: int | None = None
        self._choices: list[CommandChoice] = []
        self._lines = Lines(id="choices")
        self._trouble = Static(id="trouble")
        self._field = Input(compact=True, select_on_focus=False)

    def compose(self) -> ComposeResult:
        with Vertical(id="colon"):
            yield self._lines
            yield self._trouble
            with Horizontal():
                yield Static(Content(" : "))
                yield self._field

    def on_mount(self) -> None:
        self._trouble.display = False
        self._field.focus()
        self._offer("")

    @on(Input.Changed)
    def _take_text(self, event: Input.Changed) -> None:
        self._trouble.display = False
        if self._chosen is None or event.value != self._choices[self._chosen].typed:
            self._offer(event.value)

    def _offer(self, text: str) -> None:
        self._chosen = None
        self._choices = choices(text, self._destinations)
        self._draw()

    def _draw(self) -> None:
        first = max(0, (self._chosen or 0) - SHOWN + 1)
        shown = self._choices[first : first + SHOWN]
        width = max((len(choice.text) for choice in shown), default=0)
        lines: list[Line] = [
            (
                (f" {fmt.fit(choice.text, min(width, self.app.size.width // 2))}  ", "live" if here else "plain"),
                (choice.meaning, "muted"),
            )
            for here, choice in ((first + number == self._chosen, choice) for number, choice in enumerate(shown))
        ]
        if len(self._choices) > len(shown):
            lines.append(((f" … {len(self._choices)} in all", "muted"),))
        self._lines.show(lines)

    def action_choose(self, step: int) -> None:
        """Takes over the next choice, or the one before."""
        if self._choices:
            here = -1 if self._chosen is None and step > 0 else self._chosen or 0
            self._chosen = (here + step) % len(self._choices)
            self._put(self._choices[self._chosen].typed)
            self._draw()

    def action_complete(self) -> None:
        """Completes what is typed by the first choice."""
        if self._choices:
            self._put(self._choices[self._chosen or 0].typed)

    def _put(self, text: str) -> None:
        self._field.value = text
        self._field.cursor_position = len(text)

    @on(Input.Submitted)
    def _try(self, event: Input.Submitted) -> None:
        try:
            read(event.value, self._destinations)
        except NoCommand as trouble:
            self._trouble.update(Content(f" {fmt.one_line(str(trouble))}"))
            self._trouble.display = True
            self._field.select_all()  # what is typed next is another command
        else:
            self.dismiss(event.value)
