"""A block of a story as it stands on the screen: its heading, its short lines, its text wrapped, a blank line."""

from __future__ import annotations

from attrs import frozen

from monitor.lines.span import Line, Span, Tone

EDGE = "▎ "


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


@frozen
class LaidOutBlock:
    """A block with its text's lines. The flow that made them goes on changing them: `count` says how many are its."""

    block: Block
    flow: list[str]
    count: int

    @property
    def height(self) -> int:
        """Lines on the screen, the blank one behind it included."""
        return 1 + len(self.block.lines) + self.count + (not self.block.rule)

    def texts(self) -> list[str]:
        """All its lines as text, without the edge."""
        fixed = ["".join(text for text, _tone in line) for line in (self.block.heading, *self.block.lines)]
        return fixed + self.flow[: self.count]

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
        if offset < self.count:
            return (*edge, _text(self.flow[offset], block.tone))
        return ()


def _text(line: str, tone: Tone) -> Span:
    """A line of a block's text. A summary's own headings, which come as `**…**`, are set in bold."""
    if tone == "reasoning-summary" and len(line) > 4 and line.startswith("**") and line.endswith("**"):
        return line[2:-2], "strong"
    return line, "plain"
