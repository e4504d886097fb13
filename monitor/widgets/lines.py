"""Lines that others make, as they are: no scrolling, nothing to choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual.widget import Widget

from monitor.lines.span import Line
from monitor.widgets.paint import GROUND
from monitor.widgets.rows import EMPTY, PaintedRow, Rows


class Lines(Rows, Widget):
    """Shows lines from the top; with `centred` they stand in the middle of the width as one picture."""

    COMPONENT_CLASSES: ClassVar[set[str]] = GROUND

    def __init__(self, *, centred: bool = False, id: str | None = None) -> None:  # noqa: A002  Textual's own word
        super().__init__(id=id)
        self._centred = centred
        self._lines: Sequence[Line] = ()
        self._widest = 0

    def show(self, lines: Sequence[Line]) -> None:
        """Takes over the lines; paints only where they changed."""
        if lines != self._lines:
            grown = len(lines) != len(self._lines)
            self._lines = lines
            self._widest = max((sum(cell_len(text) for text, _tone in each) for each in lines), default=0)
            if grown and self.styles.is_auto_height:
                self.refresh(layout=True)
            else:
                self.paint_changes()

    def get_content_height(self, *_sizes: object) -> int:
        return len(self._lines)

    def row(self, y: int) -> PaintedRow:
        if y >= len(self._lines):
            return EMPTY
        line = self._lines[y]
        if self._centred and line:
            line = ((" " * max(0, (self.size.width - self._widest) // 2), "plain"), *line)
        return line, False
