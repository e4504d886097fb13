"""Chunked bodies, by RFC 9112, 7.1: taken apart by the letter, which h11 does not insist on, and faster than it does.

Sizes have at most 16 digits; extensions must be well-formed and are dropped, as are trailer fields.
"""

from __future__ import annotations

import re

from bridge.http.grammar import FIELD_LINE, TOKEN, ProtocolFault
from bridge.limits import LIMITS

_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_EXTENSIONS = b"(?:[ \t]*;[ \t]*%b(?:[ \t]*=[ \t]*(?:%b|%b))?)*" % (TOKEN, TOKEN, _QUOTED)
_SIZE_LINE = re.compile(b"([0-9A-Fa-f]{1,16})%b\r\n" % _EXTENSIONS)
_PADDED_SIZE_LINE = re.compile(b"([0-9A-Fa-f]{1,16})%b[ \t]*\r\n" % _EXTENSIONS)
_PLAIN_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")
_BEGUN_SIZE_LINE = re.compile(rb"[0-9A-Fa-f]")
_TRAILER_LINE = re.compile(FIELD_LINE)
_BEGUN_TRAILER_LINE = re.compile(b"\r|%b" % TOKEN)

_FREE = 16
"""What a chunk's line may cost beside its data before it counts as overhead."""


class ChunkedBody:
    """One body. `ended` says that it is whole; `rest` then has the bytes that came behind it.

    `padded` lets sizes end in spaces, as some servers send them (RFC 7230 warned of it).
    """

    def __init__(self, *, padded: bool = False) -> None:
        self.ended = False
        self.rest = b""
        self._size_line = _PADDED_SIZE_LINE if padded else _SIZE_LINE
        self._held = bytearray()
        """What has arrived of something that is not whole."""
        self._in_line = False
        """That is a line that has begun well."""
        self._left = 0
        """Bytes of data that this chunk still has."""
        self._in_chunk = False
        """The line end behind a chunk's data is still to come."""
        self._in_trailer = False
        self._overhead = 0
        self._trailer_bytes = 0
        self._trailer_fields = 0

    def decode(self, data: bytes) -> bytes:
        """The data in the bytes that have arrived. Raises ProtocolFault, at a later call where some data came first."""
        self._held += data
        if self._in_line and b"\n" not in data:
            self._check_length(len(self._held))
            return b""  # a line that grows is not looked at each time
        self._in_line = False
        data = bytes(self._held)
        self._held.clear()
        pieces: list[bytes] = []
        at, before = 0, -1
        try:
            while before < at < len(data) and not self.ended:
                before, at = at, self._step(data, at, pieces)
        except ProtocolFault:
            if not pieces:
                self._held += data[at:]  # a fault stays one
                raise
        if self.ended:
            self.rest = data[at:]
        else:
            self._held += data[at:]
        return b"".join(pieces)

    def _step(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """Reads what comes at `at`. Returns what is behind it; `at` itself where more is needed."""
        if self._left:
            pieces.append(piece := data[at : at + self._left])
            self._left -= len(piece)
            return at + len(piece)
        if self._in_chunk:
            return self._end_chunk(data, at)
        if self._in_trailer:
            return self._read_trailer(data, at)
        after = self._whole_chunks(data, at, pieces)
        return after if after > at else self._begin_chunk(data, at)

    def _whole_chunks(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """Reads the plain chunks that are here whole, as nearly all are: a third of the time that three steps take for
        each. They have no overhead; where there is some to be worked off, or anything odd, the steps do it."""
        while not self._overhead and (found := _PLAIN_SIZE_LINE.match(data, at)):
            begin = found.end()
            end = begin + int(found[1], 16)
            if end == begin or data[end : end + 2] != b"\r\n":
                break
            pieces.append(data[begin:end])
            at = end + 2
        return at

    def _begin_chunk(self, data: bytes, at: int) -> int:
        found = self._size_line.match(data, at)
        if found is None:
            self._wait_for_line(data, at, _BEGUN_SIZE_LINE)
            return at
        self._check_length(found.end() - at)
        size = int(found[1], 16)
        # 7.1.1: a server ought to limit extensions, also where they are spread over many chunks
        overhead = max(0, self._overhead + found.end() - at - _FREE - 2 * size)
        if overhead > LIMITS.chunk_overhead_bytes:
            raise ProtocolFault(400, "the chunks of this body are more framing than data")
        self._overhead, self._left = overhead, size
        self._in_chunk, self._in_trailer = size > 0, size == 0
        return found.end()

    def _end_chunk(self, data: bytes, at: int) -> int:
        end = data[at : at + 2]
        if not b"\r\n".startswith(end):
            raise ProtocolFault
        if len(end) < 2:
            return at
        self._in_chunk = False
        return at + 2

    def _read_trailer(self, data: bytes, at: int) -> int:
        if data.startswith(b"\r\n", at):
            self.ended = True
            return at + 2
        found = _TRAILER_LINE.match(data, at)
        if found is None:
            self._wait_for_line(data, at, _BEGUN_TRAILER_LINE)
            return at
        self._check_length(found.end() - at)
        self._trailer_bytes += found.end() - at
        self._trailer_fields += 1
        if self._trailer_fields > LIMITS.head_fields:
            raise ProtocolFault(431, f"a request may have {LIMITS.head_fields} trailer fields")
        return found.end()

    def _wait_for_line(self, data: bytes, at: int, begun: re.Pattern[bytes]) -> None:
        """Raises ProtocolFault unless the line has only begun, and may become a good one."""
        if begun.match(data, at) is None:
            raise ProtocolFault
        end = data.find(b"\n", at)
        self._check_length((len(data) if end < 0 else end + 1) - at)
        if end >= 0:
            raise ProtocolFault
        self._in_line = True

    def _check_length(self, length: int) -> None:
        """Raises ProtocolFault for a line of more bytes than are taken, whole or not."""
        if self._in_trailer and self._trailer_bytes + length > LIMITS.head_bytes:
            raise ProtocolFault(431, f"the trailer is larger than this bridge takes ({LIMITS.head_bytes} bytes)")
        if not self._in_trailer and length > LIMITS.chunk_overhead_bytes:
            raise ProtocolFault(400, "a line between two chunks is longer than this bridge takes")
