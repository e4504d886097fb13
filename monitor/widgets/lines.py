"""Lines that others make, as they are: no scrolling, nothing to choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual.strip import Strip
from textual.widget import Widget

from monitor.lines.span import Line
from monitor.widgets.paint import GROUND, paint


class Lines(Widget):
    """Shows lines from the top; with `centred` they stand in the middle of the width as one picture."""

    COMPONENT_CLASSES: ClassVar[set[str]] = GROUND
    ALLOW_SELECT = False

    def __init__(self, *, centred: bool = False, id: str | None = None) -> None:  # noqa: A002  Textual's own word
        super().__init__(id=id)
        self._centred = centred
        self._lines: Sequence[Line] = ()

    def show(self, lines: Sequence[Line]) -> None:
        """Takes over the lines; paints only where they changed."""
        if lines != self._lines:
            grown = len(lines) != len(self._lines)
            self._lines = lines
            self.refresh(layout=grown and self.styles.is_auto_height)

    def get_content_height(self, *_sizes: object) -> int:
        return len(self._lines)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        line = self._lines[y] if y < len(self._lines) else ()
        if self._centred and line:
            widest = max(sum(cell_len(text) for text, _tone in each) for each in self._lines)
            line = ((" " * max(0, (width - widest) // 2), "plain"), *line)
        return paint(self, line, width)
