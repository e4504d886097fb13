"""Bad HTTP/1.1 from clients: well-formed requests, alone or pipelined, most of them mutated, sent in every manner."""

from __future__ import annotations

from random import Random

from tests.faults.fuzz.arena import OWN_KEY, Arena, Target
from tests.faults.fuzz.inputs import Input, cut
from tests.faults.fuzz.mutation import mutated
from tests.faults.fuzz.sending import throw
from tests.faults.fuzz.strict_http import read

ENDINGS = ["wait"] * 10 + ["half-close"] * 4 + ["close"] * 3 + ["reset"] * 3
UNCHANGED = 0.2
ODD_FIELDS = 0.25
ODD_METHOD = 0.15
PATHS = [
    b"/openai/v1/responses",
    b"/openai/v1/responses?a=b",
    b"/anthropic/v1/messages",
    b"/anthropic/v1/messages/count_tokens",
    b"/openai/v1/embeddings",
    b"/openai/v1/models",
    b"/openai/v1/models/a",
    b"/healthz",
    b"/metrics",
    b"/nothing",
]
ODD_METHODS = [b"GET", b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"post", b"CONNECT", b"PRI"]
BODIES = [
    b'{"model":"m","input":"hello"}',
    b'{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"hello"}]}',
    b"{}",
    b"",
    b'{"model":"m","input":"GET /healthz HTTP/1.1\\r\\nHost: fuzz.example\\r\\n\\r\\n"}',
    b'{"model":"m",\r\n\r\n"input":"0"}\r\n\r\n',
]
FIELDS = [
    b"Content-Type: application/json",
    b"Authorization: Bearer " + OWN_KEY,
    b"X-Api-Key: clearspan",
    b"User-Agent: fuzz/1.0",
    b"Accept: */*",
    b"Accept-Encoding: gzip",
    b"Expect: 100-continue",
    b"Connection: close",
    b"Connection: keep-alive, x-odd",
    b"Upgrade: h2c",
    b"Upgrade: websocket",
    b"Content-Encoding: gzip",
    b"Cookie: a=b",
    b"X-Odd: \xff\xfe",
    b"Trailer: x",
    b"TE: trailers",
    b"X-Forwarded-For: 1.2.3.4",
    b"X-Clearspan-Interception: 1",
]
BAD_FIELDS = [
    b"X-Folded: a\r\n b",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity",
    b"Content-Length: 5",
    b"Host: evil.example",
    b"Origin: http://evil.example",
    b"Sec-Fetch-Site: cross-site",
]
CHUNK_ENDS = [b"\r\n"] * 20 + [b"\n", b"\r", b"", b"\r\n\r\n", b" \r\n"]
CHUNK_EXTENSIONS = [b""] * 20 + [
    b";",
    b";a",
    b";a=b",
    b';a="b"',
    b"; a = b",
    b" ",
    b"\t",
    b";a\x00",
    b";a\rb",
    b";\xff",
]
TRAILERS = [b""] * 10 + [b"X-Trailer: 1\r\n", b"Content-Length: 3\r\n", b"Host: evil.example\r\n", b"bad trailer\r\n"]


def make(chance: Random) -> Input:
    """An input."""
    messages = [_message(chance) for _ in range(chance.choice([1, 1, 1, 1, 2, 3, 5]))]
    whole = chance.choice([b"", b"", b"", b"\r\n"]).join(messages)
    if chance.random() > UNCHANGED:
        whole = mutated(whole, chance, [_message(chance)])
    return Input("front", cut(whole, chance), chance.choice(ENDINGS))


async def _throw(arena: Arena, _number: int, thrown: Input) -> None:
    requests, refused = read(thrown.whole)
    arena.allowed.update(asked.upstream for asked in requests if asked.served)
    came, ended = await throw(arena.bridge.port, thrown.pieces, thrown.ending, len(requests) + refused)
    arena.count(came)
    if not ended:
        arena.wrong.append("a client was left waiting")


def _message(chance: Random) -> bytes:
    path = chance.choice(PATHS if chance.random() < 0.5 else PATHS[:4])
    method = chance.choice(ODD_METHODS) if chance.random() < ODD_METHOD else b"POST"
    version = chance.choice([b"1.1"] * 18 + [b"1.0", b"2.0"])
    fields = [b"Host: fuzz.example", *chance.sample(FIELDS, chance.choice([0, 1, 2, 2, 3, 5]))]
    if chance.random() < ODD_FIELDS:
        fields.append(chance.choice(BAD_FIELDS))
    body = b"" if method == b"GET" else chance.choice(BODIES)
    if chance.random() < 0.35:
        fields.append(b"Transfer-Encoding: chunked")
        body = _chunked(body, chance)
    elif body or method != b"GET":
        fields.append(b"Content-Length: %d" % len(body))
    chance.shuffle(fields)
    return b"\r\n".join([b"%s %s HTTP/%s" % (method, path, version), *fields, b"", body])


def _chunked(body: bytes, chance: Random) -> bytes:
    said = bytearray()
    for piece in cut(body, chance, 6):
        size = b"%x" % len(piece) if chance.random() < 0.9 else chance.choice([b"%X", b"%04x", b"%020x"]) % len(piece)
        said += size + chance.choice(CHUNK_EXTENSIONS) + b"\r\n" + piece + chance.choice(CHUNK_ENDS)
    return bytes(said) + b"0" + chance.choice(CHUNK_EXTENSIONS) + b"\r\n" + chance.choice(TRAILERS) + b"\r\n"


FRONT = Target("front", 50, make, _throw, calm="wait", at_once=48)
