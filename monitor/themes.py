"""The dashboard's own colours: few, and each means one thing."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="clearspan",
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
)
