"""The monitor as its own process on a pseudo-terminal, fed through a real socket: what bytes reach the terminal."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bridge.events.picture import Picture
from bridge.events.wire import Envelope, Snapshot, encode
from tests.support.hostile import HOSTILE, everything
from tests.support.play import HELLO, START
from tests.support.terminal import Terminal


def on_a_terminal(leave: Callable[[Terminal], None]) -> tuple[bytes, int]:
    """Shows a hostile bridge until its answer is on the screen, then leaves; what was written, and the exit code."""

    async def run(path: Path) -> tuple[bytes, int]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.append(asyncio.current_task())
            safe = HOSTILE.replace("\ud83d", "")  # cannot be said in JSON's UTF-8
            writer.write(encode(HELLO) + encode(Snapshot.of(Picture(), 0, START)))
            for seq, event in enumerate(everything(safe), 1):
                writer.write(encode(Envelope(seq, START, event)))
            with suppress(OSError):
                await reader.read()
            writer.close()

        tasks: list[asyncio.Task[None] | None] = []
        server = await asyncio.start_unix_server(serve, path)
        terminal = await Terminal.open(path)
        try:
            await terminal.until(lambda: b"tail" in terminal.written and b"Requests" in terminal.written)
            leave(terminal)
            code = await terminal.close()
        finally:
            server.close()
            if terminal.process.returncode is None:
                terminal.process.kill()
                await terminal.close()
        await asyncio.gather(*(task for task in tasks if task is not None))
        return terminal.written, code

    with tempfile.TemporaryDirectory() as directory:
        return asyncio.run(run(Path(directory) / "events.sock"))


@pytest.mark.parametrize("way", ["q", "SIGTERM"])
def test_hostile_text_sends_the_terminal_no_command(way: str) -> None:
    def leave(terminal: Terminal) -> None:
        if way == "q":
            terminal.press(b"q")
        else:
            terminal.process.send_signal(signal.SIGTERM)

    written, code = on_a_terminal(leave)
    assert code == 0
    assert b"\x1b]52" not in written
    assert b"\x1b]0;" not in written
    assert b"\x1b[6n" not in written
    assert "\x9b".encode() not in written
    assert "\u202e".encode() not in written
    assert b"Traceback" not in written
    assert b"\x1b[?1049l" in written  # the terminal is left as it was found


def test_without_a_terminal_it_says_so() -> None:
    async def run() -> tuple[int, bytes]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "monitor", "--socket", "nowhere.sock",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _out, err = await process.communicate()
        return process.returncode or 0, err

    code, err = asyncio.run(run())
    assert code == 2
    assert b"the monitor needs a terminal; `clearspan tail`" in err
