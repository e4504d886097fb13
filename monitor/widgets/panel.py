"""Panels that scroll. They have in common their keys, that they move at once, and how they stick to the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.color import Color
from rich.segment import Segment, Segments
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.scrollbar import ScrollBar, ScrollBarRender

from monitor.lines.span import Line
from monitor.widgets.paint import GROUND
from monitor.widgets.rows import EMPTY, PaintedRow, ScrolledRows


class ApartFromText(ScrollBarRender):
    """A bar of two cells keeps the first one blank: text that reaches as far as it may does not touch it."""

    @classmethod
    def render_bar(  # noqa: PLR0913, PLR0917  Textual's own parameters
        cls,
        size: int = 25,
        virtual_size: float = 50,
        window_size: float = 20,
        position: float = 0,
        thickness: int = 1,
        vertical: bool = True,
        back_color: Color = Color.default(),  # noqa: B008  as Textual has it
        bar_color: Color = Color.default(),  # noqa: B008
    ) -> Segments:
        """Textual's own, of one cell, and what stands before it."""
        apart = vertical and thickness > 1
        cells = 1 if apart else thickness
        bar = super().render_bar(size, virtual_size, window_size, position, cells, vertical, back_color, bar_color)
        if not apart:
            return bar
        blank = Segment(" " * (thickness - 1), Style(bgcolor=back_color))
        rows = [part for segment in bar.segments for part in (blank, segment, Segment.line())]
        return Segments(rows)


ScrollBar.renderer = ApartFromText


ROUND_TITLE = 4
"""Cells of a panel's rule that its title leaves on both sides."""


class Panel(ScrolledRows):
    """Scrolls without animation: an animated line is slower than a key's repeat.

    With `tail` it stays at the end until somebody scrolls away from there.
    """

    DEFAULT_CLASSES = "panel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_down", "Scroll", show=False),
        Binding("up,k", "scroll_up", "Up", show=False),
        Binding("pagedown,space,ctrl+d", "page_down", "Page down", show=False),
        Binding("pageup,ctrl+u", "page_up", "Page up", show=False),
        Binding("home,g", "scroll_home", "Top", show=False),
        Binding("end,G", "scroll_end", "Bottom", show=False),
    ]

    def __init__(self, *, tail: bool = False, id: str | None = None) -> None:  # noqa: A002  Textual's own word
        super().__init__(id=id)
        self._tail = tail
        self._stuck = tail
        self._own_move = False

    @property
    def content_width(self) -> int:
        """Cells that a line may have."""
        return max(10, self.container_size.width - self.styles.scrollbar_size_vertical)

    @property
    def at_bottom(self) -> bool:
        """Whether its last line is in view."""
        return self.scroll_offset.y >= self.max_scroll_y

    def _set_height(self, lines: int) -> None:
        self._own_move = True  # a shorter text moves the view by itself
        super()._set_height(lines)
        self._own_move = False

    def _jump(self, y: int) -> None:
        self._own_move = True
        self.scroll_to(y=y, animate=False, force=True)
        self._own_move = False

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._tail and not self._own_move:  # a person scrolled, by whatever means
            self._stuck = self.at_bottom

    def action_scroll_down(self) -> None:
        """Goes down by a line."""
        self.scroll_relative(y=1, animate=False)

    def action_scroll_up(self) -> None:
        """Goes up by a line."""
        self.scroll_relative(y=-1, animate=False)

    def action_page_down(self) -> None:
        """Goes down by a screenful, one line less, so that the eye finds its place."""
        self.scroll_relative(y=self.container_size.height - 1, animate=False)

    def action_page_up(self) -> None:
        """Goes up by a screenful."""
        self.scroll_relative(y=1 - self.container_size.height, animate=False)

    def action_scroll_home(self) -> None:
        """Goes to the beginning."""
        self.scroll_to(y=0, animate=False)

    def action_scroll_end(self) -> None:
        """Goes to the end."""
        self.scroll_to(y=self.max_scroll_y, animate=False)


class LinesPanel(Panel, can_focus=True):
    """Shows lines that others make; some of them may be the chosen ones."""

    COMPONENT_CLASSES: ClassVar[set[str]] = GROUND | {"row--selected"}

    def __init__(self, *, tail: bool = False, id: str | None = None) -> None:  # noqa: A002  Textual's own word
        super().__init__(tail=tail, id=id)
        self.takes_room = not tail  # what one follows at its end has its room already
        self._lines: Sequence[Line] = ()
        self._chosen = range(0)
        self.heads = 0
        """How many of its lines, the first ones, stay where they are: columns' titles do not scroll away."""

    def show(self, lines: Sequence[Line], chosen: range = range(0)) -> None:
        """Takes over the lines; paints only where they changed."""
        if lines == self._lines and chosen == self._chosen:
            return
        grown, moved = len(lines) != len(self._lines), chosen != self._chosen
        self._lines, self._chosen = lines, chosen
        if grown:
            self._set_height(len(lines))
            if self._stuck:
                self._jump(self.max_scroll_y)
        if moved and chosen:
            self._reveal()
        self.paint_changes()

    def on_resize(self) -> None:
        if self._stuck:
            self._jump(self.max_scroll_y)

    def restart(self) -> None:
        """Something else is shown from here on."""
        self._stuck = self._tail
        self._jump(self.max_scroll_y if self._tail else 0)

    def _reveal(self) -> None:
        height, top = self.scrollable_content_region.height, self.scroll_offset.y
        if self._chosen.start < top + self.heads:
            above = self.heads + (self.heads > 0)  # and what it stands below, as a group its name
            self.scroll_to(y=max(0, self._chosen.start - above), animate=False)
        elif self._chosen.stop > top + height:
            self.scroll_to(y=min(self._chosen.start, self._chosen.stop - height), animate=False)

    def row(self, y: int) -> PaintedRow:
        index = y if y < self.heads else y + self.scroll_offset.y
        return (self._lines[index], index in self._chosen) if index < len(self._lines) else EMPTY
