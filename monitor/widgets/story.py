"""The selected request's story, streaming in.

It stays at the bottom while it is at the bottom. Scrolled up, the line at the top keeps its place, whatever grows
above or below it.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from typing import ClassVar

from attrs import frozen
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from bridge.events.snapshot import Interception
from monitor.columns import Line, Span
from monitor.story import Block, tell
from monitor.widgets.paint import TONES, paint
from monitor.wrap import Flow

EDGE = "▎ "


@frozen
class _Part:
    """A block as it is painted: its fixed lines, then the text's, then a blank one."""

    block: Block
    flow: list[str]
    count: int  # of the text's lines, which the flow goes on changing

    @property
    def height(self) -> int:
        return 1 + len(self.block.lines) + self.count + 1

    def line(self, offset: int) -> Line:
        block = self.block
        if offset == 0:
            return ((EDGE, block.tone), *block.heading)
        offset -= 1
        if offset < len(block.lines):
            return ((EDGE, block.tone), *block.lines[offset])
        offset -= len(block.lines)
        if offset < self.count:
            return ((EDGE, block.tone), _text(self.flow[offset], block.tone))
        return ()


def _text(line: str, tone: str) -> Span:
    """A line of a block's text. A summary's own headings, which come as `**…**`, are set in bold."""
    if tone == "reasoning-summary" and len(line) > 4 and line.startswith("**") and line.endswith("**"):
        return line[2:-2], "strong"
    return line, "plain"


class StoryView(ScrollView, can_focus=True):
    """One request as blocks of wrapped text."""

    COMPONENT_CLASSES: ClassVar[set[str]] = TONES
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_down", "Scroll", key_display="↑↓"),
        Binding("up,k", "scroll_up", "Up", show=False),
        Binding("pagedown,space,ctrl+d", "page_down", "Page down", show=False),
        Binding("pageup,ctrl+u", "page_up", "Page up", show=False),
        Binding("home,g", "scroll_home", "Top", show=False),
        Binding("end,G", "scroll_end", "Bottom", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._one: Interception | None = None
        self._now: datetime | None = None
        self._flows: dict[str, Flow] = {}
        self._blocks: list[Block] = []
        self._parts: list[_Part] = []
        self._starts: list[int] = []
        self._width = 0
        self._stuck = True
        self._own_move = False

    @property
    def at_bottom(self) -> bool:
        """Whether its last line is in view."""
        return self.scroll_offset.y >= self.max_scroll_y

    def show(self, one: Interception | None, now: datetime) -> None:
        """Takes over the selected request as it is now; paints only what changed."""
        if one is None:
            self._one, self._flows = None, {}
            self._lay_out([], keep=None)
            return
        another = self._one is None or self._one.id != one.id
        self._one, self._now = one, now
        blocks = tell(one, now)
        if another:
            self._flows = {}
            self._lay_out(blocks, keep=None)
            self._stuck = one.live  # what runs is read at its end, what is over from its beginning
            self._jump(self.max_scroll_y if one.live else 0)
        elif blocks != self._blocks or self._content_width != self._width:
            self._lay_out(blocks, keep=self._place())

    @property
    def _content_width(self) -> int:
        return max(10, self.container_size.width - self.styles.scrollbar_size_vertical)

    def _place(self) -> tuple[str, int] | None:
        """The block and the line in it at the top of the view."""
        if not self._starts:
            return None
        index = bisect_right(self._starts, self.scroll_offset.y) - 1
        return self._parts[index].block.key, self.scroll_offset.y - self._starts[index]

    def _lay_out(self, blocks: list[Block], *, keep: tuple[str, int] | None) -> None:
        self._blocks, self._width = blocks, self._content_width
        self._parts, self._starts = [], []
        top = 0
        for block in blocks:
            lines: list[str] = []
            if block.text:
                flow = self._flows.setdefault(block.key, Flow())
                lines = flow.lines(block.text.rstrip("\n"), self._width - len(EDGE))
            part = _Part(block, lines, len(lines))
            self._parts.append(part)
            self._starts.append(top)
            top += part.height
        self._own_move = True  # a shorter text moves the view by itself
        self.virtual_size = Size(0, max(0, top - 1))
        self._own_move = False
        if self._stuck:
            self._jump(self.max_scroll_y)
        elif keep is not None:
            for start, part in zip(self._starts, self._parts, strict=True):
                if part.block.key == keep[0]:
                    self._jump(start + min(keep[1], part.height - 1))
        self.refresh()

    def _jump(self, y: int) -> None:
        self._own_move = True
        self.scroll_to(y=y, animate=False, force=True)
        self._own_move = False

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if not self._own_move:  # a person scrolled, by whatever means
            self._stuck = self.at_bottom

    def on_resize(self) -> None:
        if self._one is not None and self._now is not None:
            self._lay_out(self._blocks, keep=self._place())

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        line = y + self.scroll_offset.y
        index = bisect_right(self._starts, line) - 1
        if index < 0:
            return paint(self, (), width)
        part, offset = self._parts[index], line - self._starts[index]
        return paint(self, part.line(offset) if offset < part.height else (), width)

    def action_scroll_down(self) -> None:
        """Goes down by a line, at once: an animated line is slower than a key's repeat."""
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
        """Goes to the end, and stays there."""
        self._stuck = True
        self._jump(self.max_scroll_y)
