"""The head of a provider's answer, by RFC 9112, and what it says of its body.

5.2 lets a gateway take lines that go on with a space, 2.2 a bare LF: servers that do so are harmless. All else is by
the letter. Section numbers are those of RFC 9112 unless another is named.
"""

from __future__ import annotations

import re

from bridge.http.fields import RawHeaders
from bridge.http.grammar import TOKEN, ProtocolFault
from bridge.value_classes import frozen

_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?\r?\n")
_FIELDS = re.compile(b"(?:%b:[\t\x20-\x7e\x80-\xff]*\r?\n)*\r?\n" % TOKEN)
_FOLDED = re.compile(rb"[ \t]*\r?\n[ \t]+")
_LENGTH = re.compile(rb"[0-9]{1,20}")


@frozen
class AnswerHead:
    """A whole head. `length` is the body's in bytes where the head says it, `chunked` wins over it (6.3); `lasting`
    says that the connection may be used again."""

    status: int
    headers: RawHeaders
    length: int | None
    chunked: bool
    lasting: bool


def read_answer_head(head: bytes) -> AnswerHead:
    """Reads a head with its end. Raises ProtocolFault where it is none."""
    line = _STATUS_LINE.match(head)
    if line is None:
        raise ProtocolFault
    headers: RawHeaders = []
    length: int | None = None
    chunked, lasting = False, line[1] != b"0"
    for name, value in _lines(head[line.end() :]):
        lower = name.lower()
        if lower == b"content-length":
            known, length = length, _content_length(value)
            if known not in {None, length}:
                raise ProtocolFault
            if known is not None:
                continue  # once will do
        elif lower == b"transfer-encoding":
            if chunked or value.lower() != b"chunked":
                raise ProtocolFault
            chunked = True
        elif lower == b"connection":
            lasting = lasting and b"close" not in {token.strip(b" \t").lower() for token in value.split(b",")}
        headers.append((name, value))
    return AnswerHead(int(line[2]), headers, length, chunked, lasting)


def _lines(fields: bytes) -> RawHeaders:
    if b"\n " in fields or b"\n\t" in fields:
        fields = _FOLDED.sub(b" ", fields)
    if _FIELDS.fullmatch(fields) is None:
        raise ProtocolFault
    lines = (line.partition(b":") for line in fields.split(b"\n")[:-2])
    return [(name, value.strip(b" \t\r")) for name, _, value in lines]


def _content_length(value: bytes) -> int:
    """6.3: digits alone; said more than once, the same each time."""
    said = {length.strip(b" \t") for length in value.split(b",")}
    length = said.pop()
    if said or _LENGTH.fullmatch(length) is None:
        raise ProtocolFault
    return int(length)
