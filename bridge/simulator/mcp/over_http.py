"""The simulated MCP server over streamable HTTP, as an ASGI application."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
import trio

from bridge.simulator.delivery import AsgiReceive, AsgiSend, read_body
from bridge.simulator.mcp.protocol import CHANGED, Listeners, McpPeer
from bridge.simulator.mcp.toolbox import Json, Toolbox

PATH = "/mcp"
_SESSION = b"mcp-session-id"


class McpOverHttp:
    """An ASGI 3 application for Trio; the endpoint is PATH. `mortal`: see `Toolbox`."""

    def __init__(self, *, mortal: bool = False) -> None:
        self._listeners = Listeners()
        self._toolbox = Toolbox(self._listeners.changed, mortal=mortal)
        self._peers: dict[str, McpPeer] = {}

    async def __call__(self, scope: dict[str, Any], receive: AsgiReceive, send: AsgiSend) -> None:
        """One request."""
        body = await read_body(receive)
        session = next((value.decode("latin-1") for name, value in scope["headers"] if name.lower() == _SESSION), "")
        if body is None:
            return
        if scope["path"] != PATH:
            await _respond(send, 404)
        elif scope["method"] == "POST":
            await self._post(body, session, receive, send)
        elif session not in self._peers:
            await _respond(send, 404 if session else 405)
        elif scope["method"] == "GET":
            await self._tell_changes(receive, send)
        else:
            del self._peers[session]
            await _respond(send, 200)

    async def _post(self, body: bytes, session: str, receive: AsgiReceive, send: AsgiSend) -> None:
        try:
            message: Any = orjson.loads(body)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            await _respond(send, 400)
            return
        if message.get("method") == "initialize":
            session = uuid.uuid4().hex
            self._peers[session] = McpPeer(self._toolbox)
        peer = self._peers.get(session)
        if peer is None:
            await _respond(send, 404 if session else 400)
            return
        answer: Json | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch_leaving, receive, nursery.cancel_scope)
            answer = await peer.answer(message)
            nursery.cancel_scope.cancel()
        await _respond(send, 202 if answer is None else 200, answer, session)

    async def _tell_changes(self, receive: AsgiReceive, send: AsgiSend) -> None:
        changed = trio.Event()

        def wake() -> None:
            changed.set()

        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b": here\n\n", "more_body": True})
        self._listeners.add(wake)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_watch_leaving, receive, nursery.cancel_scope)
                while True:
                    await changed.wait()
                    changed = trio.Event()
                    line = b"event: message\ndata: " + orjson.dumps(CHANGED) + b"\n\n"
                    await send({"type": "http.response.body", "body": line, "more_body": True})
        finally:
            self._listeners.discard(wake)


async def _watch_leaving(receive: AsgiReceive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _respond(send: AsgiSend, status: int, answer: Json | None = None, session: str = "") -> None:
    body = b"" if answer is None else orjson.dumps(answer)
    headers = [(b"content-length", str(len(body)).encode())]
    headers += [(b"content-type", b"application/json")] * bool(body)
    headers += [(_SESSION, session.encode())] * bool(session)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
