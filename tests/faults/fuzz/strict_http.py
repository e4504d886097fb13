"""What a strict server reads of a client's bytes (RFC 9110, RFC 9112): the only requests that may reach a provider.

It knows nothing of h11 or Hypercorn, so that both can be held to it. Where the RFC leaves a choice that cannot be read
in two ways (LF alone as a line end, a length given twice the same), it takes what it gets.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from attrs import frozen

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
TOKEN = re.compile(_TOKEN)
REQUEST_LINE = re.compile(rb"(%s) ([\x21-\x7e]+) HTTP/1\.([01])" % _TOKEN)
CHUNK_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[ \t]*%s(?:[ \t]*=[ \t]*(?:%s|%s))?)*" % (_TOKEN, _TOKEN, _QUOTED)
)
CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
HOST = re.compile(rb"fuzz\.example(:\d*)?")
"""What `server.allowed_hosts` has, so that an input need not know the port."""
HEAD_BYTES = 64 * 1024
HEAD_FIELDS = 256

Fields = list[tuple[bytes, bytes]]


@frozen
class Read:
    """One request as a strict server reads it."""

    method: bytes
    target: bytes
    body: bytes
    served: bool
    """Its Host is ours, and no web page sent it."""

    @property
    def upstream(self) -> tuple[bytes, bytes, bytes]:
        """Method, target below the provider's name, and body, as a provider may get them. `/v1` may be left out."""
        below = b"/" + self.target[1:].partition(b"/")[2]
        alias = not below.startswith((b"/v1/", b"/api/"))
        return self.method, normal(b"/v1" + below if alias else below), self.body


class Malformed(Exception):
    """From here on nothing may be read."""


class Incomplete(Exception):
    """More has to come."""


def normal(target: bytes) -> bytes:
    """The target with its path decoded, as the bridge may spell it in another way."""
    path, mark, query = target.partition(b"?")
    return unquote_to_bytes(path) + (mark + query if query else b"")


def read(data: bytes) -> tuple[list[Read], bool]:
    """The requests in these bytes, and whether they end in what must be refused."""
    requests: list[Read] = []
    try:
        while rest := data.lstrip(b"\r\n"):
            request, data, lasts = _request(rest)
            requests.append(request)
            if not lasts:
                break
    except Malformed:
        return requests, True
    except Incomplete:
        pass
    return requests, False


def _request(data: bytes) -> tuple[Read, bytes, bool]:
    """The first request, what comes after it, and whether the connection lasts."""
    end = re.search(rb"\n\r?\n", data)
    if end is None:
        raise Malformed if len(data) > HEAD_BYTES else Incomplete
    lines = [line.removesuffix(b"\r") for line in data[: end.start()].split(b"\n")]
    started = REQUEST_LINE.fullmatch(lines[0])
    if end.end() > HEAD_BYTES or started is None:
        raise Malformed
    method, target, minor = started.groups()
    fields = _fields(lines[1:])
    if not target.startswith(b"/") or method == b"CONNECT" or len(fields) > HEAD_FIELDS:
        raise Malformed
    hosts = [value for name, value in fields if name == b"host"]
    if len(hosts) > 1 or (not hosts and minor == b"1"):
        raise Malformed
    body, rest = _body(fields, data[end.end() :])
    options = {word.strip().lower() for name, value in fields if name == b"connection" for word in value.split(b",")}
    encoded = any(name == b"transfer-encoding" for name, _ in fields)
    lasts = b"close" not in options and minor == b"1" and not (encoded and minor == b"0")
    return Read(method, target, body, _is_served(fields)), rest, lasts


def _fields(lines: list[bytes]) -> Fields:
    fields: Fields = []
    for line in lines:
        if line[:1] in {b" ", b"\t"} and fields:  # obs-fold: may be read as a space
            name, value = fields.pop()
            value = (value + b" " + line.strip(b" \t")).strip()
        else:
            name, colon, value = line.partition(b":")
            if not colon or TOKEN.fullmatch(name) is None:
                raise Malformed
            name, value = name.lower(), value.strip(b" \t")
        if CONTROL.search(value):
            raise Malformed
        fields.append((name, value))
    return fields


def _body(fields: Fields, data: bytes) -> tuple[bytes, bytes]:
    lengths = {part.strip() for name, value in fields if name == b"content-length" for part in value.split(b",")}
    codings = [value.lower() for name, value in fields if name == b"transfer-encoding"]
    if codings:
        if lengths or codings != [b"chunked"]:
            raise Malformed
        return _chunks(data)
    if not lengths:
        return b"", data
    if len(lengths) > 1 or re.fullmatch(rb"[0-9]{1,18}", length := lengths.pop()) is None:
        raise Malformed
    if len(data) < int(length):
        raise Incomplete
    return data[: int(length)], data[int(length) :]


def _chunks(data: bytes) -> tuple[bytes, bytes]:
    body = bytearray()
    while True:
        line, data = _line(data)
        size = CHUNK_LINE.fullmatch(line)
        if size is None:
            raise Malformed
        length = int(size[1], 16)
        if not length:
            break
        if len(data) < length + 2:
            raise Incomplete
        if data[length : length + 2] != b"\r\n":
            raise Malformed
        body += data[:length]
        data = data[length + 2 :]
    end = re.match(rb"\r?\n|(?s:.*?)\n\r?\n", data)
    if end is None:
        raise Incomplete
    trailers = data[: end.end()].strip(b"\r\n")
    _fields([line.removesuffix(b"\r") for line in trailers.split(b"\n")] if trailers else [])
    return bytes(body), data[end.end() :]


def _line(data: bytes) -> tuple[bytes, bytes]:
    line, end, rest = data.partition(b"\r\n")
    if not end:
        raise Malformed if len(data) > HEAD_BYTES else Incomplete
    return line, rest


def _is_served(fields: Fields) -> bool:
    first = dict(reversed(fields))
    ours = HOST.fullmatch(first.get(b"host", b"").lower()) is not None
    return ours and b"origin" not in first and first.get(b"sec-fetch-site", b"none") in {b"none", b"same-origin"}
