"""Every command that runs on ends at SIGTERM, whatever its terminal does, and leaves nobody behind."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.support.command_line import COMMAND, Home, home, running
from tests.support.until import until
from tests.support.world import KEYS

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="counts processes in /proc")


def descendants(process: int) -> list[int]:
    """The processes that it started, and those that they did."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
        except OSError:
            continue
        children.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(status.parent.name))

    def below(number: int) -> Iterator[int]:
        for child in children.get(number, []):
            yield child
            yield from below(child)

    return list(below(process))


def runs(process: int) -> bool:
    """Whether it runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def told(process: int, what: str) -> bytes:
    """Its command line or its environment."""
    return Path(f"/proc/{process}/{what}").read_bytes()


async def all_gone(processes: list[int]) -> None:
    await until(lambda: not any(map(runs, processes)))


@asynccontextmanager
async def on_a_terminal(here: Home, *words: str) -> AsyncIterator[trio.Process]:
    """A command on a terminal that nobody reads."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    process = await trio.lowlevel.open_process(
        [*COMMAND, *words], stdin=slave, stdout=slave, stderr=slave, env={**here.environment, "TERM": "xterm"},
        start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    try:
        await until(lambda: struct.unpack("i", fcntl.ioctl(master, termios.FIONREAD, b"\0" * 4))[0] > 3_000)
        yield process
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
        os.close(master)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("words", [("demo",), ("demo", "--step")], ids=["demo", "step"])
async def test_demo_and_its_monitor(number: signal.Signals, words: tuple[str, ...]) -> None:
    with home(OPENAI_API_KEY=KEYS[0]) as here:
        here.configure('[server]\nshutdown_grace = "100ms"\n')
        async with on_a_terminal(here, *words) as demo:
            (monitor,) = descendants(demo.pid)
            assert b"API_KEY" not in told(monitor, "environ")
            given = told(monitor, "cmdline").split(b"\0")
            folder = Path(os.fsdecode(given[given.index(b"--data-dir") + 1]))
            assert (folder / "clearspan.db").exists()  # the demo's own, where `d` looks for dumps
            demo.send_signal(number)
            with trio.fail_after(30):
                await demo.wait()
            await all_gone([monitor])


async def test_up_and_its_monitor_which_gets_no_key() -> None:
    with home(OPENAI_API_KEY=KEYS[0]) as here:
        async with on_a_terminal(here, "up", "--port", "0") as up:
            (monitor,) = descendants(up.pid)
            for what in ("environ", "cmdline"):
                assert KEYS[0].encode() not in told(monitor, what)
            up.send_signal(signal.SIGTERM)
            with trio.fail_after(30):
                assert await up.wait() == 0
            await all_gone([monitor])


async def test_a_monitor_ends_with_an_up_that_is_killed() -> None:
    with home(OPENAI_API_KEY=KEYS[0]) as here:
        async with on_a_terminal(here, "up", "--port", "0") as up:
            children = descendants(up.pid)
            up.kill()
            await all_gone(children)


@pytest.mark.parametrize(
    "words", [("up", "--port", "0"), ("demo",), ("simulate", "--port", "0"), ("serve", "--port", "0")]
)
async def test_without_a_terminal(words: tuple[str, ...]) -> None:
    with home(OPENAI_API_KEY=KEYS[0]) as here:
        here.configure('[server]\nshutdown_grace = "100ms"\n')
        async with running(here, *words) as command:
            await command.says("listening on ")
            assert await command.ends(signal.SIGTERM) == 0
            assert b"Traceback" not in command.err


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("echo here; exec sleep 1000", 128 + signal.SIGTERM),
        ("trap 'exit 3' TERM; echo here; while :; do sleep 0.05; done", 3),
        ("trap '' TERM; echo here; while :; do sleep 0.05; done", 128 + signal.SIGKILL),
    ],
)
async def test_run_its_command_and_its_bridge(script: str, code: int) -> None:
    """Also a command that does not want to: it has the grace that requests have."""
    with home(OPENAI_API_KEY=KEYS[0]) as here:
        here.configure('[server]\nport = 0\nshutdown_grace = "200ms"\n')
        async with running(here, "run", "--", "sh", "-c", script) as command:
            await command.says("here")
            left = descendants(command.process.pid)
            assert len(left) >= 2
            assert await command.ends(signal.SIGTERM) == code
            await all_gone(left)
            assert b"Traceback" not in command.err


async def test_a_run_that_is_killed_leaves_no_bridge() -> None:
    with home(OPENAI_API_KEY=KEYS[0]) as here:
        here.configure("[server]\nport = 0\n")
        async with running(here, "run", "--", "sh", "-c", "echo here; exec sleep 2") as command:
            await command.says("here")
            (bridge,) = [child for child in descendants(command.process.pid) if b"serve" in told(child, "cmdline")]
            command.process.kill()
            await all_gone([bridge])
