"""A block of a story as it stands on the screen: its heading, its short lines, its text in rows, a blank line."""

from __future__ import annotations

from attrs import frozen

from monitor.lines import format as fmt
from monitor.lines.prose import Form
from monitor.lines.span import Line, Tone

EDGE = "▎ "

FOLD = 12
"""Lines from which on a tool's arguments are folded, so that thoughts are not lost between them."""


@frozen
class Block:
    """A part of the story. `key` names it within its request; `tone` colours its edge and heading."""

    key: str
    tone: Tone
    heading: Line
    lines: tuple[Line, ...] = ()
    text: str = ""
    rule: bool = False
    """A divider between requests: no edge, no blank line behind it."""

    form: Form = "plain"
    folds: bool = False
    """Whether a long text is folded, unless somebody wants all of it."""

    hidden: tuple[Line, ...] = ()
    """Lines after the others that are there only once somebody wants them."""

    turns: int = 0
    """How many turns of an agent begin with it: 1 with the divider of one, more where several are one line."""


@frozen
class LaidOutBlock:
    """A block with its text's lines. The flow that made them goes on changing them: `count` says how many are its."""

    block: Block
    flow: list[Line]
    count: int
    folded: bool = False
    """Whether some of its text, or its hidden lines, are not shown."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """The short lines that are shown."""
        return self.block.lines if self.folded else (*self.block.lines, *self.block.hidden)

    @property
    def height(self) -> int:
        """Lines on the screen, the blank one behind it included."""
        return 1 + len(self.lines) + (min(FOLD, self.count) if self.folded else self.count) + (not self.block.rule)

    def turn_starts(self) -> list[int]:
        """The offsets of the lines at which turns begin: each its own where they are shown."""
        block = self.block
        if block.turns == len(block.hidden) and not self.folded:
            return [1 + len(block.lines) + number for number in range(block.turns)]
        return [0] * block.turns

    def texts(self) -> list[str]:
        """All its lines as text, those that are folded too, without the edge."""
        lines = (self.block.heading, *self.block.lines, *self.block.hidden, *self.flow[: self.count])
        return ["".join(text for text, _tone in line) for line in lines]

    def line(self, offset: int) -> Line:
        """One of its lines."""
        block = self.block
        edge = () if block.rule else ((EDGE, block.tone),)
        if offset == 0:
            more: Line = (("  ⏎", "key"),) if self.folded and block.hidden else ()
            return (*edge, *block.heading, *more)
        offset -= 1
        if offset < len(self.lines):
            return (*edge, *self.lines[offset])
        offset -= len(self.lines)
        if self.folded and self.count > FOLD and offset == FOLD - 1:
            left_out = fmt.plural(self.count - offset, "more line")
            return (*edge, (f"… {left_out}", "muted"), ("  v", "key"))
        if offset < (min(FOLD, self.count) if self.folded else self.count):
            return (*edge, *self.flow[offset])
        return ()
