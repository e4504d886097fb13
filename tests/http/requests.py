"""What clients send, right and wrong: each with its verdict by RFC 9110 and 9112, and the fate of its connection."""

from __future__ import annotations

import random

from attrs import frozen

from bridge.limits import LIMITS

BODY = b'{"model":"m","input":"hello","stream":true}'
HOST = b"Host: 127.0.0.1:PORT\r\n"
GET = b"GET /healthz HTTP/1.1\r\n"
POST = b"POST /openai/v1/responses HTTP/1.1\r\n" + HOST
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"%x\r\n%b\r\n" % (len(BODY), BODY)
LAST = b"0\r\n\r\n"


@frozen
class Judged:
    """Bytes, what is answered to them, and whether the connection is kept for another request.

    `PORT` in them stands for the bridge's port.
    """

    said: bytes
    status: int
    kept: bool


def served(said: bytes) -> Judged:
    """It is good."""
    return Judged(said, 200, kept=True)


def refused(said: bytes, status: int) -> Judged:
    """It is not, and where the next request begins is not known, or not to be trusted."""
    return Judged(said, status, kept=False)


def sized(head: bytes, size: int, fill: bytes = b"X-Fill: ") -> bytes:
    """A head made so large by a field."""
    return head + fill + b"x" * (size - len(head) - len(fill) - 4) + b"\r\n\r\n"


def get(fields: bytes, *, line: bytes = GET, host: bytes = HOST) -> bytes:
    """A request that needs no provider."""
    return line + host + fields + b"\r\n"


def lengths(*values: bytes) -> bytes:
    """A request that says so how long its body is."""
    return POST + b"".join(b"Content-Length: " + value + b"\r\n" for value in values) + b"\r\n" + BODY


def encodings(*values: bytes, version: bytes = b"1.1") -> bytes:
    """A request whose body is in one chunk, and that says so how it is encoded."""
    head = POST.replace(b"HTTP/1.1", b"HTTP/" + version)
    return head + b"".join(b"Transfer-Encoding:" + value + b"\r\n" for value in values) + b"\r\n" + CHUNK + LAST


SIZE = b"%x" % len(BODY)
AT_MOST = LIMITS.head_bytes - 1
"""Of what stands here: `PORT` is a number of five digits."""

REQUEST_LINES: dict[str, Judged] = {
    "a good request": served(POST + LENGTH + b"\r\n" + BODY),
    "HTTP/1.0": Judged(get(b"", line=b"GET /healthz HTTP/1.0\r\n"), 200, kept=False),
    "HTTP/1.0 without a Host": refused(b"GET /healthz HTTP/1.0\r\n\r\n", 400),
    "Connection: close": Judged(get(b"Connection: close\r\n"), 200, kept=False),
    "an empty line before it": served(b"\r\n" + get(b"")),
    "empty lines before it": served(b"\r\n\n\r\n" + get(b"")),
    "a CR before it": refused(b"\r" + get(b""), 400),
    "a space before it": refused(b" " + get(b""), 400),
    "a method in lower case": Judged(POST.replace(b"POST", b"post") + b"\r\n", 405, kept=True),
    "a method in mixed case": Judged(get(b"", line=b"gET /healthz HTTP/1.1\r\n"), 405, kept=True),
    "a method that nobody knows": Judged(POST.replace(b"POST", b"FROB") + b"\r\n", 405, kept=True),
    "a method that is no token": refused(get(b"", line=b"GE(T /healthz HTTP/1.1\r\n"), 400),
    "no method": refused(get(b"", line=b" /healthz HTTP/1.1\r\n"), 400),
    "CONNECT": refused(b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n", 405),
    "no target": refused(get(b"", line=b"GET HTTP/1.1\r\n"), 400),
    "an asterisk": refused(get(b"", line=b"OPTIONS * HTTP/1.1\r\n"), 400),
    "an absolute target": refused(get(b"", line=b"GET http://a.example/healthz HTTP/1.1\r\n"), 400),
    "a target that is no path": refused(get(b"", line=b"GET healthz HTTP/1.1\r\n"), 400),
    "a fragment": refused(get(b"", line=b"GET /healthz#part HTTP/1.1\r\n"), 400),
    "a control character in the target": refused(get(b"", line=b"GET /health\x7fz HTTP/1.1\r\n"), 400),
    "bytes above ASCII in the target": refused(get(b"", line="GET /h\u00e9 HTTP/1.1\r\n".encode()), 400),
    "two spaces": refused(get(b"", line=b"GET  /healthz HTTP/1.1\r\n"), 400),
    "a tab for a space": refused(get(b"", line=b"GET\t/healthz HTTP/1.1\r\n"), 400),
    "a space behind it": refused(get(b"", line=b"GET /healthz HTTP/1.1 \r\n"), 400),
    "no version": refused(b"GET /healthz\r\n", 400),
    "a version in lower case": refused(get(b"", line=b"GET /healthz http/1.1\r\n"), 400),
    "a version of one number": refused(get(b"", line=b"GET /healthz HTTP/1\r\n"), 400),
    "a version of two digits": refused(get(b"", line=b"GET /healthz HTTP/1.10\r\n"), 400),
    "HTTP/1.2": refused(get(b"", line=b"GET /healthz HTTP/1.2\r\n"), 505),
    "HTTP/0.9": refused(get(b"", line=b"GET /healthz HTTP/0.9\r\n"), 505),
    "HTTP/2.0": refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/5.6": refused(get(b"", line=b"GET /healthz HTTP/5.6\r\n"), 505),
    "a bare LF behind it": refused(get(b"", line=b"GET /healthz HTTP/1.1\n"), 400),
    "a TLS handshake": refused(b"\x16\x03\x01\x02\x00\x01\x00", 400),
    "a target that is too long": refused(get(b"", line=b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n"), 414),
    "a method that is too long": refused(get(b"", line=b"X" * 100_000 + b" / HTTP/1.1\r\n"), 501),
    "no line at all": refused(b"GET\x00" + b"x" * 100_000, 400),
}

FIELDS: dict[str, Judged] = {
    "a head of just the size": served(sized(GET + HOST, AT_MOST)),
    "a head of one byte more": refused(sized(GET + HOST, AT_MOST + 1), 431),
    "a field of 100 KB": refused(sized(GET + HOST, 100_000), 431),
    "just so many fields": served(get(b"X-A: b\r\n" * (LIMITS.head_fields - 1))),
    "a field too many": refused(get(b"X-A: b\r\n" * LIMITS.head_fields), 431),
    "a field without an end": refused(get(b"")[:-2] + b"X-A: " + b"x" * 100_000, 431),
    "an empty value": served(get(b"X-Odd:\r\n")),
    "spaces around a value": served(get(b"X-Odd: \t a  b \t\r\n")),
    "bytes above ASCII in a value": served(get(b"X-Odd: \xe9\xff\x80\r\n")),
    "an empty name": refused(get(b": a\r\n"), 400),
    "no colon": refused(get(b"X-Odd\r\n"), 400),
    "a space before the colon": refused(get(b"X-Odd : a\r\n"), 400),
    "a tab before the colon": refused(get(b"X-Odd\t: a\r\n"), 400),
    "a name with a space": refused(get(b"X Odd: a\r\n"), 400),
    "a name that is no token": refused(get(b"X(Odd): a\r\n"), 400),
    "a name with bytes above ASCII": refused(get(b"X-\xe9: a\r\n"), 400),
    "a control character in a name": refused(get(b"X-\x01: a\r\n"), 400),
    "a line that goes on": refused(get(b"X-Odd: a\r\n b\r\n"), 400),
    "a line that goes on with a tab": refused(get(b"X-Odd: a\r\n\tb\r\n"), 400),
    "a space before the first field": refused(GET + b" " + HOST + b"\r\n", 400),
    "a NUL in a value": refused(get(b"X-Odd: a\x00b\r\n"), 400),
    "a BEL in a value": refused(get(b"X-Odd: a\x07b\r\n"), 400),
    "a form feed in a value": refused(get(b"X-Odd: a\x0cb\r\n"), 400),
    "an escape in a value": refused(get(b"X-Odd: a\x1bb\r\n"), 400),
    "a DEL in a value": refused(get(b"X-Odd: a\x7fb\r\n"), 400),
    "a CR in a value": refused(get(b"X-Odd: a\rb\r\n"), 400),
    "two CRs at an end": refused(get(b"X-Odd: a\r\r\n"), 400),
    "a bare LF behind a field": refused(get(b"X-Odd: a\n"), 400),
    "a head that ends in bare LFs": refused(GET + HOST[:-2] + b"\n\n", 400),
}

HOSTS: dict[str, Judged] = {
    "no Host": refused(GET + b"\r\n", 400),
    "two Hosts": refused(get(HOST), 400),
    "two different Hosts": refused(get(b"Host: a.example\r\n"), 400),
    "an empty Host": refused(GET + b"Host:\r\n\r\n", 400),
    "a foreign Host": refused(GET + b"Host: a.example\r\n\r\n", 403),
    "a foreign address": refused(GET + b"Host: [2001:db8::1]:PORT\r\n\r\n", 403),
    "an address of the future": refused(GET + b"Host: [v1.x:y]\r\n\r\n", 400),
    "an encoded host": refused(GET + b"Host: loc%61lhost:PORT\r\n\r\n", 403),
    "a Host in capitals": served(GET + b"HOST: LOCALHOST:PORT\r\n\r\n"),
    "a Host with a path": refused(GET + b"Host: 127.0.0.1:PORT/x\r\n\r\n", 400),
    "a Host with a user": refused(GET + b"Host: me@127.0.0.1:PORT\r\n\r\n", 400),
    "a Host with a space": refused(GET + b"Host: 127.0.0.1 :PORT\r\n\r\n", 400),
    "a Host with a scheme": refused(GET + b"Host: http://127.0.0.1:PORT\r\n\r\n", 400),
    "a Host of a port alone": refused(GET + b"Host: :PORT\r\n\r\n", 400),
    "a port that is no number": refused(GET + b"Host: localhost:http\r\n\r\n", 400),
    "a Host above ASCII": refused(GET + b"Host: \xe9.example\r\n\r\n", 400),
    "an address without brackets": refused(GET + b"Host: ::1\r\n\r\n", 400),
    "brackets around no address": refused(GET + b"Host: [::1::]\r\n\r\n", 400),
    "a bracket that stays open": refused(GET + b"Host: [::1\r\n\r\n", 400),
    "a broken percent": refused(GET + b"Host: local%6host\r\n\r\n", 400),
}

LENGTHS: dict[str, Judged] = {
    "a length with zeros before it": served(lengths(b"00%d" % len(BODY))),
    "the same length twice": served(lengths(b"%d" % len(BODY), b"%d" % len(BODY))),
    "a list of the same length": served(lengths(b"%d, %d" % (len(BODY), len(BODY)))),
    "two lengths": refused(lengths(b"%d" % len(BODY), b"%d" % (len(BODY) + 1)), 400),
    "a list of two lengths": refused(lengths(b"%d,%d" % (len(BODY), len(BODY) + 1)), 400),
    "a length and a comma": refused(lengths(b"%d," % len(BODY)), 400),
    "an empty length": refused(lengths(b""), 400),
    "a plus": refused(lengths(b"+%d" % len(BODY)), 400),
    "a minus": refused(lengths(b"-1"), 400),
    "two numbers": refused(lengths(b" 5 5"), 400),
    "hexadecimal": refused(lengths(b"0x2b"), 400),
    "a fraction": refused(lengths(b"43.0"), 400),
    "an underscore": refused(lengths(b"4_3"), 400),
    "digits above ASCII": refused(lengths("\u0664\u0663".encode()), 400),
    "superscript digits": refused(lengths(b"\xb2"), 400),
    "more digits than any body has": refused(lengths(b"9" * 30), 400),
    "more than is taken": refused(lengths(b"99999999999999"), 413),
}

CODINGS: dict[str, Judged] = {
    "chunked": served(encodings(b" chunked")),
    "chunked in capitals": served(encodings(b"CHUNKED\t")),
    "chunked beside a length": refused(POST + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK + LAST, 400),
    "chunked behind a length of nothing": refused(
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n" + LAST, 400
    ),
    "an unknown coding beside a length": refused(POST + LENGTH + b"Transfer-Encoding: x\r\n\r\n" + BODY, 400),
    "chunked in HTTP/1.0": refused(encodings(b" chunked", version=b"1.0"), 400),
    "chunked twice": refused(encodings(b" chunked, chunked"), 400),
    "chunked on two lines": refused(encodings(b" chunked", b" chunked"), 400),
    "chunked and then gzip": refused(encodings(b" chunked, gzip"), 400),
    "gzip alone": refused(encodings(b" gzip"), 400),
    "gzip and then chunked": refused(encodings(b" gzip, chunked"), 501),
    "gzip and then chunked on two lines": refused(encodings(b" gzip", b" chunked"), 501),
    "an unknown coding": refused(encodings(b" xchunked"), 501),
    "identity": refused(encodings(b" identity"), 501),
    "an unknown coding and then chunked": refused(encodings(b" br, chunked"), 501),
    "no coding": refused(encodings(b""), 400),
    "chunked and a comma": refused(encodings(b" chunked,"), 400),
    "chunked with a parameter": refused(encodings(b" chunked;q=1"), 400),
    "chunked in quotes": refused(encodings(b' "chunked"'), 400),
    "chunked behind a vertical tab": refused(encodings(b" \x0bchunked"), 400),
    "chunked behind a line end": refused(encodings(b"\r\n chunked"), 400),
    "a space before its colon": refused(POST + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNK + LAST, 400),
}

CHUNKS: dict[str, Judged] = {
    "a size with zeros before it": served(CHUNKED + b"0000%b\r\n" % SIZE + BODY + b"\r\n" + LAST),
    "a size in capitals": served(CHUNKED + CHUNK.replace(SIZE, SIZE.upper()) + b"000\r\n\r\n"),
    "an extension": served(CHUNKED + SIZE + b";a\r\n" + BODY + b"\r\n" + LAST),
    "an extension with a value": served(CHUNKED + SIZE + b";a=b;c=d\r\n" + BODY + b"\r\n" + LAST),
    "an extension in quotes": served(CHUNKED + SIZE + b';a="b;\\"c"\r\n' + BODY + b"\r\n" + LAST),
    "an extension with spaces": served(CHUNKED + SIZE + b" ; a = b\r\n" + BODY + b"\r\n" + LAST),
    "a trailer": served(CHUNKED + CHUNK + b"0\r\nX-Sum: 1\r\nContent-Length: 7\r\n\r\n"),
    "a semicolon and nothing": refused(CHUNKED + SIZE + b";\r\n" + BODY + b"\r\n" + LAST, 400),
    "two semicolons": refused(CHUNKED + SIZE + b";;a\r\n" + BODY + b"\r\n" + LAST, 400),
    "an extension without a name": refused(CHUNKED + SIZE + b";=b\r\n" + BODY + b"\r\n" + LAST, 400),
    "an extension without its value": refused(CHUNKED + SIZE + b";a=\r\n" + BODY + b"\r\n" + LAST, 400),
    "a quote that stays open": refused(CHUNKED + SIZE + b';a="b\r\n' + BODY + b"\r\n" + LAST, 400),
    "spaces behind a size": refused(CHUNKED + SIZE + b"  \r\n" + BODY + b"\r\n" + LAST, 400),
    "a space before a size": refused(CHUNKED + b" " + CHUNK + LAST, 400),
    "a NUL in an extension": refused(CHUNKED + SIZE + b";a\x00\r\n" + BODY + b"\r\n" + LAST, 400),
    "a DEL in an extension": refused(CHUNKED + SIZE + b";a\x7f\r\n" + BODY + b"\r\n" + LAST, 400),
    "a CR in an extension": refused(CHUNKED + SIZE + b";a\rb\r\n" + BODY + b"\r\n" + LAST, 400),
    "a LF behind a size": refused(CHUNKED + SIZE + b"\n" + BODY + b"\r\n" + LAST, 400),
    "a LF in an extension": refused(CHUNKED + SIZE + b";a\n" + BODY + b"\r\n" + LAST, 400),
    "a size that is no number": refused(CHUNKED + b"zz\r\n", 400),
    "a size with an x": refused(CHUNKED + b"0x" + CHUNK + LAST, 400),
    "a signed size": refused(CHUNKED + b"+" + CHUNK + LAST, 400),
    "a negative size": refused(CHUNKED + b"-1\r\n", 400),
    "a size with an underscore": refused(CHUNKED + b"2_b\r\n", 400),
    "no size": refused(CHUNKED + b"\r\n" + CHUNK + LAST, 400),
    "a size of 17 digits": refused(CHUNKED + SIZE.zfill(17) + b"\r\n" + BODY + b"\r\n" + LAST, 400),
    "a size of 16 digits": served(CHUNKED + SIZE.zfill(16) + b"\r\n" + BODY + b"\r\n" + LAST),
    "no line end behind the data": refused(CHUNKED + SIZE + b"\r\n" + BODY + b"XX" + LAST, 400),
    "a LF behind the data": refused(CHUNKED + SIZE + b"\r\n" + BODY + b"\n" + LAST, 400),
    "more data than its size": refused(CHUNKED + b"1\r\n" + BODY + b"\r\n" + LAST, 400),
    "less data than its size": refused(CHUNKED + b"%x\r\n" % (len(BODY) + 1) + BODY + b"\r\n" + LAST, 400),
    "an extension without an end": refused(CHUNKED + SIZE + b";" + b"a" * 100_000, 400),
    "extensions that outweigh the data": refused(CHUNKED + (b"1;%b\r\nx\r\n" % (b"a" * 1000)) * 30, 400),
    "a trailer that is no field": refused(CHUNKED + CHUNK + b"0\r\nodd\r\n\r\n", 400),
    "a trailer that goes on": refused(CHUNKED + CHUNK + b"0\r\nX-Odd: a\r\n b\r\n\r\n", 400),
    "a NUL in a trailer": refused(CHUNKED + CHUNK + b"0\r\nX-Odd: \x00\r\n\r\n", 400),
    "a trailer of 100 KB": refused(CHUNKED + CHUNK + b"0\r\nX-Odd: " + b"x" * 100_000, 431),
    "trailers without number": refused(CHUNKED + CHUNK + b"0\r\n" + b"X-Odd: a\r\n" * 300, 431),
}

VERDICTS: dict[str, Judged] = {**REQUEST_LINES, **FIELDS, **HOSTS, **LENGTHS, **CODINGS, **CHUNKS}
assert len(VERDICTS) == sum(map(len, (REQUEST_LINES, FIELDS, HOSTS, LENGTHS, CODINGS, CHUNKS)))


GOOD = [
    get(b"Accept: */*\r\n"),
    POST + LENGTH + b"\r\n" + BODY,
    CHUNKED + CHUNK + LAST,
    CHUNKED + b'1;a="b"\r\n{\r\n' + b"%x\r\n%b\r\n" % (len(BODY) - 1, BODY[1:]) + b"0\r\nX-Sum: 1\r\n\r\n",
]
INSERTED = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"\x7f",
    b"\xff",
    b"0",
    b"f" * 17,
    b"%",
    b"\x0b",
]


def mutated(said: bytes, draw: random.Random) -> bytes:
    """A request in which a few things were changed."""
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(said) + 1)
        upto = min(len(said), at + draw.choice([0, 0, 1, 2, 10]))
        said = said[:at] + draw.choice([b"", *INSERTED, said[at:upto] * 2]) + said[upto:]
    return said


def to(port: int, said: bytes) -> bytes:
    """What stands here, for a bridge on that port (of five digits)."""
    return said.replace(b"PORT", b"%d" % port)


def cut(said: bytes, longest: int) -> list[bytes]:
    """The same bytes in pieces."""
    return [said[at : at + longest] for at in range(0, len(said), longest)]
