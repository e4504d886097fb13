"""What is said of a cancel once it is known what came of it, and with which figure."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from textual.pilot import Pilot

from bridge.events.values import FailureReason, Outcome
from bridge.events.vocabulary import AttemptFailed, AttemptStarted, Event, ResponseStarted
from monitor.app import MonitorApp
from monitor.lines.messages import settled
from monitor.sources.bridge_socket import BridgeSource
from monitor.state.cancels import MOST, Cancels
from tests.support.folds import after
from tests.support.play import START, ended, screen_text, started
from tests.support.served import configure, environment

FAILED = ended("a", Outcome.FAILED)
OPEN = (AttemptStarted("a", 1, "sk"), ResponseStarted("a", 1, 200))
BENCHED = (AttemptStarted("a", 1, "sk"), AttemptFailed("a", 1, "sk", 429, FailureReason.RATE_LIMITED))
CANCELLED = ended("a", Outcome.CANCELLED, error="cancelled by the bridge's owner")


def told(seconds: float, *events: Event) -> list[str]:
    """What is said so many seconds after the command."""
    cancels = Cancels()
    cancels.send("a", "Codex 2, 853af7ce", START)
    state, now = after(started("a"), *events), START + timedelta(seconds=seconds)
    said = [settled(cancel)[0] for cancel in cancels.settle(state.request, now)]
    assert cancels.waits_for("a") == (not said)
    assert cancels.settle(state.request, now) == []  # once
    return said


@pytest.mark.parametrize(
    ("seconds", "events", "said"),
    [
        (0.5, OPEN, []),
        (0.0031, (*OPEN, CANCELLED), ["cancelled Codex 2, 853af7ce; upstream closed after 3 ms"]),
        (2.5, (*OPEN, CANCELLED), ["cancelled Codex 2, 853af7ce; upstream closed after 2,500 ms"]),
        (90, (*OPEN, CANCELLED), ["cancelled Codex 2, 853af7ce; upstream closed after 1m30s"]),
        (-1, (*OPEN, CANCELLED), ["cancelled Codex 2, 853af7ce; upstream closed after 0 ms"]),  # the clock was set back
        (0.002, (CANCELLED,), ["cancelled Codex 2, 853af7ce after 2 ms; nothing was open upstream"]),
        (0.002, (*BENCHED, CANCELLED), ["cancelled Codex 2, 853af7ce after 2 ms; nothing was open upstream"]),
        (0.1, (*OPEN, ended("a")), ["Codex 2, 853af7ce had its whole answer before it could be cancelled"]),
        (
            0.1,
            (*OPEN, ended("a", Outcome.FAILED)),
            ["Codex 2, 853af7ce had ended before it could be cancelled: failed"],
        ),
        (10, OPEN, ["Codex 2, 853af7ce goes on, 10s after it was to be cancelled"]),
    ],
)
def test_what_came_of_it_is_told_once(seconds: float, events: tuple[Event, ...], said: list[str]) -> None:
    assert told(seconds, *events) == said


def test_what_the_bridge_would_not_do_is_not_waited_for() -> None:
    cancels = Cancels()
    cancels.send("a", "Codex", START)
    cancels.withdraw("a")
    assert cancels.settle(after(started("a"), CANCELLED).request, START) == []


def test_no_more_are_waited_for_than_it_says() -> None:
    cancels = Cancels()
    for number in range(MOST + 1):
        cancels.send(f"r{number}", "Codex", START)
    assert [cancels.waits_for(f"r{number}") for number in (0, 1, MOST)] == [False, True, True]


class SlowUpstream:
    """A provider that begins a stream and says no more, and notices when the bridge has let it go."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.closed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            writer.write(b"7\r\n: hey\n\n\r\n")
            self.asked.set()
            with suppress(ConnectionError):
                while await reader.read(65_536):
                    pass
            self.closed.set()
        writer.close()


def test_a_real_bridge_has_let_upstream_go_when_the_monitor_says_so(tmp_path: Path) -> None:
    async def run() -> None:
        upstream = SlowUpstream()
        async with asyncio.timeout(60), await asyncio.start_server(upstream.serve, "127.0.0.1", 0) as provider:
            root = f"http://127.0.0.1:{provider.sockets[0].getsockname()[1]}"
            bridge = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bridge", "serve", *configure(tmp_path, root),
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, env=environment(tmp_path),
            )  # fmt: skip
            try:
                await cancel_in_the_dashboard(tmp_path / "events.sock", upstream)
            finally:
                bridge.kill()
                await bridge.wait()

    asyncio.run(run())


async def cancel_in_the_dashboard(path: Path, upstream: SlowUpstream) -> None:
    app = MonitorApp(BridgeSource(path), str(path))
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.state.hello is not None)
        assert app.state.hello is not None
        port = int(app.state.hello.url.rpartition(":")[2])
        body = json.dumps({"model": "gpt-5", "input": "hi", "stream": True})
        _, client = await asyncio.open_connection("127.0.0.1", port)
        client.write(
            f"POST /openai/v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n{body}".encode()
        )
        async with asyncio.timeout(20):
            await upstream.asked.wait()
        await until(pilot, lambda: app.live.selected is not None and bool(app.live.selected.attempts))
        assert not upstream.closed.is_set()
        await pilot.press("X")
        await until(pilot, lambda: "upstream closed after" in screen_text(app))
        assert re.search(r"cancelled \S+.*; upstream closed after [\d,]+ ms", screen_text(app))
        async with asyncio.timeout(20):  # what was said is so
            await upstream.closed.wait()
        client.close()


async def until(pilot: Pilot[None], met: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not met():
            await asyncio.sleep(0.02)
            await pilot.pause()
