"""One thing of many, found by a few of its letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from attrs import frozen
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.fuzzy import Matcher
from textual.screen import ModalScreen
from textual.widgets import Input

from monitor.lines.span import Line
from monitor.widgets.paint import TONES
from monitor.widgets.panel import LinesPanel

WIDEST, FRAME = 100, 9
"""Cells of the panel, as the style sheet has it, and of what stands around a line in it."""


def line_width(terminal: int) -> int:
    """Cells that a line may have on a terminal of that width."""
    return min(WIDEST, terminal * 96 // 100) - FRAME


@frozen
class Choice:
    """`id` is what is given back; `line` is what one sees of it, and finds it by."""

    id: str
    line: Line

    @property
    def text(self) -> str:
        """The line as text."""
        return "".join(text for text, _tone in self.line)


def matching(choices: Sequence[Choice], typed: str) -> list[Choice]:
    """Those that have the letters typed, in their order; the best first. Nothing typed: all, as they come."""
    if not typed.strip():
        return list(choices)
    matcher = Matcher(typed.strip())
    scores = [(matcher.match(choice.text), choice) for choice in choices]
    return [choice for score, choice in sorted(scores, key=lambda pair: -pair[0]) if score > 0]


class PickerScreen(ModalScreen[str | None]):
    """Gives back the chosen one's id, or None."""

    COMPONENT_CLASSES: ClassVar[set[str]] = TONES
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "select(1)", "Next", priority=True),
        Binding("up", "select(-1)", "Previous", priority=True),
        Binding("enter", "choose", "Choose", priority=True),
        Binding("escape", "leave", "Leave", priority=True),
    ]

    def __init__(self, title: str, choices: Sequence[Choice], at: int = 0) -> None:
        super().__init__()
        self._title = title
        self._choices = choices
        self._found = list(choices)
        self._at = max(0, min(at, len(choices) - 1))
        self._field = Input(placeholder="a few letters of it", compact=True)
        self._list = LinesPanel(id="choices")

    def compose(self) -> ComposeResult:
        with Vertical(id="picker"):
            yield self._field
            yield self._list

    def on_mount(self) -> None:
        self._list.can_focus = False
        self._list.takes_room = False
        self._list.entitle(self._title)
        self._field.focus()
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        lines: list[Line] = [choice.line for choice in self._found]
        self._list.show(lines or [(("nothing has these letters", "muted"),)], range(self._at, self._at + bool(lines)))

    @on(Input.Changed)
    def _find(self, event: Input.Changed) -> None:
        self._found, self._at = matching(self._choices, event.value), 0
        self._draw()

    def action_select(self, step: int) -> None:
        """Goes to the one below, or above."""
        self._at = max(0, min(self._at + step, len(self._found) - 1))
        self._draw()

    def action_choose(self) -> None:
        """Gives back the selected one."""
        self.dismiss(self._found[self._at].id if self._found else None)

    def action_leave(self) -> None:
        """Chooses nothing."""
        self.dismiss(None)
