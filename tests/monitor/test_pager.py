"""What is selected, in a person's own pager: on a real terminal, which is the monitor's again afterwards."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bridge.events.picture import Picture
from bridge.events.wire import Envelope, Snapshot, encode
from monitor.terminal import pager
from tests.support.play import HELLO, START, ended, spent, story
from tests.support.terminal import Terminal

PAGER = """
import os, pathlib, signal, sys
told = pathlib.Path({told!r})
signal.signal(signal.SIGINT, lambda *_: told.with_suffix(".interrupted").touch())
signal.signal(signal.SIGTERM, lambda *_: sys.exit(told.with_suffix(".ended").touch()))
text = pathlib.Path(sys.argv[1]).read_text()
mode = oct(os.stat(os.path.dirname(sys.argv[1])).st_mode & 0o777)
part = told.with_suffix(".part")
part.write_text(f"{{os.tcgetpgrp(0) == os.getpgrp()}} {{mode}} {{sys.argv[1]}}\\n{{text}}")
part.rename(told)
print("THE PAGER")
while sys.stdin.readline() != "leave\\n":
    pass
"""


def on_a_terminal(folder: Path, program: str, act: Callable[[Terminal], Awaitable[None]]) -> int:
    """Shows one request on a terminal whose pager is that program; the monitor's exit code."""

    async def run() -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(encode(HELLO) + encode(Snapshot.of(Picture(), 0, START)))
            for seq, event in enumerate((*story("a1b2"), spent("a1b2"), ended("a1b2")), 1):
                writer.write(encode(Envelope(seq, START, event)))
            await reader.read()
            writer.close()

        socket = folder / "e.sock"
        server = await asyncio.start_unix_server(serve, socket)
        terminal = await Terminal.open(socket, {"PAGER": program})
        try:
            await terminal.until(lambda: b"Requests" in terminal.written and b"Codex" in terminal.written)
            await act(terminal)
            return await terminal.close()
        finally:
            server.close()
            if terminal.process.returncode is None:
                terminal.process.kill()
                await terminal.close()

    return asyncio.run(run())


def test_the_pager_has_text_and_terminal_to_itself_and_gives_them_back(tmp_path: Path) -> None:
    told, script = tmp_path / "told.txt", tmp_path / "pager.py"
    script.write_text(PAGER.format(told=str(told)))

    async def act(terminal: Terminal) -> None:
        terminal.press(b"e")
        await terminal.until(lambda: told.exists() and b"THE PAGER" in terminal.written)
        terminal.press(b"\x03")  # for the pager alone
        await terminal.until(told.with_suffix(".interrupted").exists)
        before = len(terminal.written)
        terminal.press(b"leave\r")
        await terminal.until(lambda: b"Requests" in terminal.written[before:])
        terminal.press(b"q")

    assert on_a_terminal(tmp_path, f"{sys.executable} {script}", act) == 0
    first, _, text = told.read_text().partition("\n")
    in_front, mode, path = first.split()
    assert (in_front, mode) == ("True", "0o700")
    assert "fix the flaky cooldown test and say why it was flaky" in text
    assert not Path(path).parent.exists()


def test_a_pager_that_is_none_is_said(tmp_path: Path) -> None:
    async def act(terminal: Terminal) -> None:
        terminal.press(b"e")
        await terminal.until(lambda: b"could not open no-such-pager" in terminal.written)
        terminal.press(b"q")

    assert on_a_terminal(tmp_path, "no-such-pager --quick", act) == 0


def test_a_monitor_that_is_ended_ends_its_pager(tmp_path: Path) -> None:
    told, script = tmp_path / "told.txt", tmp_path / "pager.py"
    script.write_text(PAGER.format(told=str(told)))

    async def act(terminal: Terminal) -> None:
        terminal.press(b"e")
        await terminal.until(told.exists)
        terminal.process.terminate()
        await terminal.until(told.with_suffix(".ended").exists)

    assert on_a_terminal(tmp_path, f"{sys.executable} {script}", act) == 0


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PAGER": "bat -p", "EDITOR": "vi"}, ["bat", "-p"]),
        ({"PAGER": " ", "VISUAL": "code --wait", "EDITOR": "vi"}, ["code", "--wait"]),
        ({"EDITOR": "nano"}, ["nano"]),
        ({"PAGER": "it's"}, ["it's"]),
        ({"PAGER": "less -F"}, ["less", "-F", "-+F"]),
    ],
)
def test_the_environment_names_the_pager(variables: dict[str, str], words: list[str]) -> None:
    assert pager.command(variables) == words


def test_without_a_name_the_usual_ones_are_looked_for() -> None:
    assert pager.command({})[:1] in ([], ["less"], ["more"], ["vi"])
