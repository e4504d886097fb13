"""A bar of one line. The header, the banner, the last line and the like are such bars with something of their own."""

from __future__ import annotations

from typing import ClassVar

from textual.strip import Strip
from textual.widget import Widget

from monitor.lines.span import Line
from monitor.widgets.paint import GROUND, paint


class LineBar(Widget):
    """Shows a line; paints it only where it changed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = GROUND
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self._line: Line = ()

    def put(self, line: Line) -> None:
        """Takes over the line."""
        if line != self._line:
            self._line = line
            self.refresh()

    def render_line(self, y: int) -> Strip:
        return paint(self, self._line if y == 0 else (), self.size.width)
