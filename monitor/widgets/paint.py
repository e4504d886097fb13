"""From a line of toned text to cells on the screen: the only place where the two meet.

Tones are component classes, so a theme decides their colours. Text is a plain segment, never markup; whatever a view
may have forgotten to make harmless is made so here.
"""

from __future__ import annotations

from typing import get_args

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from monitor.lines import format as fmt
from monitor.lines.span import Line, Tone

TONES = {f"tone--{tone}" for tone in get_args(Tone)}
"""What a screen declares as its component classes, for all widgets on it: each costs a little when styles change."""

GROUND = {"tone--plain"}
"""What a widget that paints lines on such a screen declares itself: its background. Elsewhere it declares `TONES`."""


def paint(widget: Widget, line: Line, width: int, base: Style | None = None) -> Strip:
    """The line as exactly `width` cells, on the widget's own background or on `base`."""
    ground = base or widget.get_component_rich_style("tone--plain")  # kept by the widget; its rich_style is not
    under = Style(bgcolor=ground.bgcolor)
    owner = widget.screen if TONES <= widget.screen.COMPONENT_CLASSES else widget
    segments = [
        Segment(
            text if text.isprintable() else fmt.one_line(text),
            ground + owner.get_component_rich_style(f"tone--{tone}") + under,
        )
        for text, tone in line
        if text
    ]
    return Strip(segments).adjust_cell_length(width, ground)
