"""`clearspan serve` as a process of its own, and the signals that end it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import trio
from attrs import define

from tests.faults.answers import begin_and_hang
from tests.faults.subscriber import subscriber
from tests.faults.wire import BEGUN, client, request
from tests.support.world import HELLO, STREAM, Asked, Reply, provider, say_hello

KEY = "sk-canary-of-a-process-0001"


@define
class BridgeProcess:
    """A bridge in a process of its own."""

    process: trio.Process
    port: int
    socket: Path
    place: Path

    async def ended(self) -> int:
        """Waits for its end. Returns the exit code; what it left on standard error must be free of tracebacks."""
        with trio.fail_after(20):
            code = await self.process.wait()
        said = (self.place / "stderr").read_text()
        assert "Traceback" not in said
        assert KEY not in said
        return code


@asynccontextmanager
async def served(url: str, place: Path, grace: str, *, before: str = "") -> AsyncIterator[BridgeProcess]:
    """`python -m bridge serve`, run by a shell after the command `before`."""
    config, socket = place / "config.toml", place / "run" / "events.sock"
    config.write_text(
        f"""
        [server]
        port = 0
        socket = "{socket}"
        shutdown_grace = "{grace}"
        [record]
        path = "{place}/record.db"
        [providers.openai]
        type = "openai"
        base_url = "{url}"
        keys = ["env:SOME_KEY"]
        """
    )
    config.chmod(0o600)
    command = [sys.executable, "-W", "error::ResourceWarning", "-m", "bridge", "serve", "--config", str(config)]
    shell = ["/bin/sh", "-c", f'{before}exec "$@"', "sh", *command]
    with (place / "stderr").open("w") as errors:
        process = await trio.lowlevel.open_process(
            shell, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, "SOME_KEY": KEY}
        )
    assert process.stdout is not None
    try:
        async with process.stdout:
            with trio.fail_after(20):
                said = await process.stdout.receive_some(1000)
            assert said.startswith(b"listening on http://127.0.0.1:"), (place / "stderr").read_text()
            yield BridgeProcess(process, int(said.rpartition(b":")[2]), socket, place)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_running_stream_finishes_within_the_grace(number: signal.Signals, tmp_path: Path) -> None:
    resume = trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(BEGUN)
        await resume.wait()
        await reply.chunk(HELLO[2])
        await reply.end()

    async with provider(handle) as url, served(url, tmp_path, "60s") as here, client(here.port) as connection:
        async with subscriber(here.socket) as listening:
            await connection.send(request(here.port))
            await connection.received(BEGUN)
            here.process.send_signal(number)
            assert (await listening.until("bridge.stopping"))["reason"] == number.name
            resume.set()
            answer = await connection.answer()
            assert answer is not None
            assert (answer.body, answer.complete) == (b"".join(HELLO), True)
            assert (await listening.until("interception.ended"))["outcome"] == "completed"
        assert await here.ended() == 0
        assert not here.socket.exists()


async def test_a_stream_that_never_ends_is_cut_off_when_the_grace_is_over(tmp_path: Path) -> None:
    async with provider(begin_and_hang) as url, served(url, tmp_path, "100ms") as here, client(here.port) as connection:
        async with subscriber(here.socket) as listening:
            await connection.send(request(here.port))
            await connection.received(BEGUN)
            here.process.send_signal(signal.SIGTERM)
            answer = await connection.answer()
            assert answer is not None
            assert (b"event: error" in answer.body, answer.complete) == (True, False)
            assert (await listening.until("interception.ended"))["outcome"] == "cancelled"
        assert await here.ended() == 0


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async with provider(begin_and_hang) as url, served(url, tmp_path, "1h") as here, client(here.port) as connection:
        async with subscriber(here.socket) as listening:
            await connection.send(request(here.port))
            await connection.received(BEGUN)
            here.process.send_signal(signal.SIGINT)
            await listening.until("bridge.stopping")
            here.process.send_signal(signal.SIGTERM)
            answer = await connection.answer()
            assert answer is not None
            assert not answer.complete
            assert (await listening.until("interception.ended"))["outcome"] == "cancelled"
        assert await here.ended() == 130
    with closing(sqlite3.connect(tmp_path / "record.db")) as record:
        assert record.execute("SELECT outcome FROM interceptions").fetchall() == [("cancelled",)]


async def test_sigint_works_where_it_was_inherited_as_ignored(tmp_path: Path) -> None:
    """As for any process that a shell script starts in the background."""
    async with provider(say_hello) as url, served(url, tmp_path, "60s", before="trap '' INT; ") as here:
        here.process.send_signal(signal.SIGINT)
        assert await here.ended() == 0


async def test_killed_it_leaves_a_socket_that_the_next_one_takes_over(tmp_path: Path) -> None:
    async with provider(say_hello) as url:
        async with served(url, tmp_path, "60s") as here:
            here.process.kill()
            await here.process.wait()
            assert here.socket.exists()
        async with served(url, tmp_path, "60s") as here, subscriber(here.socket):
            here.process.send_signal(signal.SIGTERM)
            assert await here.ended() == 0
