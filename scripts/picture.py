"""What a monitor shows, as an SVG that needs nothing from elsewhere and is the same each time."""

from __future__ import annotations

import asyncio
import re

from bridge.events.wire import Command, Reply
from monitor.sources.bridge_socket import Deliver

FONTS = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
"""What is on the reader's machine: a picture of ours asks no server for a font."""

FONT_SIZE = 20.25
"""Pixels. At this size most fonts' glyphs are as wide as a cell, for renderers that don't stretch text to fit."""

SPACE = "&#160;"
CELL = 12.2
TEXT = re.compile(
    rf'(<text [^>]*?)x="([\d.]+)"([^>]*?)textLength="([\d.]+)"([^>]*)>((?:{SPACE})*)(.*?)((?:{SPACE})*)</text>'
)


class Nobody:
    """A source that says nothing: the pictures' messages are all there before the first frame."""

    async def run(self, deliver: Deliver) -> None:
        """Waits for ever."""
        del deliver
        await asyncio.Event().wait()

    async def send(self, command: Command) -> Reply:
        """Nobody answers."""
        return Reply(command.n, ok=False, error="this is a picture")


def plain(svg: str, name: str) -> str:
    """The picture without web fonts, and with ids that do not change from one run to the next."""
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("font-family: Fira Code, monospace", f"font-family: {FONTS}")
    svg = svg.replace("font-family: arial", "font-family: system-ui, sans-serif")
    svg = re.sub(r"\s*<!-- Generated with Rich .*?-->", "", svg)
    svg = svg.replace("font-size: 20px", f"font-size: {FONT_SIZE}px")
    svg = re.sub(r"terminal-\d+", f"clearspan-{name}", svg)
    svg = TEXT.sub(_without_margins, svg)
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"


def _without_margins(match: re.Match[str]) -> str:
    """A piece of text begins and ends with what can be seen: some renderers leave out spaces at its ends."""
    begin, x, middle, length, end, before, text, after = match.groups()
    before_cells, after_cells = len(before) // len(SPACE), len(after) // len(SPACE)
    at = float(x) + before_cells * CELL
    wide = float(length) - (before_cells + after_cells) * CELL
    stretch = 'lengthAdjust="spacingAndGlyphs"'
    return f'{begin}x="{at:g}"{middle}textLength="{wide:g}" {stretch}{end}>{text}</text>' if text else ""
