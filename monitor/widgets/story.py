"""A story, streaming in: blocks of wrapped text, one under the other.

It stays at the bottom while it is at the bottom. Scrolled up, the line at the top keeps its place, whatever grows
above or below it. A block that has not changed is not laid out again, so a long session costs what is new in it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from monitor.lines.blocks import EDGE, FOLD, Block, LaidOutBlock
from monitor.lines.span import Line
from monitor.lines.wrap import Flow
from monitor.widgets.paint import GROUND
from monitor.widgets.panel import Panel
from monitor.widgets.rows import EMPTY, PaintedRow

MORE = " · ↓ more"


class StoryView(Panel, can_focus=True):
    """Shows blocks; a place in it is a block's key and a line in that block."""

    COMPONENT_CLASSES: ClassVar[set[str]] = GROUND | {"row--selected"}
    BINDINGS: ClassVar[list[BindingType]] = [Binding("m", "raw", "As written", show=False)]

    def __init__(self) -> None:
        super().__init__(tail=True)
        self.is_raw = False
        self.unfolds = False
        self._unfolded: set[str] = set()
        self._story: str | None = None
        self._flows: dict[str, Flow] = {}
        self._blocks: Sequence[Block] = []
        self._laid_out: list[LaidOutBlock] = []
        self._starts: list[int] = []
        self._width = 0
        self._head: Line | None = None
        self._last = 0
        self._below = 0
        """Lines at the end that are not followed while a text above them grows."""

    def put_head(self, line: Line) -> None:
        """Has a line stand above all others, wherever one has scrolled to."""
        if line != self._head:
            grown, self._head = self._head is None, line
            if grown and self._story is not None:
                self._lay_out(self._blocks, keep=self._place())
            else:
                self.paint_changes()

    def more(self) -> str:
        """What its title adds where there is more below."""
        return "" if self.at_bottom else MORE

    @property
    def at_bottom(self) -> bool:
        """Whether the last line of what is followed is in view."""
        return self.scroll_offset.y >= self._end

    @property
    def _end(self) -> int:
        """Where it stands while it stays at the end of what grows."""
        return max(0, self.max_scroll_y - self._below)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        was_stuck = self._stuck
        super().watch_scroll_y(old_value, new_value)
        if not self._own_move and self._below:  # who reads what stands further down stays there
            is_cut_short = was_stuck and new_value < old_value and new_value == self.max_scroll_y
            self._stuck = is_cut_short or self.scroll_offset.y == self._end

    def show(self, story: str | None, blocks: Sequence[Block], *, live: bool, last: int = 0) -> None:
        """Takes over a story by its name, as it is now; paints only what changed. The `last` blocks are not followed:
        one sees the end of what stands above them while that grows."""
        if self._last and not last and story == self._story:
            self._stuck = False  # it is over: what was read when it ended stays where it is
        self._last = last
        if story != self._story:
            self._story, self._flows, self._laid_out = story, {}, []
            self._unfolded.clear()
            self._stuck = False
            self._lay_out(blocks, keep=None)
            self._stuck = live  # what runs is read at its end, what is over from its beginning
            self._jump(self._end if live else 0)
        elif self.content_width != self._width or self._changed(blocks):
            self._lay_out(blocks, keep=self._place())

    def _changed(self, blocks: Sequence[Block]) -> bool:
        if len(blocks) != len(self._blocks):
            return True
        return any(new is not old and new != old for new, old in zip(blocks, self._blocks, strict=True))

    def _place(self) -> tuple[str, int] | None:
        """The block and the line in it at the top of the view."""
        if not self._starts:
            return None
        index = bisect_right(self._starts, self.scroll_offset.y) - 1
        return self._laid_out[index].block.key, self.scroll_offset.y - self._starts[index]

    def _lay_out(self, blocks: Sequence[Block], *, keep: tuple[str, int] | None) -> None:
        same_width, self._width = self._width == self.content_width, self.content_width
        known = {laid_out.block.key: laid_out for laid_out in self._laid_out} if same_width else {}
        self._blocks, self._laid_out, self._starts = blocks, [], []
        top = 0
        for block in blocks:
            laid_out = known.get(block.key)
            if laid_out is None or laid_out.block is not block:
                laid_out = self._lay_out_block(block)
            self._laid_out.append(laid_out)
            self._starts.append(top)
            top += laid_out.height
        self._flows = {
            laid_out.block.key: self._flows[laid_out.block.key] for laid_out in self._laid_out if laid_out.count
        }
        self._set_height(max(0, top - 1 + (self._head is not None)))
        self._below = top - self._starts[-self._last] if 0 < self._last <= len(self._starts) else 0
        if self._last == len(self._starts):
            self._below = 0  # nothing else has come yet
        if self._stuck:
            self._jump(self._end)
        elif keep is not None:
            for start, laid_out in zip(self._starts, self._laid_out, strict=True):
                if laid_out.block.key == keep[0]:
                    self._jump(start + min(keep[1], laid_out.height - 1))
        self.paint_changes()

    def _lay_out_block(self, block: Block) -> LaidOutBlock:
        closed = not self.unfolds and block.key not in self._unfolded
        if not block.text:
            return LaidOutBlock(block, [], 0, folded=bool(block.hidden) and closed)
        flow = self._flows.get(block.key)
        if flow is None:
            flow = self._flows[block.key] = Flow("plain" if self.is_raw else block.form)
        lines = flow.lines(block.text.rstrip("\n"), self._width - len(EDGE))
        folded = closed and (bool(block.hidden) or (block.folds and len(lines) > FOLD))
        return LaidOutBlock(block, lines, len(lines), folded)

    def lay_out_afresh(self) -> None:
        """Brings all blocks to what is to be shown of them now; what is in view stays there."""
        keep = self._place()
        self._flows, self._laid_out = {}, []
        self._lay_out(self._blocks, keep=keep)

    def action_raw(self) -> None:
        """Shows texts as they were written, or as they are read."""
        self.is_raw = not self.is_raw
        self.lay_out_afresh()

    def unfold(self) -> None:
        """Shows what is folded, or folds it again."""
        self.unfolds = not self.unfolds
        self._unfolded.clear()
        self.lay_out_afresh()

    def on_resize(self) -> None:
        if self._story is not None:
            self._lay_out(self._blocks, keep=self._place())

    def row(self, y: int) -> PaintedRow:
        if self._head is not None and y == 0:
            return self._head, False
        line = y + self.scroll_offset.y - (self._head is not None)
        index = bisect_right(self._starts, line) - 1
        if index < 0:
            return EMPTY
        laid_out, offset = self._laid_out[index], line - self._starts[index]
        return (laid_out.line(offset), False) if offset < laid_out.height else EMPTY

    def action_scroll_end(self) -> None:
        """Goes to the end, and stays there."""
        self._stuck = True
        self._jump(self._end)
