"""`monitor --web` as a process of its own, and what becomes of its tabs."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import Factory, define

from bridge.limits import LIMITS

aiohttp = pytest.importorskip("aiohttp")
pytest.importorskip("textual_serve")

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")

DEADLINE_S = 30.0
MAX_KIB = 200 * 1024
"""What a monitor of the largest size may take; the smallest takes 45 MiB."""


@define
class Page:
    """A running server, and a browser that has been given its address."""

    process: asyncio.subprocess.Process
    address: str
    session: Any
    tabs: list[Any] = Factory(list)

    @property
    def root(self) -> str:
        """Its address without the secret."""
        return self.address.partition("/?")[0]

    async def status(self, path: str, **headers: str) -> int:
        async with self.session.get(self.root + path, headers=headers) as response:
            return int(response.status)

    async def opened(self) -> None:
        """The page itself, by the address that was printed."""
        async with self.session.get(self.address) as response:
            assert response.status == 200

    async def tab(self, query: str = "width=80&height=24") -> Any:
        """The page's socket."""
        patience = aiohttp.ClientWSTimeout(ws_close=1.0)
        tab = await self.session.ws_connect(f"{self.root}/ws?{query}", origin=self.root, timeout=patience)
        self.tabs.append(tab)
        return tab

    def monitors(self) -> list[int]:
        """The processes of its tabs."""
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat") if parent(path) == self.process.pid]


def parent(path: Path) -> int:
    try:
        return int(path.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@asynccontextmanager
async def served(*words: str, **variables: str) -> AsyncIterator[Page]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bridge", "monitor", "--web", "--web-port", "0", "--socket", "nowhere.sock", *words,
        stdout=asyncio.subprocess.PIPE, env={**os.environ, **variables},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            said = (await process.stdout.readline()).decode()
        found = re.fullmatch(r"the monitor is at (http://127\.0\.0\.1:\d+/\?secret=[\w-]{43})\n", said)
        assert found, said
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            page = Page(process, found[1], session)
            try:
                yield page
            finally:
                for tab in page.tabs:
                    await tab.close()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def on_a_page(test: Callable[[Page], Awaitable[None]], **variables: str) -> None:
    async def run() -> None:
        async with asyncio.timeout(2 * DEADLINE_S), served(**variables) as page:
            await test(page)

    asyncio.run(run())


async def drawn(tab: Any, text: bytes) -> None:
    """Waits until the monitor has drawn that."""
    seen = b""
    while text not in seen:
        message = await tab.receive(timeout=DEADLINE_S)
        if message.type == aiohttp.WSMsgType.BINARY:
            seen += message.data
        assert message.type not in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE}, seen[-200:]


def runs(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def told(process: int, what: str) -> str:
    return Path(f"/proc/{process}/{what}").read_text()


async def gone(processes: list[int]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while any(map(runs, processes)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def refused(page: Page, query: str, **headers: str) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await page.session.ws_connect(f"{page.root}/ws?{query}", headers=headers)
    return int(caught.value.status)


def test_nothing_is_shown_without_the_secret() -> None:
    async def test(page: Page) -> None:
        paths = ("/", "/ws", "/page.js", "/static/js/textual.js", "/?secret=", "/?secret=guess", "/?secret=%FF%C3%A9")
        assert {path: await page.status(path) for path in paths} == dict.fromkeys(paths, 403)
        assert await refused(page, "width=80&height=24") == 403
        secret = page.address.rpartition("=")[2]
        assert await page.status(f"/ws?secret={secret}") == 403  # only the page itself takes it
        assert page.monitors() == []
        await page.opened()
        (cookie,) = page.session.cookie_jar
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
        assert await page.status("/") == 200
        assert await page.status("/", Origin="http://evil.example") == 403
        assert await page.status("/", Host="evil.example") == 403
        assert await refused(page, "", Origin="http://evil.example") == 403

    on_a_page(test)


@pytest.mark.parametrize(
    "asked",
    [
        *(f"GET {path}" for path in ("/", "/ws", "/page.js", "/static/js/textual.js", "/nowhere")),
        "CONNECT c=x",
        "OPTIONS *",
    ],
)
def test_an_expectation_that_nobody_knows_is_refused_in_our_own_words(asked: str) -> None:
    async def answer(page: Page, version: str, expected: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(page.root.rpartition(":")[2]))
        head = f"{asked} HTTP/{version}\r\nHost: 127.0.0.1\r\nConnection: close\r\nExpect: "
        writer.write(head.encode() + expected + b"\r\n\r\n")
        said = await reader.read()
        writer.close()
        return said

    async def test(page: Page) -> None:
        for odd in (b"100-cont\xe9@=", b"a-secret"):
            said = await answer(page, "1.1", odd)
            assert said.startswith(b"HTTP/1.1 417 ")
            assert odd not in said
            assert (await answer(page, "1.0", odd)).startswith(b"HTTP/1.0 403 ")  # its version knows of none (10.1.1)
        known = await answer(page, "1.1", b"100-Continue")
        assert known.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").startswith(b"HTTP/1.1 403 ")

    on_a_page(test)


def test_where_there_is_no_page_is_told() -> None:
    async def test(page: Page) -> None:
        await page.opened()
        assert await page.status("/nowhere") == 404
        for path in ("/", "/page.js", "/nowhere"):
            async with page.session.post(page.root + path) as response:
                assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
        assert await page.status("/page.js") == 200

    on_a_page(test)


def test_the_page_loads_nothing_from_elsewhere() -> None:
    async def test(page: Page) -> None:
        async with page.session.get(page.address) as response:
            policy, text = response.headers["Content-Security-Policy"], await response.text()
        own = page.root.removeprefix("http://")
        assert re.findall(r"(?:https?:|wss?:)?//[^\"' ]+", text) == [f"ws://{own}/ws"]
        assert f"connect-src ws://{own};" in policy
        assert "default-src 'self'" in policy
        loaded = re.findall(r'(?:src|href)="(/[^"]+)"', text)
        assert len(loaded) == 4
        for path in loaded:
            async with page.session.get(page.root + path) as response:
                assert response.status == 200
                assert not re.search(r"url\(\s*['\"]?(?:https?:)?//|@import", await response.text())

    on_a_page(test)


def test_a_tab_takes_keys_and_no_absurd_size() -> None:
    async def test(page: Page) -> None:
        await page.opened()
        sizes = ("width=x&height=1", "width=-1&height=24", "width=0&height=0", "width=1e9&height=1", "width=80&height=")
        assert [await refused(page, size) for size in sizes] == [400] * len(sizes)
        assert page.monitors() == []
        tab = await page.tab("width=99999999&height=99999999")
        for garbage in (
            '["resize", {"width": 99999999, "height": 99999999}]', '["resize", {"width": "1", "height": []}]',
            '["resize", {"width": true, "height": -5}]', '["resize"]', "[]", "{}", "7", "[" * 5_000, "no JSON",
            '["stdin", 7]', '["stdin"]', '["quit"]', '["focus", 1]',
        ):  # fmt: skip
            await tab.send_str(garbage)
        await tab.send_bytes(b"\xff\xfe")
        await drawn(tab, b"nowhere.sock")
        await tab.send_str('["stdin", "?"]')
        await drawn(tab, b"Keys")
        (monitor,) = page.monitors()
        environment = told(monitor, "environ")
        assert "sk-canary" not in environment
        assert {"COLUMNS=500", "ROWS=200"} <= {*environment.split("\0")}
        found = re.search(r"VmHWM:\s+(\d+) kB", told(monitor, "status"))
        assert found
        assert int(found[1]) < MAX_KIB
        await tab.send_str('["stdin", "q"]')  # closes the help, or ends it
        await tab.send_str('["stdin", "qq"]')
        while (await tab.receive(timeout=DEADLINE_S)).type != aiohttp.WSMsgType.CLOSE:
            pass
        await gone([monitor])

    on_a_page(test, OPENAI_API_KEY="sk-canary-of-a-tab-0001")


@pytest.mark.parametrize("how", ["tab", "reload", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_a_monitor_ends_with_its_tab_and_with_the_server(how: str) -> None:
    async def test(page: Page) -> None:
        await page.opened()
        tabs = [await page.tab() for _ in range(2)]
        await drawn(tabs[0], b"nowhere.sock")  # the other's browser takes nothing
        monitors = page.monitors()
        assert len(monitors) == 2
        if how == "tab":
            for tab in tabs:
                await tab.close()
        elif how == "reload":
            await page.session.close()
        else:
            page.process.send_signal(signal.Signals[how])
            async with asyncio.timeout(DEADLINE_S):
                assert await page.process.wait() == (-signal.SIGKILL if how == "SIGKILL" else 0)
        await gone(monitors)

    on_a_page(test)


def test_no_more_tabs_than_the_budget_says() -> None:
    async def test(page: Page) -> None:
        await page.opened()
        tabs = [await page.tab() for _ in range(LIMITS.web_tabs)]
        assert await refused(page, "width=80&height=24") == 503
        assert len(page.monitors()) <= LIMITS.web_tabs
        await tabs[0].close()
        async with asyncio.timeout(DEADLINE_S):
            while True:
                with suppress(aiohttp.WSServerHandshakeError):
                    await page.tab()
                    break
                await asyncio.sleep(0.05)

    on_a_page(test)
