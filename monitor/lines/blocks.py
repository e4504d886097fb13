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


@frozen
class LaidOutBlock:
    """A block with its text's lines. The flow that made them goes on changing them: `count` says how many are its."""

    block: Block
    flow: list[Line]
    count: int
    folded: bool = False

    @property
    def height(self) -> int:
        """Lines on the screen, the blank one behind it included."""
        return 1 + len(self.block.lines) + (FOLD if self.folded else self.count) + (not self.block.rule)

    def texts(self) -> list[str]:
        """All its lines as text, those that are folded too, without the edge."""
        lines = (self.block.heading, *self.block.lines, *self.flow[: self.count])
        return ["".join(text for text, _tone in line) for line in lines]

    def line(self, offset: int) -> Line:
        """One of its lines."""
        block = self.block
        edge = () if block.rule else ((EDGE, block.tone),)
        if offset == 0:
            return (*edge, *block.heading)
        offset -= 1
        if offset < len(block.lines):
            return (*edge, *block.lines[offset])
        offset -= len(block.lines)
        if self.folded and offset == FOLD - 1:
            more = fmt.plural(self.count - offset, "more line")
            return (*edge, (f"… {more}", "muted"), ("  v", "key"))
        if offset < (FOLD if self.folded else self.count):
            return (*edge, *self.flow[offset])
        return ()
