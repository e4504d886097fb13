"""A pane that reads one session: its story, with a search in it and a block at hand to copy."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import ClassVar

from textual.binding import Binding, BindingType

from monitor.lines import search
from monitor.lines.blocks import EDGE, Block
from monitor.lines.search import MatchPlace
from monitor.lines.span import Line
from monitor.widgets.rows import EMPTY, PaintedRow
from monitor.widgets.story import StoryView

HERE = "█ "


class SessionView(StoryView):
    """What `StoryView` shows, and where a person is in it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "find(1)", "Next", key_display="n N"),
        Binding("N", "find(-1)", "Previous", show=False),
        Binding("right_square_bracket", "block(1)", "Next block", show=False),
        Binding("left_square_bracket", "block(-1)", "Previous block", show=False),
        Binding("right_curly_bracket", "turn(1)", "Next turn", show=False),
        Binding("left_curly_bracket", "turn(-1)", "Previous turn", show=False),
        Binding("full_stop", "scroll_end", "The live end", show=False),
        Binding("enter", "unfold_here", "Unfold, fold", show=False),
        Binding("space", "unfold_or_page_down", "Unfold, or page down", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._wanted: re.Pattern[str] | None = None
        self._found: MatchPlace | None = None
        self._block: str | None = None
        self._read_to: tuple[str | None, int] = (None, 0)
        self._asked_turn: tuple[int, int] | None = None

    @property
    def searching(self) -> bool:
        """Whether matches are marked."""
        return self._wanted is not None

    def look_for(self, query: str) -> None:
        """Marks what matches, and goes to the first match from here on."""
        self._wanted = search.pattern(query)
        self._found = None
        self.refresh()
        if self._wanted is not None:
            self.action_find(1)

    def action_find(self, step: int) -> None:
        """Goes to the next match, or to the one before; after the last comes the first."""
        places = self._places()
        if not places:
            return
        self._unfold(places)
        order = [self._line_of(place) for place in places]
        if self._found in places:
            index = places.index(self._found) + step
        else:
            index = bisect_right(order, self.scroll_offset.y - 1)
            index = index if step > 0 else index - 1
        self._found = places[index % len(places)]
        self._block = self._found.key
        self._go_to(order[index % len(places)])

    def _unfold(self, places: list[MatchPlace]) -> None:
        """Unfolds every block in which something was found."""
        found = {place.key for place in places}
        folded = {laid_out.block.key for laid_out in self._laid_out if laid_out.folded} & found
        if folded:
            self._unfolded |= folded
            self.lay_out_afresh()

    @property
    def has_matches(self) -> bool:
        """Whether what is looked for stands in the story."""
        return bool(self._places())

    def matches(self) -> str:
        """How many lines match, for the title."""
        places = self._places()
        if self._found in places:
            return f"match {places.index(self._found) + 1} of {len(places)}"
        return "1 match" if len(places) == 1 else f"{len(places)} matches"

    def _places(self) -> list[MatchPlace]:
        if self._wanted is None:
            return []
        blocks = ((laid_out.block.key, laid_out.texts()) for laid_out in self._laid_out)
        return list(search.find(self._wanted, blocks))

    def _line_of(self, place: MatchPlace) -> int:
        for start, laid_out in zip(self._starts, self._laid_out, strict=True):
            if laid_out.block.key == place.key:
                return start + place.line
        return 0

    def _go_to(self, line: int) -> None:
        """Has that line on the screen, with what stands around it."""
        height = self.container_size.height
        if not self.scroll_offset.y <= line < self.scroll_offset.y + height - 1:
            self.scroll_to(y=max(0, line - height // 3), animate=False)
        self._stuck = False
        self.refresh()

    @property
    def block(self) -> Block | None:
        """The block at hand: the one gone to, while in view, else the last in view that has text or hides lines."""
        top, bottom = self.scroll_offset.y, self.scroll_offset.y + self.container_size.height
        inside = [
            laid_out.block
            for start, laid_out in zip(self._starts, self._laid_out, strict=True)
            if start < bottom and start + laid_out.height > top
        ]
        at_hand = next((block for block in inside if block.key == self._block), None)
        texts = [block for block in inside if block.text or block.hidden]
        return at_hand or (texts[-1] if texts else None)

    @property
    def is_foldable(self) -> bool:
        """Whether the block at hand hides lines, or shows those that it had hidden."""
        here = self.block
        return here is not None and bool(here.hidden) and not self.unfolds

    def action_unfold_here(self) -> None:
        """Shows what the block at hand hides, or hides it again."""
        if self.block is not None:
            self._unfolded ^= {self.block.key}
            self.lay_out_afresh()

    def action_unfold_or_page_down(self) -> None:
        """The same where it hides something; else goes down by a screenful."""
        if self.is_foldable:
            self.action_unfold_here()
        else:
            self.action_page_down()

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """Where there is nothing to unfold, the key is the screen's; matches there are only while one searches."""
        if action == "find":
            return self.searching
        return action != "unfold_here" or self.is_foldable

    @property
    def blocks(self) -> list[Block]:
        """All of them."""
        return list(self._blocks)

    def action_block(self, step: int) -> None:
        """Goes to the next block of text, or to the one before."""
        indexes = [index for index, laid_out in enumerate(self._laid_out) if not laid_out.block.rule]
        if not indexes:
            return
        here = self.block
        keys = [self._laid_out[index].block.key for index in indexes]
        known = here is not None and here.key in keys
        moving = step if self._block is not None or step < 0 else 0
        place = keys.index(here.key) + moving if here is not None and known else 0
        place = min(max(place, 0), len(keys) - 1)
        self._block = keys[place]
        start = self._starts[indexes[place]]
        if not self.scroll_offset.y <= start < self.scroll_offset.y + self.container_size.height - 1:
            self.scroll_to(y=start if step > 0 else max(0, start - 1), animate=False)
        self._stuck = False
        self.refresh()

    def on_resize(self) -> None:
        super().on_resize()
        self._read_to = self._story, self.virtual_size.height  # lines that another width made are not new

    def more(self) -> str:
        """How many lines have come below since it left the end."""
        lines = self.virtual_size.height
        if self._read_to[0] != self._story:
            self._read_to = self._story, lines
        if self.at_bottom or self._stuck:
            self._read_to = self._story, lines
            return ""
        new = lines - self._read_to[1]
        return f" · ↓ {new} new line{'s' * (new > 1)}" if new > 0 else " · ↓ more"

    def _turns(self) -> list[int]:
        """The lines at which turns begin."""
        together = zip(self._starts, self._laid_out, strict=True)
        return [start + offset for start, laid_out in together for offset in laid_out.turn_starts()]

    @property
    def turn(self) -> int:
        """Which of the turns in it one reads, counted from 0: the last one in view at the end, else that at the top."""
        turns = self._turns()
        if self._stuck or not turns:
            return max(0, len(turns) - 1)
        if self._asked_turn is not None and self.scroll_offset.y == self._asked_turn[1]:
            return min(self._asked_turn[0], len(turns) - 1)
        return max(0, bisect_right(turns, self.scroll_offset.y) - 1)

    def go_to_turn(self, turn: int) -> None:
        """Has that turn begin at the top, as far as there is text below it."""
        turns = self._turns()
        if not turns:
            return
        turn = min(max(turn, 0), len(turns) - 1)
        self._stuck = False
        self._jump(min(turns[turn], self.max_scroll_y))
        self._asked_turn = turn, self.scroll_offset.y
        self._block = None
        self.refresh()

    def action_turn(self, step: int) -> None:
        """Goes to the next turn, or to the one before."""
        self.go_to_turn(self.turn + step)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._stuck and not self._own_move:
            self._block = None

    def row(self, y: int) -> PaintedRow:
        index = bisect_right(self._starts, y + self.scroll_offset.y) - 1
        if index < 0:
            return EMPTY
        laid_out, offset = self._laid_out[index], y + self.scroll_offset.y - self._starts[index]
        if offset >= laid_out.height:
            return EMPTY
        line = laid_out.line(offset)
        if self._block == laid_out.block.key and line and line[0][0] == EDGE:
            line = ((HERE, line[0][1]), *line[1:])
        if self._wanted is None:
            return line, False
        found = self._found == MatchPlace(laid_out.block.key, offset)
        return search.highlight(line, self._wanted), found


def heading(line: Line) -> str:
    """A heading as text."""
    return "".join(text for text, _tone in line).strip()
