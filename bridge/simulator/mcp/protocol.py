"""What the simulated MCP server says to a message, whatever way it comes in: JSON-RPC of the protocol 2025-06-18."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from bridge.simulator.mcp.toolbox import Json, Toolbox

VERSION = "2025-06-18"
PAGE = 3
"""Tools on one page of a list."""

METHOD_NOT_FOUND, INVALID_PARAMS, CANCELLED = -32601, -32602, -32800

CHANGED: Json = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}


class McpPeer:
    """One client's session with the server."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self._running: dict[Any, trio.CancelScope] = {}

    async def answer(self, message: Json) -> Json | None:
        """The answer to a request; None to what wants none."""
        method, id_ = message.get("method"), message.get("id")
        params = message.get("params") or {}
        if id_ is None:
            if method == "notifications/cancelled" and (scope := self._running.get(params.get("requestId"))):
                scope.cancel()
            return None
        with trio.CancelScope() as scope:
            self._running[id_] = scope
            try:
                return {"jsonrpc": "2.0", "id": id_, **await self._reply(str(method), params)}
            finally:
                del self._running[id_]
        return {"jsonrpc": "2.0", "id": id_, **_fault(CANCELLED, "the call was cancelled")}

    async def _reply(self, method: str, params: Json) -> Json:
        match method:
            case "initialize":
                asked = params.get("protocolVersion")
                return {
                    "result": {
                        "protocolVersion": asked if asked in {VERSION, "2025-03-26"} else VERSION,
                        "capabilities": {"tools": {"listChanged": True}},
                        "serverInfo": {"name": "clearspan-simulated", "version": "1"},
                    }
                }
            case "ping":
                return {"result": {}}
            case "tools/list":
                return self._page(params.get("cursor"))
            case "tools/call":
                result = await self._toolbox.call(str(params.get("name")), params.get("arguments") or {})
                return {"result": result} if result else _fault(INVALID_PARAMS, "there is no such tool")
        return _fault(METHOD_NOT_FOUND, "this server has tools, and nothing else")

    def _page(self, cursor: Any) -> Json:
        tools = self._toolbox.tools()
        begin = int(cursor) if str(cursor).isdigit() else 0
        page: Json = {"tools": tools[begin : begin + PAGE]}
        if begin + PAGE < len(tools):
            page["nextCursor"] = str(begin + PAGE)
        return {"result": page}


def _fault(code: int, message: str) -> Json:
    return {"error": {"code": code, "message": message}}


class Listeners:
    """Who wants to hear that the list of tools has changed."""

    def __init__(self) -> None:
        self._wake: set[Callable[[], None]] = set()

    def add(self, wake: Callable[[], None]) -> None:
        """Calls `wake` at each change from now on."""
        self._wake.add(wake)

    def discard(self, wake: Callable[[], None]) -> None:
        """Calls it no more."""
        self._wake.discard(wake)

    def changed(self) -> None:
        """Tells all."""
        for wake in list(self._wake):
            wake()
