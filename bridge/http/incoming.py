"""What a client sends, checked and cut into requests: the engine gets one request at a time, in its plainest form."""

from __future__ import annotations

from bridge.http.chunked import ChunkedBody
from bridge.http.grammar import (
    EMPTY_LINES,
    HEAD_END,
    ProtocolFault,
    StartLine,
    check_begun_line,
    path_in,
    read_fields,
    read_request_line,
)
from bridge.limits import LIMITS


class RequestStream:
    """The bytes of one connection. However they arrive, a request is judged the same.

    Bytes go in by `feed`, what is good comes out by `take`; `ended` says that a request came out whole, and the next
    one's turn begins with `begin`.
    """

    def __init__(self) -> None:
        self._arrived = bytearray()
        self.begin()

    def begin(self) -> None:
        """What comes now is a new request."""
        self._line = b""
        self._start: StartLine | None = None
        self._searched = 0
        """No head ends before this offset."""
        self._head_taken = False
        self._left = 0
        """Bytes of a body of known length that are still to come."""
        self._chunked: ChunkedBody | None = None

    def feed(self, data: bytes) -> None:
        """Takes in what has arrived."""
        self._arrived += data

    @property
    def waiting(self) -> int:
        """How many bytes are here that can't be used yet."""
        return len(self._arrived)

    @property
    def ended(self) -> bool:
        """Whether the request came out whole."""
        return self._head_taken and not self._left and (self._chunked is None or self._chunked.ended)

    @property
    def path(self) -> str:
        """The path of the request, as far as it was read; empty where none was."""
        return path_in(self._begun)

    @property
    def has_no_answer_body(self) -> bool:
        """Whether it is a HEAD request, whose answer never has a body (RFC 9110, 9.3.2)."""
        return self._begun.startswith(b"HEAD ")

    @property
    def _begun(self) -> bytes:
        return self._line or bytes(self._arrived[: LIMITS.head_bytes])

    def take(self) -> bytes:
        """The next bytes of the request, its head at once; none where more must arrive first. Raises ProtocolFault."""
        if not self._head_taken:
            return self._take_head()
        if self._chunked is not None:
            return self._take_chunks(self._chunked)
        return self._cut(min(self._left, len(self._arrived)))

    def _take_head(self) -> bytes:
        if self._start is None:
            self._start = self._take_line()
            if self._start is None:
                return b""
        found = HEAD_END.search(self._arrived, self._searched, LIMITS.head_bytes)
        if found is None:
            if len(self._arrived) >= LIMITS.head_bytes:
                raise ProtocolFault(431, f"the request's head is larger than this bridge takes ({LIMITS.head_bytes})")
            self._searched = max(self._searched, len(self._arrived) - 2)
            return b""
        fields = bytes(self._arrived[len(self._line) - 1 : found.end()])
        length = read_fields(self._start, fields)
        head = self._cut(found.end())
        self._head_taken = True
        if length is None:
            self._chunked = ChunkedBody()
        else:
            self._left = length
        return head

    def _take_line(self) -> StartLine | None:
        if not self._searched and (empty := EMPTY_LINES.match(self._arrived)):
            del self._arrived[: empty.end()]
        end = self._arrived.find(b"\n", self._searched, LIMITS.head_bytes)
        if end < 0:
            begun = len(self._arrived)
            if begun and self._arrived != b"\r":
                if not self._searched or begun >= LIMITS.head_bytes:
                    check_begun_line(bytes(self._arrived[: LIMITS.head_bytes]))
                self._searched = begun
            return None
        self._line = bytes(self._arrived[: end + 1])
        self._searched = end
        return read_request_line(self._line)

    def _take_chunks(self, body: ChunkedBody) -> bytes:
        """A chunk of all that is there, without extensions; the last one without trailer."""
        if self.ended:
            return b""
        part = body.decode(self._cut(len(self._arrived)))
        plain = b"%x\r\n%b\r\n" % (len(part), part) if part else b""
        if body.ended:
            self._arrived += body.rest
            plain += b"0\r\n\r\n"
        return plain

    def _cut(self, length: int) -> bytes:
        part = bytes(self._arrived[:length])
        del self._arrived[:length]
        if self._head_taken and self._chunked is None:
            self._left -= length
        return part
