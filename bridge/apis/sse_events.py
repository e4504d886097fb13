"""Takes a stream apart into its events, bytes and all, for whoever has to change some of them and pass on the rest.

What the reader needs of an event is its name and its data (`SseParser`); this one also keeps the bytes in which it
came, so that an event that nobody changes goes on as it was, comments, ids and line ends included. However the bytes
are split, the events are the same.
"""

from __future__ import annotations

import re

from attrs import evolve

from bridge.apis.sse import SseParser
from bridge.limits import HELD, LIMITS, Share
from bridge.value_classes import frozen

_END = re.compile(rb"(?>\r\n|\n|\r){2}")  # atomic: a CRLF is one line end, never two
_OVERLAP = 3  # bytes in which an end may have begun before


class HeldTooMuch(ValueError):
    """A stream needs more to be held than there is room for."""


@frozen
class WholeEvent:
    """An event of a stream. Without data it is a comment, or nothing."""

    raw: bytes
    name: bytes
    data: bytes

    def with_data(self, data: bytes) -> WholeEvent:
        """The same event with other data, in the form in which nearly all events come."""
        if data == self.data:
            return self
        named = b"event: " + self.name + b"\n" if self.name else b""
        return evolve(self, raw=named + b"data: " + data + b"\n\n", data=data)


class EventSplitter:
    """Feed it bytes, get the events that they completed. Raises HeldTooMuch for one that is too large."""

    def __init__(self) -> None:
        self.held = Share(HELD)
        """What waits here, and whatever else its owner holds. Whoever ends the reading closes it."""
        self._tail = bytearray()
        self._searched = 0
        self._size = 0
        self._at_start = True

    def feed(self, chunk: bytes) -> list[WholeEvent]:
        """Takes the next bytes."""
        tail = self._tail
        tail += chunk
        events: list[WholeEvent] = []
        start = 0
        for end in _END.finditer(tail, self._searched):
            if end.end() == len(tail) and tail.endswith(b"\r"):
                break  # an LF may follow, which belongs to it
            events.append(self._event(bytes(tail[start : end.end()])))
            start = end.end()
        self._tail = tail[start:] if start else tail
        self._searched = max(len(self._tail) - _OVERLAP, 0)
        self._account(len(self._tail))
        return events

    def end(self) -> list[WholeEvent]:
        """There is no more: what came of another event. One that lacks only its blank line counts."""
        last, self._tail = bytes(self._tail), bytearray()
        self._account(0)
        return [self._event(last)] if last else []

    def _event(self, raw: bytes) -> WholeEvent:
        first, self._at_start = self._at_start, False
        return _event(raw, first=first)

    def _account(self, size: int) -> None:
        more, self._size = size - self._size, size
        if more < 0:
            self.held.shrink(-more)
        elif size > LIMITS.event_bytes or not self.held.grow(more):
            raise HeldTooMuch("an event of the answer is too large to look for tools in")


def _event(raw: bytes, *, first: bool) -> WholeEvent:
    """The event in these bytes. Only before the `first` may a byte order mark stand."""
    line, _, second = raw[:-2].partition(b"\n")
    if raw.endswith(b"\n\n") and b"\r" not in raw:
        if line.startswith(b"event: ") and second.startswith(b"data: ") and b"\n" not in second:
            return WholeEvent(raw, line[7:], second[6:])
        if line.startswith(b"data: ") and not second:
            return WholeEvent(raw, b"", line[6:])
    parser = SseParser()
    if not first:
        parser.feed(b"\n")
    found = parser.feed(raw) or parser.end()
    name, data = found[0] if found else (b"", b"")
    return WholeEvent(raw, name, data)
