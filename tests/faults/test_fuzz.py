"""A short run of each kind of input; `scripts/fuzz` is for long ones. And what the run is judged by, against itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.fuzz.campaign import run_campaign
from tests.faults.fuzz.inputs import chance_of, load, save
from tests.faults.fuzz.strict_http import read
from tests.faults.fuzz.targets import TARGETS

SHORT = {"front": 1500, "json": 300, "sse": 200, "upstream": 200, "socket": 300}


@pytest.mark.parametrize("name", SHORT)
async def test_everything_holds(name: str) -> None:
    findings = await run_campaign([TARGETS[name]], SHORT[name], seed=1, seconds=50.0)
    assert findings.wrong == []
    assert findings.thrown.total() > 0


async def test_everything_holds_of_the_web_page() -> None:
    pytest.importorskip("textual_serve")
    findings = await run_campaign([TARGETS["web"]], 100, seed=1, seconds=50.0)
    assert findings.wrong == []


@pytest.mark.parametrize("name", TARGETS)
async def test_a_seed_decides_every_input_and_a_file_keeps_it(name: str, tmp_path: Path) -> None:
    inputs, again = ([TARGETS[name].make(chance_of(7, name, number)) for number in range(50)] for _ in range(2))
    assert inputs == again
    save(tmp_path / "kept.jsonl", inputs)
    assert load(tmp_path / "kept.jsonl") == inputs


HOST = b"Host: fuzz.example\r\n"
POST = b"POST /openai/v1/responses HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"

BODIES: dict[str, tuple[bytes, list[bytes]]] = {
    "a length": (POST + b"Content-Length: 2\r\n\r\n{}", [b"{}"]),
    "a length twice the same": (POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", [b"{}"]),
    "chunks": (CHUNKED + b"1\r\n{\r\n01;a=b\r\n}\r\n0\r\nx: y\r\n\r\n", [b"{}"]),
    "a pipeline": (GET + POST + b"Content-Length: 2\r\n\r\n{}\r\n" + GET, [b"", b"{}", b""]),
    "line feeds alone": ((POST + b"Content-Length: 2\r\n\r\n").replace(b"\r", b"") + b"{}", [b"{}"]),
    "the end of the connection": (POST + b"Connection: close\r\n\r\n" + GET, [b""]),
    "half a body": (GET + POST + b"Content-Length: 3\r\n\r\n{}", [b""]),
    "half a head": (GET + POST, [b""]),
}
REFUSED: dict[str, bytes] = {
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a signed length": POST + b"Content-Length: +2\r\n\r\n{}",
    "a length and chunks": POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding that is not undone": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a chunk size that is none": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "a space behind a chunk size": CHUNKED + b"2 \r\n{}\r\n0\r\n\r\n",
    "an empty chunk extension": CHUNKED + b"2;\r\n{}\r\n0\r\n\r\n",
    "a NUL in a chunk extension": CHUNKED + b"2;a=\x00\r\n{}\r\n0\r\n\r\n",
    "a chunk that is too long": CHUNKED + b"1\r\n{}\r\n0\r\n\r\n",
    "a space before a colon": POST + b"X-Odd : 1\r\n\r\n",
    "DEL in a value": POST + b"X-Odd: \x7f\r\n\r\n",
    "two hosts": POST + HOST + b"\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "another version": b"GET /healthz HTTP/2.0\r\n" + HOST + b"\r\n",
    "a whole URL": b"GET http://evil.example/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "too many fields": POST + b"a: b\r\n" * 256 + b"\r\n",
    "a head that is too long": POST + b"a: " + b"b" * 65536 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", BODIES)
async def test_what_a_strict_server_reads(name: str) -> None:
    said, bodies = BODIES[name]
    requests, refused = read(said)
    assert ([request.body for request in requests], refused) == (bodies, False)
    assert all(request.served for request in requests)


@pytest.mark.parametrize("name", REFUSED)
async def test_what_a_strict_server_refuses(name: str) -> None:
    requests, refused = read(GET + REFUSED[name])
    assert (len(requests), refused) == (1, True)


@pytest.mark.parametrize("field", [b"Origin: null", b"Sec-Fetch-Site: cross-site"])
async def test_what_a_web_page_sends_is_not_served(field: bytes) -> None:
    requests, _ = read(GET.replace(HOST, HOST + field + b"\r\n") + GET.replace(b"fuzz.example", b"evil.example"))
    assert [request.served for request in requests] == [False, False]
