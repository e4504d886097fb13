"""The dashboard's own colours: few, and each means one thing. Four themes for four kinds of eyes and terminals.

Without colour, what a colour said is said by weight: what is muted is dim, what is selected is reversed, and the
terminal's own two colours do the rest.
"""

from __future__ import annotations

from functools import lru_cache

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import Theme

from monitor.styles import themes

DARK = Theme(
    name=themes.DARK,
    primary="#6cb2d6",
    secondary="#8ea3b5",
    accent="#c9a1e0",
    foreground="#cfd6de",
    background="#0f1317",
    surface="#151a20",
    panel="#1c232b",
    success="#7fbf8e",
    warning="#d9a860",
    error="#dd7a80",
    dark=True,
    variables={"tone-muted": "#7f868d", "tone-title": "#788088", "tone-faint": "#3c4147"},
)

LIGHT = Theme(
    name=themes.LIGHT,
    primary="#0f6592",
    secondary="#4c6174",
    accent="#7a3fa0",
    foreground="#1d252d",
    background="#fbfaf7",
    surface="#f1f0ea",
    panel="#e6e5de",
    success="#1f7038",
    warning="#8a5a00",
    error="#b3262f",
    dark=False,
    variables={"tone-muted": "#5a626a", "tone-title": "#69717a", "tone-faint": "#c2c4c4"},
)

CONTRAST = Theme(
    name=themes.CONTRAST,
    primary="#5fd7ff",
    secondary="#d7d7ff",
    accent="#ff9cff",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#262626",
    success="#5fff87",
    warning="#ffd75f",
    error="#ff8787",
    dark=True,
    variables={"tone-muted": "#b8b8b8", "tone-title": "#b8b8b8", "tone-faint": "#6e6e6e"},
)

MONO = Theme(
    name=themes.MONO,
    primary="#ffffff",
    secondary="#ffffff",
    accent="#ffffff",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#000000",
    success="#ffffff",
    warning="#ffffff",
    error="#ffffff",
    dark=True,
    variables={"tone-muted": "#999999", "tone-title": "#999999", "tone-faint": "#666666"},
)
"""White on black as far as Textual knows; `WithoutColour` leaves only the weights of it."""

THEMES = {theme.name: theme for theme in (DARK, LIGHT, CONTRAST, MONO)}


class WithoutColour(LineFilter):
    """Takes the colours out of what is painted, and keeps what they said as dim and reversed text."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments in the terminal's own colours."""
        return [Segment(text, _weights(style, background), control) for text, style, control in segments]


CHOSEN = 0.08
FAINT = 0.75
"""Brightness, from 0 to 1: a background above the first is a selection, text below the second is muted."""

_PLAIN = Style.from_color(RichColor.default(), RichColor.default())


@lru_cache(4096)
def _weights(style: Style | None, background: Color) -> Style:
    if style is None:
        return _PLAIN
    behind = background if style.bgcolor is None or style.bgcolor.is_default else Color.from_rich_color(style.bgcolor)
    before = None if style.color is None or style.color.is_default else Color.from_rich_color(style.color)
    selected = behind.brightness > CHOSEN
    if style.reverse:
        selected = not selected
    muted = before is not None and not selected and before.brightness < FAINT
    weights = Style(
        bold=style.bold, italic=style.italic, underline=style.underline, dim=muted or None, reverse=selected or None
    )
    return _PLAIN + weights
