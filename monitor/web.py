"""The dashboard as a web page: textual-serve on loopback, behind the guard that the bridge itself has.

A page that anybody's browser can reach would show a stranger's script what the agents think, and let it press keys.
So the name in `Host` must be loopback's, and who brings an `Origin`, as browsers do with every WebSocket, must be this
page. Each tab runs a monitor of its own. The extra `web` installs textual-serve; nothing else here needs it.
"""

from __future__ import annotations

import importlib
import shlex
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from bridge.access import Forbidden, HostGuard
from monitor.command import MonitorError, MonitorOptions, command_line

HOST = "127.0.0.1"

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self' ws://{host}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""What the page may load: its own files. It would ask a server far away for a font."""

Handler = Callable[[Any], Awaitable[Any]]


def serve(options: MonitorOptions, port: int) -> int:
    """Serves the page until it is interrupted; prints its URL. Raises MonitorError where that can't be done."""
    try:
        served: Any = importlib.import_module("textual_serve.server")
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
        port = listener.getsockname()[1]
        url = f"http://{HOST}:{port}"
        # The page connects back to the address it was asked for, so the one that is printed is the one that works.
        server = served.Server(shlex.join(command_line(options)), HOST, port, title="Clearspan", public_url=url)

        async def guarded() -> Any:
            app = await server._make_app()  # noqa: SLF001  its only way to get at the application before it runs
            app.on_startup.clear()  # a banner on the terminal
            app.middlewares.append(guard(web, port))
            return app

        print(f"the monitor is at {url}", flush=True)  # noqa: T201  the line that a person waits for
        web.run_app(guarded(), sock=listener, print=None, access_log=None)
    return 0


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
        if not response.prepared:  # a WebSocket and a download have sent their headers
            response.headers["Content-Security-Policy"] = POLICY.format(host=headers["Host"])
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return web.middleware(check)
