"""Widgets of rows, of which only those are painted again whose line is another than the one that stands there.

To paint a row costs twenty times what it costs to make and compare its line, and most rows of a frame are as they
were in the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from textual.content import Content
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from monitor.lines.span import Line
from monitor.widgets.paint import paint

PaintedRow = tuple[Line, bool]
"""A line, and whether it is the selected one."""

EMPTY: PaintedRow = ((), False)

STRIPS = 256
"""Painted rows that are kept: those that a text which scrolls, or a row that comes back, shows again."""


# To Textual a widget's first base that is a widget is its only one: from there come its style and its keys.
if TYPE_CHECKING:
    _Mixin = Widget
else:
    _Mixin = object


class Rows(_Mixin):
    """Says what stands in each row; to be mixed in before the widget that it is."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own word
        super().__init__(id=id)
        self._rows: dict[int, PaintedRow] = {}
        self._strips: dict[tuple[PaintedRow, int], Strip] = {}
        self._title = ""
        self._is_being_entitled = False

    def row(self, y: int) -> PaintedRow:
        """What stands in the row, counted from the top of what is in view."""
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        row = self._rows[y] = self.row(y)
        width = self.scrollable_content_region.width
        strip = self._strips.get((row, width))
        if strip is None:
            line, selected = row
            base = self.get_component_rich_style("row--selected") if selected else None
            if len(self._strips) >= STRIPS:
                self._strips.clear()
            strip = self._strips[row, width] = paint(self, line, width, base)
        return strip

    def notify_style_update(self) -> None:
        self._strips.clear()
        super().notify_style_update()

    def paint_changes(self) -> None:
        """Has the rows painted that changed."""
        width, height = self.scrollable_content_region.size
        changed = [Region(0, y, width, 1) for y in range(height) if self.row(y) != self._rows.get(y)]
        if changed:
            self.refresh(*changed)

    def entitle(self, title: str) -> None:
        """Gives it its title, as content: a plain string would be read as markup."""
        if title != self._title:
            self._title, self._is_being_entitled = title, True
            self.border_title = Content(title)
            self._is_being_entitled = False

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Textual's own, which has the whole widget painted where only its title is another."""
        if self._is_being_entitled:
            top = -self.content_offset.y
            regions = (Region(-self.content_offset.x, top, self.outer_size.width, 1),)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


class ScrolledRows(Rows, ScrollView, inherit_bindings=False):
    """Rows of which some are in view. Nothing in it is wider than it is, so the arrows to both sides are the view's."""

    takes_room = False
    """Whether the layout gives it as much room as it has lines."""
    _asked: int | None = None

    def ask_for(self, lines: int | None) -> None:
        """Has the layout give it so many lines below its title, where its height follows what is in it; None: as many
        as it has."""
        if lines != self._asked:
            self._asked = lines
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return super().get_content_height(container, viewport, width) if self._asked is None else self._asked

    def _set_height(self, lines: int) -> None:
        """Says how many lines there are to scroll through.

        Textual would lay out the whole screen anew for it, which costs more than to paint it.
        """
        size = Size(0, lines)
        if self.takes_room:
            self.virtual_size = size
        elif size != self.virtual_size:
            self.set_reactive(Widget.virtual_size, size)
            self._scroll_update(size)
