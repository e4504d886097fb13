"""What a message's head must look like, by RFC 9110 and 9112. Looked at before h11 sees it, which takes more.

Section numbers are those of RFC 9112 unless another is named. Everything here is about bytes: no connection, no state.
`bridge.http.chunked` has the rules of chunked bodies, `bridge.http.incoming` puts both to what a client sends.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address

from bridge.limits import LIMITS
from bridge.value_classes import frozen

TOKEN = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
"""RFC 9110, 5.6.2."""
FIELD_LINE = TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n"
"""5: no space before the colon, no control character but tab in the value (RFC 9110, 5.5). A line that goes on with a
space (5.2) and a CR or LF by itself (2.2) match nothing."""
HEAD_END = re.compile(rb"\n\r?\n")
"""Where a head ends. A bare LF counts, so that a head with one is refused rather than waited for."""
EMPTY_LINES = re.compile(rb"(?:\r?\n)*")
"""2.2: before a request line they are no request, and are skipped."""

_MALFORMED = "the request is not well-formed HTTP/1.1 (RFC 9112)"
_REQUEST_LINE = re.compile(b"(%b) ([\\x21\\x22\\x24-\\x7e]+) HTTP/([0-9]\\.[0-9])\r\n" % TOKEN)
_METHOD = re.compile(TOKEN)
_PATH = re.compile(b"%b (/[^?\\x00-\\x20\\x7f-\\xff]*)" % TOKEN)
_FIELDS = re.compile(b"(?:%b)*\r\n" % FIELD_LINE)
_FRAMING = re.compile(rb"\n(host|content-length|transfer-encoding):([^\r\n]*)", re.IGNORECASE)
_CODING = re.compile(b"(%b)([ \t]*;.*)?" % TOKEN, re.DOTALL)
_KNOWN_CODINGS = frozenset({b"chunked", b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"})
_LONGEST_LENGTH = 20
"""Digits: more than any body has."""
_REG_NAME = re.compile(rb"(?:[-._~!$&'()*+,;=0-9A-Za-z]|%[0-9A-Fa-f]{2})+(?::[0-9]*)?")
_IP_LITERAL = re.compile(rb"\[(?:([0-9A-Fa-f:.]+)|[vV][0-9A-Fa-f]+\.[-._~!$&'()*+,;=:0-9A-Za-z]+)\](?::[0-9]*)?")
_STRAY_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")


class ProtocolFault(Exception):
    """A message that is not what the RFC allows, or more than is taken here: the status for it, and a fixed text."""

    def __init__(self, status: int = 400, reason: str = _MALFORMED) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@frozen
class StartLine:
    """The first line of a request that may be served."""

    method: bytes
    version: bytes


def read_request_line(line: bytes) -> StartLine:
    """A whole first line, with its end (3)."""
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise ProtocolFault
    method, target, version = found.groups()
    if version not in {b"1.0", b"1.1"}:
        raise ProtocolFault(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    if method == b"CONNECT":
        raise ProtocolFault(405, "this is no tunnelling proxy; set it as the base URL instead")
    if not target.startswith(b"/"):  # 3.2 has other forms, all of them for other servers than this
        raise ProtocolFault(400, "the request target must be a path")
    return StartLine(method, version)


def check_begun_line(begun: bytes) -> None:
    """A first line that has not ended yet: whether it is worth waiting for the rest."""
    method = _METHOD.match(begun)
    if method is None:
        raise ProtocolFault
    if len(begun) >= LIMITS.head_bytes:  # 3: a target that is too long is 414, a method that is too long 501
        if method.end() == len(begun):
            raise ProtocolFault(501, "no method is as long as that")
        if begun[method.end()] != ord(" "):
            raise ProtocolFault
        raise ProtocolFault(414, f"the request line is longer than this bridge takes ({LIMITS.head_bytes} bytes)")


def path_in(begun: bytes) -> str:
    """The path that a first line asks for, as far as it can be told; empty where it can't."""
    found = _PATH.match(begun)
    return "" if found is None else found[1].decode("ascii")


def read_fields(start: StartLine, fields: bytes) -> int | None:
    """The rest of a request's head, from the line end of its first line on. Returns how long the body is, None where
    it comes in chunks (6.3)."""
    if fields.count(b"\n") - 2 > LIMITS.head_fields:
        raise ProtocolFault(431, f"a request may have {LIMITS.head_fields} header fields")
    if _FIELDS.fullmatch(fields, 1) is None:
        raise ProtocolFault
    hosts: list[bytes] = []
    lengths: list[bytes] = []
    encodings: list[bytes] = []
    lists = {b"host": hosts, b"content-length": lengths, b"transfer-encoding": encodings}
    for name, value in _FRAMING.findall(fields):
        lists[name.lower()].append(value.strip(b" \t"))
    _check_host(hosts, required=start.version == b"1.1")
    if not encodings:
        return _body_length(lengths)
    if lengths:  # 6.1: what smuggling is made of
        raise ProtocolFault(400, "Content-Length together with Transfer-Encoding is ambiguous (RFC 9112, 6.1)")
    if start.version == b"1.0":  # 6.1: its framing is faulty
        raise ProtocolFault(400, "HTTP/1.0 has no Transfer-Encoding (RFC 9112, 6.1)")
    _check_codings(encodings)
    return None


def _check_host(hosts: list[bytes], *, required: bool) -> None:
    """3.2: one in HTTP/1.1, and one that is a host. Empty is well-formed: the target has no authority."""
    if len(hosts) > 1 or (required and not hosts):
        raise ProtocolFault(400, "a request needs one Host header (RFC 9112, 3.2)")
    if hosts and hosts[0] and not is_host(hosts[0]):
        raise ProtocolFault(400, "the Host header names no host (RFC 9110, 7.2)")


def is_host(value: bytes) -> bool:
    """Whether it is a host, with or without a port (RFC 3986, 3.2.2 and 3.2.3)."""
    if _REG_NAME.fullmatch(value):
        return True
    literal = _IP_LITERAL.fullmatch(value)
    if literal is None:
        return False
    try:
        return literal[1] is None or bool(IPv6Address(literal[1].decode("ascii")))
    except AddressValueError:
        return False


def _body_length(lengths: list[bytes]) -> int:
    """6.3: digits alone; said more than once, the same each time (RFC 9110, 8.6)."""
    if not lengths:
        return 0
    said = {length.strip(b" \t") for length in b",".join(lengths).split(b",")}
    length = said.pop()
    if said or not length.isdigit() or len(length) > _LONGEST_LENGTH:
        raise ProtocolFault(400, "Content-Length is not one number (RFC 9110, 8.6)")
    return int(length)


def _check_codings(encodings: list[bytes]) -> None:
    """6.1 and 6.3: chunked, once, at the end. Codings before it would have to be undone, which nobody here does."""
    codings = [_CODING.fullmatch(coding.strip(b" \t")) for coding in b",".join(encodings).split(b",")]
    names = [coding[1].lower() for coding in codings if coding is not None]
    if len(names) < len(codings):
        raise ProtocolFault(400, "Transfer-Encoding is no list of codings (RFC 9112, 6.1)")
    if not _KNOWN_CODINGS.issuperset(names):
        raise ProtocolFault(501, "this Transfer-Encoding is not understood here; send the body chunked")
    if names[-1] != b"chunked" or names.count(b"chunked") > 1:
        raise ProtocolFault(400, "Transfer-Encoding must end in chunked, once (RFC 9112, 6.3)")
    if len(names) > 1:
        raise ProtocolFault(501, "this Transfer-Encoding is not undone here; send the body chunked, and no more")
    if any(coding is not None and coding[2] for coding in codings):  # 7.1: it has no parameters
        raise ProtocolFault(400, "chunked has no parameters (RFC 9112, 7.1)")


def check_response_head(head: bytes) -> None:
    """The whole head of a provider's answer. h11 looks at the rest: field names, lengths, codings.

    5.2 lets a gateway take lines that go on with a space, 2.2 a bare LF: servers that do so are harmless.
    """
    if not head.startswith(b"HTTP/1."):  # 2.3
        raise ProtocolFault
    if _STRAY_CONTROL.search(head):  # RFC 9110, 5.5
        raise ProtocolFault
