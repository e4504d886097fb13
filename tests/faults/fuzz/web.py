"""Bad requests at `clearspan monitor --web`: pages, files and WebSockets, with and without its secret."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from tests.faults.fuzz.arena import Arena, Target
from tests.faults.fuzz.inputs import Input, cut
from tests.faults.fuzz.mutation import mutated
from tests.faults.fuzz.sending import throw, until_closed
from tests.faults.fuzz.subject import Subject, started
from tests.support.command_line import COMMAND, Home

LARGEST = 3 * 1024**3
"""No process of the page may address more, so that one which is asked for too much costs this machine nothing."""
ENDINGS = ["wait"] * 6 + ["half-close"] * 2 + ["close"] * 2 + ["reset"] * 2
OPENED = 0.02
"""How many requests are to open a tab: each starts a monitor, and that takes a while."""
PATHS = [b"/", b"/?secret=@SECRET@", b"/page.js", b"/static/js/textual.js", b"/static/../../etc/passwd", b"/download/x"]
SIZES = [b"80", b"1", b"0", b"-1", b"99999999", b"9" * 400, b"NaN", b"1e3", "٣".encode(), b"%00", b""]
UPGRADE = [
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]
COOKIE = b"Cookie: clearspan_monitor_@PORT@=@SECRET@"
FIELDS = [
    b"Origin: http://@HOST@",
    b"Origin: http://evil.example",
    b"Origin: null",
    b"Sec-Fetch-Site: cross-site",
    b"Cookie: clearspan_monitor_@PORT@=x",
    b"Cookie: a=\xff\x00",
    b"Range: bytes=0-1,2-3,99999999999-",
    b"If-Modified-Since: x",
    b"Content-Length: 5",
    b"Transfer-Encoding: chunked",
    b"Expect: 100-continue",
    b"Accept-Encoding: gzip",
]


def make(chance: Random) -> Input:
    """An input."""
    if chance.random() < OPENED:
        path = b"/ws?width=%s&height=%s" % (chance.choice(SIZES), chance.choice(SIZES))
        head = [b"GET %s HTTP/1.1" % path, b"Host: @HOST@", b"Origin: http://@HOST@", COOKIE, *UPGRADE, b"", b""]
        return Input("web", (b"\r\n".join(head) + chance.randbytes(chance.randrange(200)),), "close")
    fields = [b"Host: " + chance.choice([b"@HOST@"] * 8 + [b"evil.example", b""])]
    fields += chance.sample(FIELDS, chance.choice([0, 1, 2, 3]))
    fields += UPGRADE if chance.random() < 0.2 else []
    fields += [COOKIE] if chance.random() < 0.3 else []
    path = chance.choice([*PATHS, b"/ws?width=%s&height=%s" % (chance.choice(SIZES), chance.choice(SIZES))])
    method = chance.choice([b"GET"] * 8 + [b"HEAD", b"POST", b"OPTIONS", b"CONNECT", b"TRACE"])
    whole = b"\r\n".join([b"%s %s HTTP/1.1" % (method, path), *fields, b"", b""])
    if chance.random() < 0.7:
        whole = mutated(whole, chance)
    return Input("web", cut(whole, chance), chance.choice(ENDINGS))


async def _throw(arena: Arena, _number: int, thrown: Input) -> None:
    assert arena.page is not None
    host, secret = address(arena.page)
    port = host.rpartition(b":")[2]
    pieces = [
        piece.replace(b"@HOST@", host).replace(b"@SECRET@", secret).replace(b"@PORT@", port) for piece in thrown.pieces
    ]
    came, ended = await throw(int(port), pieces, thrown.ending, 1)
    arena.count(came)
    if not ended:
        arena.wrong.append("a client was left waiting")


def address(page: Subject) -> tuple[bytes, bytes]:
    """Where the page is, and its secret, as its first line has them."""
    host, _, rest = page.said.strip().rpartition(b"http://")[2].partition(b"/")
    return host, rest.partition(b"secret=")[2]


async def check(arena: Arena) -> None:
    """The page is still served to whoever has the secret."""
    assert arena.page is not None
    host, secret = address(arena.page)
    request = b"GET /?secret=%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (secret, host)
    came = await until_closed(int(host.rpartition(b":")[2]), request)
    if came is None or not came.startswith(b"HTTP/1.1 200 "):
        arena.wrong.append(f"the page is not served: {came and came[:300]!r}")


@asynccontextmanager
async def page(here: Home) -> AsyncIterator[Subject]:
    """The page of the bridge in this home, in a process of its own."""
    command = [*COMMAND, "monitor", "--web", "--web-port", "0"]
    async with started(command, here.path / "web.log", here.environment) as subject:
        resource.prlimit(subject.process.pid, resource.RLIMIT_AS, (LARGEST, LARGEST))
        yield subject


WEB = Target("web", 1, make, _throw, calm="wait", at_once=16, page=page, check=check)
