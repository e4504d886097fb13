"""What lines on the screen are made of: pieces of text, each with a tone.

A tone says what a piece means, not its colour: `monitor/styles/monitor.tcss` says how it looks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Tone = Literal[
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
    "code",
]

Span = tuple[str, Tone]

Line = tuple[Span, ...]


def as_text(lines: Iterable[Line]) -> str:
    """Lines without their tones."""
    return "".join("".join(text for text, _tone in line).rstrip() + "\n" for line in lines)
