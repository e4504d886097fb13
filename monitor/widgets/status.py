"""The last line, when there is something to say: it takes the place of the keys for a few seconds."""

from __future__ import annotations

from typing import ClassVar

from textual.strip import Strip
from textual.widget import Widget

from monitor.lines import format as fmt
from monitor.lines.span import Span, Tone
from monitor.widgets.paint import GROUND, paint


class StatusLine(Widget):
    """One line of what has just happened."""

    COMPONENT_CLASSES: ClassVar[set[str]] = GROUND
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self.span: Span = ("", "plain")

    def say(self, text: str, tone: Tone) -> None:
        """Shows the text, made harmless."""
        self.span = (fmt.one_line(text), tone)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        return paint(self, ((" ", "plain"), self.span) if y == 0 else (), self.size.width)
