"""Finding a text in a story as it stands on the screen, also where a line's end breaks it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from attrs import frozen

from monitor.lines.span import Line, Span


@frozen
class MatchPlace:
    """A line of a block: stays right while other blocks grow."""

    key: str
    line: int


def pattern(query: str) -> re.Pattern[str] | None:
    """What to look for: the words as typed, in any case; None for nothing."""
    words = query.split()
    return re.compile(r"\s+".join(map(re.escape, words)), re.IGNORECASE) if words else None


def find(wanted: re.Pattern[str], blocks: Iterable[tuple[str, list[str]]]) -> Iterator[MatchPlace]:
    """Every line in which a match begins, in order; blocks come as a key and their lines."""
    for key, lines in blocks:
        starts, length = [], 0
        for line in lines:
            starts.append(length)
            length += len(line) + 1
        last = -1
        for match in wanted.finditer(" ".join(lines)):
            line_number = bisect_right(starts, match.start()) - 1
            if line_number != last:
                yield MatchPlace(key, line_number)
            last = line_number


def highlight(line: Line, wanted: re.Pattern[str]) -> Line:
    """The line with what matches in it in the tone `found`."""
    text = "".join(span for span, _tone in line)
    matches = [match.span() for match in wanted.finditer(text)]
    if not matches:
        return line
    shown: list[Span] = []
    at = 0
    for span, tone in line:
        end = at + len(span)
        cursor = at
        for begin, stop in matches:
            if begin < end and stop > at:
                shown.append((text[cursor : max(begin, at)], tone))
                shown.append((text[max(begin, at) : min(stop, end)], "found"))
                cursor = min(stop, end)
        shown.append((text[cursor:end], tone))
        at = end
    return tuple(span for span in shown if span[0])
