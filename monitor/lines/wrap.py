"""Text that grows, as lines of a given width, at the cost of what is new.

A thought may be 64 KiB and arrive in thousands of pieces, with a frame painted fifteen times a second. Rows that
nothing appended can change any more are settled: only the rest is made harmless, read and broken again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len

from bridge.terminal_text import symbols
from monitor.lines.format import chop
from monitor.lines.prose import Form, Head, TextPlace
from monitor.lines.span import Line, Span

TAB = 4

PIECE = 2_048
"""Characters of a long line that are settled at a time."""

_WORDS = re.compile(r"\S+\s*|\s+")


class Flow:
    """One text's screen lines."""

    def __init__(self, form: Form = "plain") -> None:
        self._form = form
        self._width = 0
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._text = ""
        self._lines: list[Line] = []
        self._settled_text = 0  # characters that nothing can change any more …
        self._settled_lines = 0  # … and the lines that they became
        self._place = TextPlace()  # where the line of text begins that is not whole yet …
        self._head: Head | None = None  # … what it is, once a part of it is settled, …
        self._has_rows = False  # … whether that part has become a row, …
        self._carry: Line = ()  # … and what of it stands in a row that is not full

    def lines(self, text: str, width: int) -> list[Line]:
        """The screen lines of `text`, harmless and at most `width` cells each; the list is this object's own."""
        if width != self._width or not text.startswith(self._text):
            self._start_afresh()
            self._width = width
        if len(text) > len(self._text) or not self._lines:
            self._append(text)
        return self._lines

    def _append(self, text: str) -> None:
        del self._lines[self._settled_lines :]
        *whole, rest = text[self._settled_text :].split("\n")
        for line in whole:
            left = self._settle_pieces(line)
            self._lines += self._rows(left)[0]
            if self._head is None:
                self._place = self._place.after(self._form, line)
            self._head, self._has_rows, self._carry = None, False, ()
        left = self._settle_pieces(rest)
        self._settled_text, self._settled_lines = len(text) - len(left), len(self._lines)
        self._lines += self._rows(left)[0]
        self._text = text

    def _settle_pieces(self, line: str) -> str:
        """Settles the beginning of a long line, and returns the rest."""
        while len(line) > PIECE:
            seam = line.rfind(" ", PIECE // 2, PIECE) + 1 or PIECE
            head = self._place.head(self._form, line[:PIECE])
            rows, carry = self._rows(line[:seam], head)
            self._lines += rows[:-1]
            self._has_rows = self._has_rows or len(rows) > 1
            self._head, self._carry = self._head or head, carry
            line = line[seam:]
        return line

    def _rows(self, text: str, head: Head | None = None) -> tuple[list[Line], Line]:
        """The rows of what comes next in the line, and what stands in the last of them, spaces at its end included.

        `head` is what the line is, if this is its beginning and that is known already.
        """
        if self._head is None:
            head = head or self._place.head(self._form, text)
            text = text[head.length :]
        else:
            head = self._head
        spans = (*self._carry, *head.spans(symbols(text).expandtabs(TAB)))
        before, others = ((head.others if self._has_rows else head.first), head.others)
        room = self._width - _cells(others)
        if room < max(2, self._width // 2):  # a deep indent must not leave a column of letters
            before, others, room = (), (), self._width
        joined = "".join(part for part, _tone in spans)
        first = max(2, self._width - _cells(before))
        ends = list(_chopped(joined, first, max(2, room)) if head.code else _ends(joined, first, max(2, room)))
        rows = [(*(others if number else before), *_cut(spans, begin, end)) for number, (begin, end) in enumerate(ends)]
        return rows, _cut(spans, ends[-1][0], len(joined))


def wrap(line: str, width: int) -> list[str]:
    """One line of raw text as screen lines of at most `width` cells, broken between words where there are any."""
    safe, width = symbols(line).expandtabs(TAB), max(width, 2)
    return [safe[begin:end] for begin, end in _ends(safe, width, width)]


def _cells(line: Line) -> int:
    return sum(cell_len(text) for text, _tone in line)


def _cut(spans: Line, begin: int, end: int) -> Line:
    """The characters of a line from `begin` up to `end`."""
    cut: list[Span] = []
    at = 0
    for text, tone in spans:
        part = text[max(0, begin - at) : max(0, end - at)]
        if part:
            cut.append((part, tone))
        at += len(text)
    return tuple(cut)


def _chopped(text: str, first: int, width: int) -> Iterator[tuple[int, int]]:
    """Where rows begin and end that are as full as can be."""
    begin = 0
    part = next(chop(text, first), "")
    yield 0, len(part)
    begin = len(part)
    if begin < len(text):
        for part in chop(text[begin:], width):
            yield begin, begin + len(part)
            begin += len(part)


def _ends(text: str, first: int, width: int) -> Iterator[tuple[int, int]]:
    """Where rows begin and end that hold as many words as go into them; a word that is longer than a row is cut."""
    if len(text) <= first and text.isascii():
        yield 0, len(text)
        return
    begin, end, used, room = 0, 0, 0, first
    for match in _WORDS.finditer(text):
        word, at = match[0], match.start()
        bare = word.rstrip()
        cells = cell_len(bare)
        if used and used + cells > room:
            yield begin, end
            begin, used, room = at, 0, width
        if cells > room:
            *full, rest = chop(bare, room)
            for part in full:
                yield begin, begin + len(part)
                begin, room = begin + len(part), width
            used = cell_len(rest) + len(word) - len(bare)
        else:
            used += cells + len(word) - len(bare)
        end = at + len(bare)
    yield begin, max(begin, end)
