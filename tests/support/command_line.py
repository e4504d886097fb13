"""The command `clearspan` for tests: as a process of its own, with a home of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, CompletedProcess

import trio
from attrs import define, field, frozen

COMMAND = (sys.executable, "-W", "error::ResourceWarning", "-m", "bridge")


@frozen
class Home:
    """A user's directories, all below one, and the environment that names them and nothing else."""

    path: Path
    variables: dict[str, str] = field(factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What a process is started with."""
        places = {"XDG_CONFIG_HOME": "config", "XDG_DATA_HOME": "data", "XDG_RUNTIME_DIR": "run"}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "LANG": "C.UTF-8",
            **{name: str(self.path / place) for name, place in places.items()},
            **self.variables,
        }

    @property
    def socket(self) -> Path:
        """Where a bridge puts its event socket."""
        return self.path / "run" / "clearspan" / "events.sock"

    def configure(self, text: str) -> Path:
        """Writes the configuration file that is read by default."""
        file = self.path / "config" / "clearspan" / "config.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file


@contextmanager
def home(**variables: str) -> Iterator[Home]:
    """A home that is gone afterwards. Its path is short: socket paths have to be."""
    with tempfile.TemporaryDirectory(prefix="cs-") as place:
        (Path(place) / "run").mkdir(mode=0o700)
        yield Home(Path(place), variables)


@frozen
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


async def clearspan(here: Home, *arguments: str, seconds: float = 30) -> Said:
    """Runs a command to its end."""
    with trio.fail_after(seconds):
        done: CompletedProcess[bytes] = await trio.run_process(
            [*COMMAND, *arguments],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=here.environment,
            cwd=here.path,
            stdin=b"",
        )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


@define
class Running:
    """A command under way. `out` and `err` are what it has said so far."""

    process: trio.Process
    out: bytearray = field(factory=bytearray)
    err: bytearray = field(factory=bytearray)
    _open: int = 2
    _news: trio.Event = field(factory=trio.Event)

    async def says(self, text: str, count: int = 1) -> None:
        """Waits until its standard output holds the text."""
        with trio.fail_after(30):
            while self.out.count(text.encode()) < count:
                assert self._open, f"it ended without saying {text!r}: {self.out!r} {self.err!r}"
                await self._news.wait()

    @property
    def lines(self) -> list[str]:
        """The whole lines of its standard output so far."""
        return self.out.decode().split("\n")[:-1]

    async def ends(self, with_signal: signal.Signals | None = None) -> int:
        """Sends a signal, if one is given, and waits for the end. Returns the exit code."""
        if with_signal is not None:
            self.process.send_signal(with_signal)
        with trio.fail_after(30):
            code = await self.process.wait()
            while self._open:
                await self._news.wait()
        return code

    async def collect(self, stream: trio.abc.ReceiveStream, into: bytearray) -> None:
        """Reads one of its outputs to the end."""
        with contextlib.suppress(trio.ClosedResourceError):
            async for chunk in stream:
                into += chunk
                self._tell()
        self._open -= 1
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()


@asynccontextmanager
async def running(here: Home, *arguments: str) -> AsyncIterator[Running]:
    """Runs a command beside the block. What still runs afterwards is killed."""
    process = await trio.lowlevel.open_process(
        [*COMMAND, *arguments], stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=here.environment, cwd=here.path
    )
    command = Running(process)
    assert process.stdout is not None
    assert process.stderr is not None
    async with process.stdout, process.stderr, trio.open_nursery() as nursery:
        try:
            nursery.start_soon(command.collect, process.stdout, command.out)
            nursery.start_soon(command.collect, process.stderr, command.err)
            yield command
        finally:
            with trio.CancelScope(shield=True):
                if process.returncode is None:
                    process.kill()
                await process.wait()


@asynccontextmanager
async def serving(here: Home, *arguments: str) -> AsyncIterator[tuple[Running, str]]:
    """A bridge beside the block, with its URL. It is stopped gracefully afterwards, and must have said nothing bad."""
    async with running(here, "serve", "--port", "0", *arguments) as bridge:
        await bridge.says("\n")
        assert bridge.lines[0].startswith("listening on http://127.0.0.1:")
        yield bridge, bridge.lines[0].removeprefix("listening on ")
        assert await bridge.ends(signal.SIGTERM) == 0
