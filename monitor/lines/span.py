"""What lines on the screen are made of: pieces of text, each with a tone."""

from __future__ import annotations

Span = tuple[str, str]
"""A piece of text and the tone it is painted in (`monitor/styles/monitor.tcss` says what a tone looks like)."""

Line = tuple[Span, ...]
