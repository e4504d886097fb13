"""The dashboard as a web page: who may see it, and what is said where it can't be served."""

from __future__ import annotations

import asyncio
import importlib
import logging
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.access import Forbidden, HostGuard
from monitor.command import MonitorError, MonitorOptions, command_line
from monitor.web import server as web
from monitor.web.tab import Size, Tab

PORT = 8486
OWN = f"http://127.0.0.1:{PORT}"


@pytest.mark.parametrize(
    ("host", "origin", "site", "served"),
    [
        (f"127.0.0.1:{PORT}", None, None, True),
        (f"localhost:{PORT}", None, "none", True),
        (f"LOCALHOST:{PORT}", f"http://localhost:{PORT}", "same-origin", True),
        (f"[::1]:{PORT}", None, None, True),
        (f"127.0.0.1:{PORT}", OWN, "same-origin", True),
        (None, None, None, False),
        ("", None, None, False),
        ("127.0.0.1", None, None, True),
        ("localhost:9999", None, None, True),
        ("localhost:9999", "http://localhost:9999", None, False),
        ("localhost:9999", "http://localhost", None, False),
        ("localhost.evil", None, None, False),
        (f"evil.example:{PORT}", None, None, False),
        (f"127.0.0.1.evil.example:{PORT}", None, None, False),
        (f"127.0.0.1:{PORT}", "http://evil.example", None, False),
        (f"127.0.0.1:{PORT}", "null", None, False),
        (f"127.0.0.1:{PORT}", "http://127.0.0.1:1", None, False),
        (f"127.0.0.1:{PORT}", f"https://127.0.0.1:{PORT}", None, False),
        (f"127.0.0.1:{PORT}", None, "cross-site", False),
        (f"127.0.0.1:{PORT}", None, "same-site", False),
    ],
)
def test_only_this_machines_own_page_is_served(
    host: str | None, origin: str | None, site: str | None, *, served: bool
) -> None:
    assert is_let_in(HostGuard(web.HOST, PORT, pages=True), host, origin, site) == served


def test_port_80_needs_no_number() -> None:
    assert is_let_in(HostGuard(web.HOST, 80, pages=True), "localhost", "http://localhost", None)


def is_let_in(guard: HostGuard, host: str | None, origin: str | None, site: str | None) -> bool:
    try:
        guard.check(host, origin, site)
    except Forbidden:
        return False
    return True


def test_a_tab_runs_the_monitor_that_was_asked_for() -> None:
    options = MonitorOptions(Path("/run/e.sock"), replay=Path("a log.jsonl"), speed=2.0, theme="light")
    begin = [sys.executable, "-P", "-m", "monitor"]
    assert command_line(options) == [
        *begin, "--socket", "/run/e.sock", "--replay", "a log.jsonl", "--speed", "2.0", "--theme", "light",
    ]  # fmt: skip
    assert command_line(MonitorOptions(Path("e.sock"))) == [*begin, "--socket", "e.sock"]


def test_without_textual_serve_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MonitorError, match=r"--web needs textual-serve: install it with `pip"):
        web.serve(MonitorOptions(Path("e.sock")), 0)


def test_a_port_that_is_taken_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda _name: None)
    with socket.create_server((web.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MonitorError, match=f"port {port} can't be used: address already in use"):
            web.serve(MonitorOptions(Path("e.sock")), port)


def test_the_guard_stands_before_pages_and_websockets() -> None:
    """With aiohttp itself, where it is installed: foreign requests get 403 before their handler is asked."""
    aiohttp = pytest.importorskip("aiohttp.web")
    asked = []

    async def handler(request: Any) -> Any:
        asked.append(request.path)
        if request.path == "/ws":
            response = aiohttp.WebSocketResponse()
            await response.prepare(request)
            await response.close()
            return response
        return aiohttp.Response(text="page")

    async def serve() -> None:
        listener = socket.create_server((web.HOST, 0))
        port = listener.getsockname()[1]
        app = aiohttp.Application(middlewares=[web.guard(aiohttp, port)])
        app.add_routes([aiohttp.get("/", handler), aiohttp.get("/ws", handler)])
        runner = aiohttp.AppRunner(app)
        await runner.setup()
        await aiohttp.SockSite(runner, listener).start()
        try:
            own = f"127.0.0.1:{port}"
            assert (await ask(port, "/", own)).startswith(b"HTTP/1.1 200")
            assert b"Content-Security-Policy: default-src 'self'" in await ask(port, "/", own)
            assert (await ask(port, "/ws", own, UPGRADE, f"Origin: http://{own}")).startswith(b"HTTP/1.1 101")
            before = len(asked)
            assert (await ask(port, "/", "evil.example")).startswith(b"HTTP/1.1 403")
            assert (await ask(port, "/ws", own, UPGRADE, "Origin: http://evil.example")).startswith(b"HTTP/1.1 403")
            assert len(asked) == before
        finally:
            await runner.cleanup()

    asyncio.run(serve())


@pytest.mark.parametrize(("filtered", "tracebacks"), [(False, 1), (True, 0)])
def test_a_browser_that_leaves_before_its_answer_is_no_fault_to_log(
    caplog: pytest.LogCaptureFixture, *, filtered: bool, tracebacks: int
) -> None:
    aiohttp = pytest.importorskip("aiohttp.web")
    log = logging.getLogger("aiohttp.server")

    async def serve() -> None:
        ended = asyncio.Event()

        async def handler(request: Any) -> Any:
            writer.close()
            while request.transport is not None:  # noqa: ASYNC110  aiohttp has no event for it
                await asyncio.sleep(0)
            ended.set()
            response = aiohttp.WebSocketResponse()
            await response.prepare(request)
            return response

        listener = socket.create_server((web.HOST, 0))
        app = aiohttp.Application()
        app.add_routes([aiohttp.get("/ws", handler)])
        runner = aiohttp.AppRunner(app)
        await runner.setup()
        await aiohttp.SockSite(runner, listener).start()
        try:
            _, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n{UPGRADE}\r\n\r\n".encode())
            await ended.wait()
        finally:
            await runner.cleanup()

    if filtered:
        log.addFilter(web._is_our_fault)
    try:
        asyncio.run(serve())
    finally:
        log.removeFilter(web._is_our_fault)
    assert len([record for record in caplog.records if record.exc_info]) == tracebacks


UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
)


async def ask(port: int, path: str, host: str, *headers: str) -> bytes:
    """The head of the answer to a request with those headers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]
    writer.write("\r\n".join(lines).encode())
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return head


class Typed:
    """What a tab writes to its monitor, in the place of a pipe."""

    def __init__(self) -> None:
        self.packets: list[tuple[bytes, bytes]] = []

    def write(self, data: bytes) -> None:
        assert len(data) == 5 + int.from_bytes(data[1:5], "big")
        self.packets.append((data[:1], data[5:]))

    async def drain(self) -> None:
        pass


@pytest.mark.parametrize(
    ("message", "packets"),
    [
        (
            '["resize", {"width": 99999999, "height": 201}]',
            [(b"M", b'{"type": "resize", "width": 500, "height": 200}')],
        ),
        ('["resize", {"width": 80, "height": 24}]', [(b"M", b'{"type": "resize", "width": 80, "height": 24}')]),
        ('["resize", {"width": 80, "height": 0}]', []),
        ('["resize", {"width": 80, "height": true}]', []),
        ('["resize", {"width": 80}]', []),
        (
            '["stdin", "\\u00e9\\ud800"]',
            [(b"M", b'{"type": "focus"}'), (b"D", b"\xc3\xa9?")],
        ),  # keys mean that it is in front
        ('["blur"]', [(b"M", b'{"type": "blur"}')]),
        ('["quit"]', []),
        ('[["focus"]]', []),
        ("[" * 100_000, []),
        ("{", []),
    ],
)
def test_a_page_says_what_pages_say_and_no_more(message: str, packets: list[tuple[bytes, bytes]]) -> None:
    typed: Any = Typed()
    nothing: Any = None
    assert asyncio.run(Tab(nothing, typed, nothing).take(message)) is None
    assert typed.packets == packets


def test_a_size_is_bounded() -> None:
    assert web.asked_size("99999999", "99999999") == Size(500, 200)
    assert web.asked_size("1", "1") == Size(1, 1)
    assert [web.asked_size(text, "24") for text in ("", "0", "-1", "1.5", "x", "9" * 5_000, "\u0661")] == [None] * 7
