"""The web page in a real browser: what it loads, whom it takes keys from, how it follows the window, what it copies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bridge.events.wire import encode
from tests.monitor.test_web_process import Page, aiohttp, served
from tests.support.browser import DEADLINE_S, BrowserPage, browser_page, missing
from tests.support.scene import recorded_scene

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"no browser: {missing()}")


def in_a_browser(act: Callable[[Page, BrowserPage], Awaitable[None]], *words: str) -> None:
    async def run() -> None:
        async with asyncio.timeout(3 * DEADLINE_S), served(*words) as page, browser_page(aiohttp) as browser:
            await act(page, browser)

    asyncio.run(run())


async def shown(page: Page, browser: BrowserPage) -> None:
    """Opens the page by the address that was printed, and waits for a picture."""
    await browser.open(page.address)
    await browser.until(lambda: "Reasoning" in browser.received(), "the page shows no monitor")


def test_it_loads_nothing_from_elsewhere_and_is_shown_without_complaint() -> None:
    async def act(page: Page, browser: BrowserPage) -> None:
        await shown(page, browser)
        own = (page.root + "/", page.root.replace("http:", "ws:") + "/ws?", "data:")
        asked = browser.asked_for()
        assert page.address in asked
        assert [address for address in asked if not address.startswith(own)] == []
        assert set(browser.statuses()) <= {200, 101}
        assert browser.complaints() == []
        assert await browser.evaluate("location.href") == page.root + "/"  # the secret is not left in sight
        assert await browser.evaluate("document.cookie") == ""

    in_a_browser(act)


def test_keys_are_taken_at_once_without_a_click() -> None:
    async def act(page: Page, browser: BrowserPage) -> None:
        await shown(page, browser)
        before = browser.received()
        await browser.type("?")
        await browser.until(lambda: "Everywhere" in browser.received()[len(before) :], "the help did not open")
        assert json.dumps(["stdin", "?"], separators=(",", ":")) in browser.sent()

    in_a_browser(act)


def test_the_terminal_has_the_size_of_the_window() -> None:
    async def act(page: Page, browser: BrowserPage) -> None:
        await shown(page, browser)
        small = sizes(browser)[-1]
        await browser.resize(1_600, 900)
        await browser.until(lambda: sizes(browser)[-1] > small, "no other size was told")
        width, height = sizes(browser)[-1]
        assert (width, height) > small
        assert height > small[1]
        last = f"\x1b[{height};"
        await browser.until(lambda: last in browser.received(), "nothing was drawn in the last row of the larger one")

    in_a_browser(act)


def sizes(browser: BrowserPage) -> list[tuple[int, int]]:
    """The sizes that the page told, in columns and rows."""
    told = [json.loads(frame) for frame in browser.sent()]
    return [(message[1]["width"], message[1]["height"]) for message in told if message[0] == "resize"]


def test_what_is_copied_is_in_the_browsers_clipboard(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    kept = [entry.kept for entry in recorded_scene()]
    log.write_bytes(b"".join(each if isinstance(each, bytes) else encode(each) for each in kept))

    async def act(page: Page, browser: BrowserPage) -> None:
        await browser.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        await shown(page, browser)
        await browser.type("2")
        await browser.until(lambda: "fix the flaky cooldown test" in browser.received(), "no story is there to be read")
        await browser.type("Y")
        await browser.until(lambda: "copied the whole story" in browser.received(), "nothing was copied")
        assert "fix the flaky cooldown test" in await browser.evaluate("navigator.clipboard.readText()")

    in_a_browser(act, "--replay", str(log), "--speed", "8")


def test_without_its_secret_there_is_no_page() -> None:
    async def act(page: Page, browser: BrowserPage) -> None:
        await browser.open(page.root + "/")
        await browser.until(lambda: browser.happened("Page.loadEventFired") == 1, "no answer came")
        assert "open the address that" in await browser.evaluate("document.body.innerText")
        await browser.open(page.root + "/static/js/textual.js")
        await browser.until(lambda: browser.happened("Page.loadEventFired") == 2, "no answer came")
        assert set(browser.statuses()) == {403}
        await browser.open(page.root + "/")  # whose own script may open a socket, as far as the browser goes
        address = f"{page.root.replace('http:', 'ws:')}/ws?width=80&height=24"
        events = "s.onopen = () => done('open'); s.onerror = () => done('refused')"
        opening = f"new Promise(done => {{ const s = new WebSocket('{address}'); {events}; }})"
        assert await browser.evaluate(opening) == "refused"
        assert page.monitors() == []

    in_a_browser(act)
