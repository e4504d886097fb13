"""Text that grows, as lines of a given width, at the cost of what is new.

A thought may be 64 KiB and arrive in thousands of pieces, with a frame painted fifteen times a second. Lines behind
the last newline cannot change any more when text is appended, so only the rest is neutralised and wrapped again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len

from monitor.lines.format import LINE_LIMIT, chop, neutralise

TAB = 4

_WORDS = re.compile(r"\S+\s*|\s+")


class Flow:
    """One text's screen lines."""

    def __init__(self) -> None:
        self._text = ""
        self._width = 0
        self._lines: list[str] = []
        self._settled_text = 0  # characters up to the last newline …
        self._settled_lines = 0  # … and the lines that they became

    def lines(self, text: str, width: int) -> list[str]:
        """The screen lines of `text`, harmless and at most `width` cells each; the list is this object's own."""
        if width != self._width or not text.startswith(self._text):
            self._lines, self._settled_text, self._settled_lines = [], 0, 0
            self._width, self._text = width, ""
        if len(text) > len(self._text) or not self._lines:
            self._append(text, width)
        return self._lines

    def _append(self, text: str, width: int) -> None:
        del self._lines[self._settled_lines :]
        whole, newline, rest = text[self._settled_text :].rpartition("\n")
        if newline:
            for line in whole.split("\n"):
                self._lines.extend(wrap(line, width))
            self._settled_text = len(text) - len(rest)
            self._settled_lines = len(self._lines)
        self._lines.extend(wrap(rest, width))
        self._text = text


def wrap(line: str, width: int) -> list[str]:
    """One line of raw text as screen lines of at most `width` cells, broken between words where there are any."""
    wrapped: list[str] = []
    for piece in _pieces(line):
        safe = neutralise(piece).expandtabs(TAB)
        if len(safe) <= width and safe.isascii():
            wrapped.append(safe)
        else:
            wrapped.extend(_greedy(safe, max(width, 2)))
    return wrapped


def _pieces(line: str) -> Iterator[str]:
    """A long line in parts that `neutralise` will not cut, so that a thought without newlines is shown whole."""
    while len(line) > LINE_LIMIT:
        seam = line.rfind(" ", LINE_LIMIT // 2, LINE_LIMIT) + 1 or LINE_LIMIT
        yield line[:seam]
        line = line[seam:]
    yield line


def _greedy(text: str, width: int) -> Iterator[str]:
    """Fills each line with as many words as go into it; a word that is longer than a line is cut."""
    current, used = "", 0
    for word in _WORDS.findall(text):
        bare = word.rstrip()
        cells = cell_len(bare)
        if used and used + cells > width:
            yield current.rstrip()
            current, used = "", 0
        if cells > width:
            *full, rest = chop(bare, width)
            yield from full
            word_left = rest + word[len(bare) :]
        else:
            word_left = word
        current += word_left
        used += cell_len(word_left)
    yield current.rstrip()
