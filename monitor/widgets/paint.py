"""From a line of toned text to cells on the screen: the only place where the two meet.

Tones are component classes, so a theme decides their colours. Text is a plain segment, never markup; whatever a view
may have forgotten to make harmless is made so here.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import get_args

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from monitor.lines import format as fmt
from monitor.lines.span import Line, Tone

CLASSES: dict[Tone, str] = {tone: f"tone--{tone}" for tone in get_args(Tone)}

TONES = set(CLASSES.values())
"""What a screen declares as its component classes, for all widgets on it: each costs a little when styles change."""

GROUND = {"tone--plain"}
"""What a widget that paints lines on such a screen declares itself: its background. Elsewhere it declares `TONES`."""


def paint(widget: Widget, line: Line, width: int, base: Style | None = None) -> Strip:
    """The line as exactly `width` cells, on the widget's own background or on `base`; where it is cut, it ends in …."""
    ground = base or widget.get_component_rich_style("tone--plain")  # kept by the widget; its rich_style is not
    screen = widget.screen
    style_of = (screen if _has_tones(type(screen)) else widget).get_component_rich_style
    segments, used = [], 0
    for text, tone in line:
        if text:
            shown = text if text.isprintable() else fmt.one_line(text)
            used += cell_len(shown)
            segments.append(Segment(shown, _on(ground, style_of(CLASSES[tone]))))
    if used < width:
        segments.append(Segment(" " * (width - used), ground))
        used = width
    strip = Strip(segments, used)
    if used == width:
        return strip
    if width < 1 or cell_len(strip.text.rstrip()) <= width:  # all that is cut is blank
        return strip.adjust_cell_length(width, ground)
    kept = strip.adjust_cell_length(width - 1, ground)
    last = next((segment.style for segment in reversed(list(kept)) if segment.text), ground)
    return Strip([*kept, Segment("…", last)], width)


@cache
def _has_tones(screen: type[Widget]) -> bool:
    return screen.COMPONENT_CLASSES >= TONES


@lru_cache(1024)
def _on(ground: Style, tone: Style) -> Style:
    """A tone's style on another background."""
    return ground + tone + Style(bgcolor=ground.bgcolor)
