"""A hostile provider: good responses, most of them mutated, floods, bombs, and every way of ending a connection."""

from __future__ import annotations

import gzip
import importlib
import sys
import zlib
from functools import partial
from random import Random
from typing import Any

from tests.faults.fuzz.arena import Arena, Target, request
from tests.faults.fuzz.inputs import Input, cut
from tests.faults.fuzz.mutation import mutated
from tests.faults.fuzz.recording import ANSWER, INPUT_HEADER
from tests.faults.fuzz.responses import read_response
from tests.faults.fuzz.sending import until_closed
from tests.faults.fuzz.streams import BODY, STREAMS

zstd: Any = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
brotli: Any = importlib.import_module("brotli")

ENDINGS = ["close"] * 10 + ["keep"] * 4 + ["reset"] * 4 + ["stall"]
OWN_STATUSES = {429, 502, 503, 504}
"""What the bridge answers by itself where it gets no response that it takes."""
STATUSES = [200] * 20 + [201, 204, 304, 307, 400, 401, 403, 404, 429, 501, 503, 529, 101, 199, 600, 999]
FIELDS = [
    b"x-request-id: req_1",
    b"Retry-After: 1",
    b"retry-after-ms: 99999999999999999999",
    b"x-ratelimit-remaining-requests: 9",
    b"x-ratelimit-reset-tokens: 1e99s",
    b"anthropic-ratelimit-tokens-reset: 9999-99-99T99:99:99Z",
    b"Set-Cookie: a=b",
    b"Connection: close",
    b"Connection: keep-alive, x-odd",
    b"Location: http://evil.example/",
    b"X-Odd: \xff\x9b",
    b"X-Clearspan-Interception: evil",
    b"Upgrade: h2c",
    b"Trailer: x",
    b"Content-Length: 5",
    b"Transfer-Encoding: gzip, chunked",
]
GARBAGE = [b"", b"", b"", b"", b"\r\n", b"\x00" * 100]
"""What follows an answer. No whole answer: one that comes late, on a connection that was kept and is just being used
again, can't be told from the answer to that request (RFC 9112, 9.2). One that comes at once is a test of
`tests/faults/test_upstream.py`."""

INFORMATIONAL = [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"]
PACKERS = (partial(gzip.compress, mtime=0), zlib.compress, brotli.compress, zstd.compress)
"""Without the time, by which a seed would no longer decide every byte."""
BOMBS = [pack(bytes(5_000_000)) for pack in PACKERS]
PATHS = list(STREAMS)


def make(chance: Random) -> Input:
    """An input."""
    path = chance.choice(PATHS)
    said = _head_and_body(path, chance) + chance.choice(GARBAGE)
    if chance.random() < 0.1:
        said = chance.choice(INFORMATIONAL) * chance.choice([1, 3, 99, 101, 3000]) + said
    if chance.random() < 0.7:
        said = mutated(said, chance, [_head_and_body(path, chance)])
    elif chance.random() < 0.05:
        said = chance.randbytes(300)
    return Input(
        "upstream", cut(said, chance, 8), chance.choice(ENDINGS), {"path": path, "pool": chance.random() < 0.2}
    )


def _head_and_body(path: str, chance: Random) -> bytes:
    streaming = chance.random() < 0.5
    body = b"".join(chance.choice(STREAMS[path])) if streaming else ANSWER
    fields = [b"Content-Type: " + (b"text/event-stream" if streaming else b"application/json")]
    fields += chance.sample(FIELDS, chance.choice([0, 0, 1, 2, 4]))
    if chance.random() < 0.2:
        body = chance.choice([*(pack(body) for pack in PACKERS), *BOMBS, body])
        fields.append(
            b"Content-Encoding: " + chance.choice([b"gzip", b"deflate", b"br", b"zstd", b"gzip, gzip", b"odd"])
        )
    framing = chance.random()
    if framing < 0.5:
        fields.append(b"Transfer-Encoding: chunked")
        pieces = cut(body, chance, 8) if len(body) > 2000 or chance.random() < 0.8 else [bytes([code]) for code in body]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    elif framing < 0.9:
        wrong = chance.choice([0] * 8 + [1, -1, 1000])
        fields.append(b"Content-Length: %d" % max(0, len(body) + wrong))
    chance.shuffle(fields)
    status = b"HTTP/1.1 %d Whatever" % chance.choice(STATUSES)
    return b"\r\n".join([status, *fields, b"", body])


async def _throw(arena: Arena, number: int, thrown: Input) -> None:
    arena.provider.answers[number] = thrown
    path = thrown.facts["path"].encode()
    # A connection that was kept and proves dead before a byte came is replaced by another, once.
    arena.allowed[b"POST", path[path.index(b"/", 1) :], BODY] += 2
    said = request(path, BODY, b"%s: %d\r\n" % (INPUT_HEADER, number))
    if thrown.facts["pool"]:
        said = said.replace(b"Authorization", b"X-Other")
        arena.allowed[b"GET", b"/v1/models", b""] += 1  # a check of the key
    came = await until_closed(arena.bridge.port, said)
    if came is None:
        arena.wrong.append("a client was left waiting")
        return
    sent, got = read_response(thrown.whole), read_response(came)
    if sent[0] != 500:
        arena.count(came)
    if got[0] is None:
        arena.wrong.append(f"a client got no response: {came[:300]!r}")
    elif got[0] not in OWN_STATUSES and (sent[0] != got[0] or (got[2] and got != sent)):
        arena.wrong.append(f"a response was changed: {got[0]} {got[1][:300]!r} was {sent[0]} {sent[1][:300]!r}")


UPSTREAM = Target("upstream", 12, make, _throw, calm="close", at_once=64, patience="1s")
