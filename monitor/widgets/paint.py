"""From a line of toned text to cells on the screen: the only place where the two meet.

Tones are component classes, so a theme decides their colours. Text is a plain segment, never markup; whatever a view
may have forgotten to make harmless is made so here.
"""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from monitor.lines import format as fmt
from monitor.lines.span import Line

TONES = {
    f"tone--{name}"
    for name in (
        "plain",
        "strong",
        "muted",
        "faint",
        "title",
        "live",
        "good",
        "warn",
        "bad",
        "prompt",
        "reasoning-summary",
        "commentary",
        "thinking",
        "withheld",
        "tool",
        "answer",
        "found",
        "here",
        "key",
    )
}
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
