"""The bridge that is thrown at: a real `clearspan serve`, watched from outside by what the kernel says of it."""

from __future__ import annotations

import re
import resource
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import trio
from attrs import define, field, frozen

from tests.support.command_line import COMMAND, Home

PROC = Path("/proc")
EMFILE_ROOM = 4096
TROUBLE = re.compile(rb"Traceback|\[(?:error|critical) *\]|a connection failed|Exception ignored")
"""What a log holds when the bridge had to contain a fault of its own."""


@frozen
class Holding:
    """What a process holds: descriptors, threads, memory in MiB, and processes that it has started."""

    descriptors: int
    threads: int
    rss_mib: float
    children: int = 0


def holding(pid: int) -> Holding:
    """Asks the kernel."""
    status = (PROC / str(pid) / "status").read_text()
    numbers = dict(re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.MULTILINE))
    descriptors = sum(1 for _ in (PROC / str(pid) / "fd").iterdir())
    children = sum(len((task / "children").read_text().split()) for task in (PROC / str(pid) / "task").iterdir())
    return Holding(descriptors, int(numbers["Threads"]), int(numbers.get("VmRSS", 0)) / 1024, children)


@define
class Subject:
    """A running program. `log` is the file of its standard error."""

    process: trio.Process
    said: bytes
    log: Path
    _read: int = 0

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def holding(self) -> Holding:
        """What it holds now."""
        return holding(self.process.pid)

    def trouble(self) -> list[str]:
        """What its log has told of faults since the last call, each with what follows it."""
        with self.log.open("rb") as file:
            file.seek(self._read)
            told = file.read()
        self._read += len(told)
        found = list(TROUBLE.finditer(told))
        return [told[hit.start() : hit.start() + 3000].decode("utf-8", "replace") for hit in found[:3]]

    def told(self, text: bytes) -> bool:
        """Whether its log holds this text."""
        return text in self.log.read_bytes()


@asynccontextmanager
async def started(command: list[str], log: Path, environment: dict[str, str]) -> AsyncIterator[Subject]:
    """A program whose first line says that it serves. It is stopped by SIGTERM, or killed where that does not help."""
    with log.open("ab") as errors:
        process = await trio.lowlevel.open_process(
            command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, env=environment
        )
    assert process.stdout is not None
    async with process.stdout as out:
        try:
            with trio.fail_after(60):
                said = b""
                while b"\n" not in said:
                    said += (part := await out.receive_some())
                    assert part, f"it ended at once; {log} says why"
            yield Subject(process, said, log)
        finally:
            with trio.CancelScope(shield=True):
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    with trio.move_on_after(30):
                        await process.wait()
                if process.poll() is None:
                    process.kill()
                    await process.wait()


@define
class Bridge:
    """A bridge under test, with the ends that its interceptions still owe."""

    subject: Subject
    port: int
    socket: Path
    running: dict[str, int] = field(factory=dict)
    wrong: list[str] = field(factory=list)
    interceptions: int = 0
    _commands: int = 0
    _stream: trio.SocketStream | None = None

    async def command(self, name: str, **fields: Any) -> None:
        """Gives a command on the event socket; nobody waits for the reply."""
        assert self._stream is not None
        self._commands += 1
        await self._stream.send_all(orjson.dumps({"n": self._commands, "command": name, **fields}) + b"\n")

    async def listen(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Checks that each interception that starts ends, once; and gives back keys that others had to rest."""
        async with await trio.open_unix_socket(str(self.socket)) as self._stream:
            await self.command("filter", types=["interception.started", "interception.ended", "key.changed"])
            rest = b""
            async for part in self._stream:
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    message = orjson.loads(line)
                    await self._take(message)
                    if message["type"] == "reply" and message["to"] == 1:
                        task_status.started()  # not when it is connected: what starts before it is accepted is not told

    async def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "interception.started":
                self.interceptions += 1
                if self.running.setdefault(message["id"], message["seq"]) != message["seq"]:
                    self.wrong.append(f"{message['id']} started twice")
            case "interception.ended":
                if self.running.pop(message["id"], None) is None:
                    self.wrong.append(f"{message['id']} ended, and did not run")
            case "key.changed" if message["state"] == "temporary":
                await self.command("key.reset", provider=message["provider"], key=message["key"])
            case "snapshot":
                live = (known["id"] for known in message["interceptions"] if known["ended"] is None)
                self.running = dict.fromkeys(live, message["seq"])


@asynccontextmanager
async def bridge(here: Home, configuration: str) -> AsyncIterator[Bridge]:
    """A bridge with that configuration and a subscriber; its log tells warnings and worse."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, EMFILE_ROOM), most))
    config = here.configure(configuration)
    command = [*COMMAND, "serve", "--port", "0", "--config", str(config), "--log-level", "warning"]
    async with started(command, here.path / "serve.log", here.environment) as subject:
        serving = Bridge(subject, int(subject.said.rpartition(b":")[2]), here.socket)
        async with trio.open_nursery() as nursery:
            await nursery.start(_listening, serving)
            yield serving
            nursery.cancel_scope.cancel()


async def _listening(serving: Bridge, *, task_status: trio.TaskStatus[None]) -> None:
    try:
        await serving.listen(task_status=task_status)
    except (OSError, trio.BrokenResourceError):
        serving.wrong.append("the event socket was closed")


async def settled(is_so: Callable[[], bool], seconds: float) -> bool:
    """Whether it comes to be so within that time."""
    with trio.move_on_after(seconds):
        while not is_so():  # noqa: ASYNC110  # the kernel has no event for it
            await trio.sleep(0.01)
        return True
    return is_so()
