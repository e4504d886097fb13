"""Server-sent events out of bytes that come split anywhere, as WHATWG HTML section 9.2.6 says to read them.

The relay passes the bytes on by itself; this parser sees a copy. It works on bytes alone: lines end in LF, CRLF or CR
and in nothing else (U+2028 is text), and neither names nor data are decoded here, since most events are never looked
into. It stays linear for a line of any length that arrives in pieces of any size, and holds one event of at most
8 MiB, or of as much as its share of what all streams may hold allows: a larger one is dropped and counted, and parsing
goes on with the next.

One liberty: an event that lacks only its blank line when the stream ends is given out by `end`, where the standard
discards it. Some servers close right after `data: [DONE]`.
"""

from __future__ import annotations

import re

from bridge.limits import LIMITS, Share

_LINE_LIMIT = 100_000  # lines of one event; more cost seconds of CPU and carry no answer that anybody sends
_SMALL = 16 * 1024
_LARGE = 256 * 1024
_SPEAKING_LINE = re.compile(rb"(?m)^[^:\n]")
_BOM = b"\xef\xbb\xbf"

SseEvent = tuple[bytes, bytes]
"""An event's name (empty where there was no `event:` line) and its data, `data:` lines joined by LF."""


class SseParser:
    """Feed it bytes, get the events that they completed."""

    __slots__ = ("_after_cr", "_at_start", "_held", "_held_size", "_limit", "_skipping", "_tail", "dropped", "events")

    def __init__(self, limit: int = LIMITS.event_bytes, held: Share | None = None) -> None:
        self.dropped = 0  # events too large to hold
        self.events = 0  # events given out
        self._limit = limit  # bytes of one event, line ends counted as one byte
        self._tail = bytearray()  # the event that is still coming, its line ends made LF; never begins with LF
        self._skipping = False  # inside an event too large; `_tail` then holds at most the LF just before
        self._held = held  # accounts for the tail where that is large; None where the stream is no long one
        self._held_size = 0
        self._after_cr = False  # the last byte was CR, so that a coming LF belongs to it
        self._at_start = True  # a byte order mark may still come

    @property
    def between_events(self) -> bool:
        """Whether the bytes so far end right after a blank line, or there were none.

        After a CR it says no: the LF that may follow is part of the same line end.
        """
        return not (self._tail or self._skipping or self._after_cr)

    @property
    def coming(self) -> int | None:
        """Bytes that are here of an event that is still coming: 0 where they begin with comments alone, None where it
        is too large to be held."""
        if self._skipping:
            return None
        return len(self._tail) if _SPEAKING_LINE.search(self._tail, 0, _SMALL) else 0

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """Takes the next bytes and returns the events that end in them."""
        if not chunk:
            return []
        if self._after_cr or b"\r" in chunk:
            chunk = self._with_line_feeds(chunk)
        if self._at_start:
            chunk = self._without_bom(chunk)
        if self._skipping:
            chunk = self._after_skipped(chunk)
        return self._take(chunk)

    def _take(self, chunk: bytes) -> list[SseEvent]:
        """The events that end in bytes whose line ends are LF."""
        tail = self._tail
        if tail:
            resume = len(tail) - 1  # a blank line may begin with the last byte held
            tail += chunk
            end = tail.find(b"\n\n", resume)
            if end < 0:
                self._check_tail()
                return []
            if end > _LARGE:
                return self._large_event(end)
            end = tail.rfind(b"\n\n", end)
            whole = bytes(tail[:end])
            rest = bytes(tail[end + 2 :])
        else:
            end = chunk.rfind(b"\n\n")
            if end < 0:
                tail += chunk.lstrip(b"\n")
                self._check_tail()
                return []
            whole = chunk[:end]
            rest = chunk[end + 2 :]
        self._tail = bytearray(rest.lstrip(b"\n"))
        self._check_tail()
        return self._events_in(whole)

    def end(self) -> list[SseEvent]:
        """There is no more: the event still open, if what came of it holds data. To be called once."""
        last = b"" if self._skipping else bytes(self._tail)
        return self._events_in(last) if last else []

    def _events_in(self, blocks: bytes) -> list[SseEvent]:
        """The events of blocks that blank lines separate."""
        events: list[SseEvent] = []
        for block in blocks.split(b"\n\n"):
            if len(block) > self._limit and len(block.strip(b"\n")) > self._limit:
                self.dropped += 1
                continue
            # The two forms in which nearly all events come, without taking their lines apart.
            if block.startswith(b"event: "):
                line_end = block.find(b"\n")
                if block.startswith(b"data: ", line_end + 1) and block.find(b"\n", line_end + 1) < 0:
                    events.append((block[7:line_end], block[line_end + 7 :]))
                    continue
            elif block.startswith(b"data: ") and b"\n" not in block:
                events.append((b"", block[6:]))
                continue
            event = self._parse(block)
            if event is not None:
                events.append(event)
        self.events += len(events)
        return events

    def _large_event(self, end: int) -> list[SseEvent]:
        """The event that ends there in the tail, and those after it.

        Its data are copied once, in 2 ms where they are 7 MB. `_events_in` would copy them three times: the tail, its
        first part, and what stands behind `data: `.
        """
        block, rest = self._tail, bytes(self._tail[end + 2 :])
        del block[end:]
        self._tail = bytearray()
        self._check_tail()
        start = block.find(b"\n") + 1 if block.startswith(b"event: ") else 0
        is_usual = block.startswith(b"data: ", start) and block.find(b"\n", start) < 0
        if not is_usual or len(block) > self._limit:
            return self._events_in(bytes(block)) + self._take(rest)
        self.events += 1
        with memoryview(block) as view:
            event = bytes(view[7 : max(7, start - 1)]), bytes(view[start + 6 :])
        return [event, *self._take(rest)]

    def _parse(self, block: bytes) -> SseEvent | None:
        """The event in a block of lines; None where it has no data, which the standard does not dispatch."""
        if block.count(b"\n") > _LINE_LIMIT:
            self.dropped += 1
            return None
        name = b""
        data: list[bytes] = []
        for line in block.split(b"\n"):
            field, _, value = line.partition(b":")
            if field == b"data":
                data.append(value.removeprefix(b" "))
            elif field == b"event":
                name = value.removeprefix(b" ")
        return (name, b"\n".join(data)) if data else None

    def _check_tail(self) -> None:
        """Gives up on an event that has grown too large; its last LF may yet turn out to be the blank line's first."""
        if len(self._tail) > self._limit + 1 or not self._may_hold():
            self.dropped += 1
            self._skipping = True
            self._tail = self._tail[-1:] if self._tail.endswith(b"\n") else bytearray()
            self._may_hold()

    def _may_hold(self) -> bool:
        """Whether the tail, as it is now, is within the share. A small one need not ask."""
        size = len(self._tail)
        if self._held is None or (size < _SMALL and not self._held_size):
            return True
        more = size - self._held_size
        if more > 0 and not self._held.grow(more):
            return False
        if more < 0:
            self._held.shrink(-more)
        self._held_size = size
        return True

    def _after_skipped(self, chunk: bytes) -> bytes:
        """What follows the end of the event that is being skipped."""
        joined = bytes(self._tail) + chunk
        self._tail.clear()
        end = joined.find(b"\n\n")
        if end < 0:
            if joined.endswith(b"\n"):
                self._tail += b"\n"
            return b""
        self._skipping = False
        return joined[end + 2 :]

    def _with_line_feeds(self, chunk: bytes) -> bytes:
        """The chunk with every CRLF and CR made LF, one that was split between two chunks included."""
        ends_in_cr = chunk.endswith(b"\r")
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_cr = ends_in_cr
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _without_bom(self, chunk: bytes) -> bytes:
        """The chunk without a byte order mark at the stream's start; part of one is held until it is whole."""
        start = bytes(self._tail) + chunk
        if len(start) < len(_BOM) and _BOM.startswith(start):
            self._tail[:] = start
            return b""
        self._tail.clear()
        self._at_start = False
        return start.removeprefix(_BOM)
