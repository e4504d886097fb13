"""The simulated MCP server over standard input and output: one JSON message a line."""

from __future__ import annotations

import os
import sys
from typing import Any

import orjson
import trio

from bridge.simulator.mcp.protocol import CHANGED, Listeners, McpPeer
from bridge.simulator.mcp.toolbox import Json, Toolbox


async def serve_stdio() -> None:
    """Answers until standard input ends."""
    async with (
        trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stdin,
        trio.lowlevel.FdStream(os.dup(sys.stdout.fileno())) as stdout,
        trio.open_nursery() as nursery,
    ):
        server = _StdioServer(stdout, nursery)
        pending = b""
        async for chunk in stdin:
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                nursery.start_soon(server.take, line)
        nursery.cancel_scope.cancel()


class _StdioServer:
    def __init__(self, stdout: trio.abc.SendStream, nursery: trio.Nursery) -> None:
        self._stdout = stdout
        self._turn = trio.Lock()
        self._nursery = nursery
        listeners = Listeners()
        listeners.add(lambda: nursery.start_soon(self._send, CHANGED))
        self._peer = McpPeer(Toolbox(listeners.changed, mortal=True))

    async def take(self, line: bytes) -> None:
        try:
            message: Any = orjson.loads(line)
        except orjson.JSONDecodeError:
            return
        if isinstance(message, dict) and (answer := await self._peer.answer(message)) is not None:
            await self._send(answer)

    async def _send(self, message: Json) -> None:
        async with self._turn:
            await self._stdout.send_all(orjson.dumps(message) + b"\n")
