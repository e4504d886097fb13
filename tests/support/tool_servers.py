"""MCP servers for tests, each in a process of its own, and the bridge's side of them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import define, field

from bridge.apis.injection import InjectedTool
from bridge.config.settings import McpServerSettings, McpSettings
from bridge.events.hub import Hub
from bridge.events.vocabulary import ServerChanged
from bridge.events.wire import Envelope
from bridge.record.own_usage import OwnUsage
from bridge.tools.servers import Servers
from tests.support.until import until

CLEARSPAN = (sys.executable, "-m", "bridge")
ODD_SERVER = Path(__file__).parents[1] / "tools" / "odd_server.py"

PROGRAM = McpServerSettings(command=(*CLEARSPAN, "simulate", "--mcp", "stdio"))
"""The simulated server as a program."""


def odd(*words: str, allow: str = ".*", deny: str = "") -> McpServerSettings:
    """A program that is not as it should be; see `odd_server.py`."""
    return McpServerSettings(command=(sys.executable, "-I", "-S", str(ODD_SERVER), *words), allow=allow, deny=deny)


@define
class Kept:
    """Running servers, with all that they made known."""

    servers: Servers
    told: list[ServerChanged] = field(factory=list)

    async def until_told(self, server: str, state: str, count: int = 1) -> ServerChanged:
        """Waits for the count-th time that a server is told to be so."""

        def found() -> list[ServerChanged]:
            return [event for event in self.told if event.server == server and event.state == state]

        await until(lambda: len(found()) >= count)
        return found()[count - 1]

    def reconfigure(self, **settings: McpServerSettings) -> None:
        """Other servers from now on, without the bridge's own tool."""
        self.servers.reconfigure(McpSettings(session_usage=False, servers=settings))

    def tool(self, id_: str) -> InjectedTool:
        """An offered tool."""
        return next(tool for tool in self.servers.catalogue if tool.id == id_)

    @property
    def ids(self) -> list[str]:
        """What is offered."""
        return [tool.id for tool in self.servers.catalogue]


@asynccontextmanager
async def kept(*, own: bool = False, **settings: McpServerSettings) -> AsyncIterator[Kept]:
    """Servers that run while the block runs, with the bridge's own tool beside theirs or without."""
    told: list[ServerChanged] = []

    def listen(envelope: Envelope) -> None:
        assert isinstance(envelope.event, ServerChanged)
        told.append(envelope.event)

    hub = Hub()
    hub.add_sink(listen)
    servers = Servers(McpSettings(session_usage=own, servers=settings), hub.publish, OwnUsage(hub, None).whole)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(servers.run)
        yield Kept(servers, told)
        nursery.cancel_scope.cancel()


@define
class Remote:
    """The simulated server over HTTP, on a port that stays the same."""

    port: int
    process: trio.Process

    @property
    def settings(self) -> McpServerSettings:
        """Where it is."""
        return McpServerSettings(url=f"http://127.0.0.1:{self.port}/mcp")

    async def kill(self) -> None:
        """Ends it, and waits until it is gone."""
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


@asynccontextmanager
async def remote_server(port: int = 0) -> AsyncIterator[Remote]:
    """The simulated server as a process of its own, killed on leaving."""
    process = await trio.lowlevel.open_process(
        [*CLEARSPAN, "simulate", "--port", "0", "--mcp", str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        said = b""
        with trio.fail_after(30):
            while b"/mcp" not in said:
                said += await process.stdout.receive_some()
        found = int(said.rpartition(b"/mcp")[0].rpartition(b":")[2])
        yield Remote(found, process)
    finally:
        with trio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.wait()
            await process.stdout.aclose()


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    return any(pid == found for found in _running())


def _running() -> Iterator[int]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True).stdout  # noqa: S607
    for line in listed.splitlines():
        pid, status = line.split()
        if not status.startswith("Z"):
            yield int(pid)
