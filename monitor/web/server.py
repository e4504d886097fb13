"""The server of the page: on loopback, behind the guard that the bridge itself has, and for who has the secret alone.

A page that anybody's browser can reach would show a stranger's script what the agents think, and let it press keys. So
the name in `Host` must be loopback's, and who brings an `Origin`, as browsers do with every WebSocket, must be this
page. Another user of the machine can reach it too, so the address that is printed has a secret in it; the page's first
answer makes it a cookie. Of textual-serve only the terminal that runs in the browser is used.
"""

from __future__ import annotations

import asyncio
import hmac
import importlib
import logging
import re
import secrets
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bridge.access import Forbidden, HostGuard
from bridge.limits import LIMITS
from monitor.command import MonitorError, MonitorOptions, command_line
from monitor.web.tab import Size, Tab

HOST = "127.0.0.1"

HERE = Path(__file__).parent

POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src ws://{host}; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""What the page may load: its own files, and nothing from anywhere else."""

HEARTBEAT_S = 15.0
"""After how long a browser that says nothing is asked whether it is still there, in seconds."""

Handler = Callable[[Any], Awaitable[Any]]


def serve(options: MonitorOptions, port: int) -> int:
    """Serves the page until it is interrupted; prints its URL. Raises MonitorError where that can't be done."""
    try:
        terminal: Any = importlib.import_module("textual_serve")
        web: Any = importlib.import_module("aiohttp.web")
    except ModuleNotFoundError:
        raise MonitorError("--web needs textual-serve: install it with `pip install 'clearspan[web]'`") from None
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with listener:
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise MonitorError(f"port {port} can't be used: {(error.strerror or str(error)).lower()}") from None
        asyncio.run(_serve(web, listener, command_line(options), Path(terminal.__file__).parent / "static"))
    return 0


async def _serve(web: Any, listener: socket.socket, command: list[str], terminal: Path) -> None:
    port = listener.getsockname()[1]
    secret = secrets.token_urlsafe(32)
    tabs = Tabs(web, command)
    app = web.Application(middlewares=[guard(web, port), admission(web, port, secret)])
    app.add_routes(
        [
            web.get("/", page(web)),
            web.get("/ws", tabs.attend),
            web.static("/static", terminal),
            *(web.get(f"/{name}", _file(web, HERE / name)) for name in ("page.js", "page.css")),
            web.route("*", "/{elsewhere:.*}", nowhere(web)),
        ]
    )
    logging.getLogger("aiohttp.server").addFilter(_is_our_fault)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    runner.server.request_handler = expectation(web, runner.server.request_handler)
    await web.SockSite(runner, listener).start()
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    print(f"the monitor is at http://{HOST}:{port}/?secret={secret}", flush=True)  # noqa: T201  a person waits for it
    await asked_to_stop.wait()
    await tabs.close()
    await runner.cleanup()


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Whether a line of the server's log is about more than its client: one whose request was no HTTP, whose bytes the
    line would quote, or who left before the answer."""
    bad_request: Any = importlib.import_module("aiohttp.http_exceptions").HttpProcessingError
    return not (record.exc_info and isinstance(record.exc_info[1], bad_request | ConnectionResetError))


class Tabs:
    """The tabs that are open, each with a monitor of its own."""

    def __init__(self, web: Any, command: list[str]) -> None:
        self._web = web
        self._command = command
        self._tasks: set[asyncio.Task[Any]] = set()

    async def attend(self, request: Any) -> Any:
        """Serves one tab until it is closed, or its monitor is."""
        if len(self._tasks) >= LIMITS.web_tabs:
            return self._web.Response(status=503, text=f"at most {LIMITS.web_tabs} tabs can be open; close one\n")
        size = asked_size(request.query.get("width", "80"), request.query.get("height", "24"))
        if size is None:
            return self._web.Response(status=400, text="width and height must be whole numbers above 0\n")
        task: Any = asyncio.current_task()
        self._tasks.add(task)
        try:
            websocket = self._web.WebSocketResponse(
                heartbeat=HEARTBEAT_S, timeout=0.5, max_msg_size=LIMITS.web_message_bytes
            )
            await websocket.prepare(request)
            await self._run(websocket, size)
        finally:
            self._tasks.discard(task)
        return websocket

    async def _run(self, websocket: Any, size: Size) -> None:
        tab = await Tab.open(self._command, size)

        async def show() -> None:
            await tab.show(websocket.send_bytes)
            await websocket.close()

        showing = asyncio.create_task(show())
        try:
            async for message in websocket:
                if message.type is self._web.WSMsgType.TEXT and (answer := await tab.take(message.data)):
                    await websocket.send_str(answer)
        finally:
            showing.cancel()
            await asyncio.wait([showing])
            await tab.close()

    async def close(self) -> None:
        """Ends them all."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


def asked_size(width: str, height: str) -> Size | None:
    """The size that a page asks for; None where that is no size."""
    numbers = [int(text) if re.fullmatch("[0-9]{1,9}", text) else None for text in (width, height)]
    return Size.of(*numbers)


def guard(web: Any, port: int) -> Any:
    """A middleware that answers 403 to whoever may not come in, WebSockets included."""
    hosts = HostGuard(HOST, port, pages=True)

    async def check(request: Any, handler: Handler) -> Any:
        headers = request.headers
        try:
            hosts.check(headers.get("Host"), headers.get("Origin"), headers.get("Sec-Fetch-Site"))
        except Forbidden:
            return web.Response(status=403, text="this page is for the browser of its own machine alone\n")
        response = await handler(request)
        if not response.prepared:  # a WebSocket has sent its headers
            response.headers["Content-Security-Policy"] = POLICY.format(host=headers["Host"])
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["Cache-Control"] = "no-store"
        return response

    return web.middleware(check)


def admission(web: Any, port: int, secret: str) -> Any:
    """A middleware that answers 403 to whoever has no secret: in the query of the page, later in a cookie.

    Browsers send a cookie to every port of a host, so its name says which of them it is for.
    """
    name = f"clearspan_monitor_{port}"

    async def check(request: Any, handler: Handler) -> Any:
        brings = request.path == "/" and _equal(request.query.get("secret", ""), secret)
        if not (brings or _equal(request.cookies.get(name, ""), secret)):
            return web.Response(status=403, text="open the address that `clearspan monitor --web` printed\n")
        response = await handler(request)
        if brings:
            response.set_cookie(name, secret, httponly=True, samesite="Strict", path="/")
        return response

    return web.middleware(check)


def _equal(said: str, secret: str) -> bool:
    return hmac.compare_digest(said.encode(errors="replace"), secret.encode())


def page(web: Any) -> Handler:
    """The page. Its socket is at the address by which it was asked for, of which the guard approved."""
    text = (HERE / "page.html").read_text(encoding="utf-8")

    async def answer(request: Any) -> Any:
        return web.Response(text=text.replace("$host", request.headers["Host"]), content_type="text/html")

    return answer


def expectation(web: Any, handler: Handler) -> Handler:
    """Answers 417 to an expectation that nobody knows (RFC 9110, 10.1.1), wherever the request goes. aiohttp's own
    words repeat what came, and can't be sent where that is no UTF-8."""

    async def answer(request: Any) -> Any:
        expected = request.headers.get("Expect", "").lower()
        if expected in {"", "100-continue"} or (request.version.major, request.version.minor) < (1, 1):
            return await handler(request)
        return web.Response(status=417, text="the only expectation that is known here is 100-continue\n")

    return answer


def nowhere(web: Any) -> Handler:
    """What is answered where there is no page."""

    async def answer(request: Any) -> Any:
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=405, text="pages are only read here\n", headers={"Allow": "GET, HEAD"})
        return web.Response(status=404, text="there is no such page\n")

    return answer


def _file(web: Any, path: Path) -> Handler:
    async def answer(_request: Any) -> Any:
        return web.FileResponse(path)

    return answer
