"""A real browser without a window, driven by the DevTools protocol over its websocket.

It is the Chromium that the npm package `@sparticuz/chromium` carries; `scripts/agents chromium` installs it
(tests/clients/installed.py). It has a profile of its own, and no sandbox, which root may not use: it is shown pages of
our own alone.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from tests.clients import installed

DEADLINE_S = 60.0

FLAGS = (
    *("--headless", "--no-sandbox", "--no-zygote", "--no-first-run", "--no-default-browser-check", "--no-pings"),
    *("--disable-background-networking", "--disable-component-update", "--disable-domain-reliability"),
    *("--disable-sync", "--disable-extensions", "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio"),
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--in-process-gpu"),
    "--remote-debugging-port=0",
)
"""It asks for nothing by itself, and draws without a graphics card."""


class BrowserPage:
    """A page in it. What happened there is kept: `events` has the protocol's own, in their order."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._session: str | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._changed = asyncio.Event()
        self.events: list[tuple[str, dict[str, Any]]] = []

    async def listen(self) -> None:
        """Takes in what the browser says, until it is gone."""
        async for message in self._socket:
            said = message.json()
            if "id" in said:
                waiting = self._waiting.pop(said["id"], None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(said)
            else:
                self.events.append((said["method"], said["params"]))
                self._changed.set()

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Has something done; what came of it."""
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        session = {} if self._session is None else {"sessionId": self._session}
        await self._socket.send_json({"id": number, "method": method, "params": params, **session})
        async with asyncio.timeout(DEADLINE_S):
            said = await answer
        assert "error" not in said, f"{method}: {said['error']}"
        result: dict[str, Any] = said["result"]
        return result

    async def attach(self, width: int, height: int) -> None:
        """Opens an empty page of that size, and has it tell what it asks for and what it says."""
        target = await self.call("Target.createTarget", url="about:blank")
        found = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        await self.resize(width, height)

    async def resize(self, width: int, height: int) -> None:
        """Gives the page that many pixels."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def open(self, address: str) -> None:
        """Goes there."""
        found = await self.call("Page.navigate", url=address)
        assert "errorText" not in found, found

    async def type(self, key: str) -> None:
        """Presses one key that is a character."""
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def evaluate(self, script: str) -> Any:
        """What a script comes to in the page."""
        found = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, met: Callable[[], bool], what: str) -> None:
        """Waits for something that its events tell."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not met():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{what}; {self.complaints()}") from None

    def happened(self, method: str) -> int:
        """How often an event of that name came."""
        return sum(name == method for name, _ in self.events)

    def asked_for(self) -> list[str]:
        """The addresses of all that it loaded or connected to."""
        requests = [params["request"]["url"] for method, params in self.events if method == "Network.requestWillBeSent"]
        return requests + [params["url"] for method, params in self.events if method == "Network.webSocketCreated"]

    def statuses(self) -> list[int]:
        """With which status each was answered."""
        return [params["response"]["status"] for method, params in self.events if method == "Network.responseReceived"]

    def sent(self) -> list[str]:
        """What the page said on its websocket."""
        return self._frames("Network.webSocketFrameSent", 1)

    def received(self) -> str:
        """What it was told there to draw, escape sequences and all."""
        drawn = [base64.b64decode(frame) for frame in self._frames("Network.webSocketFrameReceived", 2)]
        return b"".join(drawn).decode(errors="replace")

    def _frames(self, method: str, opcode: int) -> list[str]:
        frames = [params["response"] for name, params in self.events if name == method]
        return [frame["payloadData"] for frame in frames if frame["opcode"] == opcode]

    def complaints(self) -> list[str]:
        """What the browser found wrong with the page: what it was not allowed to do, what it threw."""
        thrown = [
            str(params["exceptionDetails"]) for method, params in self.events if method == "Runtime.exceptionThrown"
        ]
        entries = [params["entry"] for method, params in self.events if method == "Log.entryAdded"]
        return thrown + [f"{entry['text']} {entry.get('url', '')}" for entry in entries if entry["level"] == "error"]


@asynccontextmanager
async def browser_page(aiohttp: Any, width: int = 1_000, height: int = 600) -> AsyncIterator[BrowserPage]:
    """A fresh browser with an empty page. Raises installed.NotInstalled."""
    program = installed.program("chromium")
    variables = {"PATH": os.environ.get("PATH", ""), **installed.libraries(program)}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        process = await asyncio.create_subprocess_exec(
            program, *FLAGS, f"--user-data-dir={place}", "about:blank",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            env={**variables, "HOME": place, "XDG_CONFIG_HOME": place, "XDG_CACHE_HOME": place}, start_new_session=True,
        )  # fmt: skip
        try:
            async with aiohttp.ClientSession() as session:
                address, reading = await _address(process)
                async with session.ws_connect(address, max_msg_size=0) as socket:
                    page = BrowserPage(socket)
                    listening = asyncio.create_task(page.listen())
                    try:
                        await page.attach(width, height)
                        yield page
                    finally:
                        for task in (listening, reading):
                            task.cancel()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # it and the processes of its own
            await process.wait()


async def _address(process: asyncio.subprocess.Process) -> tuple[str, asyncio.Task[None]]:
    """Where its protocol is spoken; and a task that reads on, so that it never waits for us."""
    said = process.stderr
    assert said is not None
    lines: list[str] = []
    async with asyncio.timeout(DEADLINE_S):
        while line := (await said.readline()).decode(errors="replace"):
            lines.append(line)
            _, found, address = line.partition("DevTools listening on ")
            if found:
                return address.strip(), asyncio.create_task(_read_on(said))
    raise AssertionError(f"the browser did not start: {''.join(lines)[-2_000:]}")


async def _read_on(said: asyncio.StreamReader) -> None:
    while await said.read(65_536):
        pass


def missing() -> str:
    """Why there is no browser here; empty where there is one."""
    try:
        installed.program("chromium")
    except installed.NotInstalled as reason:
        return str(reason)
    return ""
