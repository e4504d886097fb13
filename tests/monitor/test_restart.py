"""A bridge that is killed and started again, as the whole dashboard sees it over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from attrs import evolve
from textual.pilot import Pilot

from bridge.events.picture import Picture
from bridge.events.values import Outcome
from bridge.events.vocabulary import Event
from bridge.events.wire import Envelope, Snapshot, encode
from bridge.limits import LIMITS
from monitor.app import MonitorApp
from monitor.sources.bridge_socket import BridgeSource
from monitor.state.state import MonitorState, Status
from tests.support.play import HELLO, START, ended, screen_text, started, story
from tests.support.socket_server import in_a_directory, listening


async def shown(app: MonitorApp, pilot: Pilot[None], met: Callable[[str], bool]) -> str:
    async with asyncio.timeout(20):
        while not met(screen := screen_text(app)):
            await asyncio.sleep(0.02)
            await pilot.pause()
    return screen


def bridge(pid: int, *events: Event) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """One that says these events after an empty snapshot, and then nothing more."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(evolve(HELLO, pid=pid)) + encode(Snapshot.of(Picture(), 0, START)))
        for seq, event in enumerate(events, 1):
            writer.write(encode(Envelope(seq, START, event)))
        await reader.read()

    return serve


def test_a_restart_is_said_and_the_selection_stays() -> None:
    first = bridge(1, *story("a"), *story("b"), *story("c"))
    # A bridge that starts again takes over what is in its record; the requests come in another order, with a new one.
    second = bridge(2, *story("c"), ended("c"), *story("b"), *story("a"), started("d"))

    async def test(path: Path) -> None:
        app = MonitorApp(BridgeSource(path), str(path), clock=lambda: START)
        async with app.run_test(size=(120, 36)) as pilot:
            await shown(app, pilot, lambda screen: "Connecting to the bridge" in screen)
            async with listening(path, first):
                await shown(app, pilot, lambda screen: "Requests  3" in screen)
                await pilot.press("j")
                assert app.live.selected is not None
                assert app.live.selected.id == "b"
            screen = await shown(app, pilot, lambda screen: "✗ lost" in screen)
            assert "Lost for 0s: the bridge closed the connection. Trying again." in screen
            assert "Requests  3" in screen  # what was known is still there to read
            async with listening(path, second):
                await shown(app, pilot, lambda screen: "Requests  4" in screen and "● live" in screen)
                assert app.state.status is Status.LIVE
                assert app.live.selected is not None
                assert app.live.selected.id == "b"

    in_a_directory(test)


def test_what_an_earlier_bridge_did_stays_to_be_read() -> None:
    async def test(path: Path) -> None:
        app = MonitorApp(BridgeSource(path), str(path), clock=lambda: START)
        async with app.run_test(size=(120, 36)) as pilot:
            async with listening(path, bridge(1, *story("a"), ended("a"), *story("b"))):
                await shown(app, pilot, lambda screen: "Requests  2" in screen)
                await pilot.press("G")
            async with listening(path, bridge(2)):  # it knows of none
                screen = await shown(app, pilot, lambda screen: "● live" in screen and "0 live" in screen)
                assert "Requests  2" in screen
                assert app.live.selected is not None
                assert app.live.selected.id == "a"
            async with listening(path, bridge(3, *story("c"))):
                await shown(app, pilot, lambda screen: "Requests  3" in screen)
                broken = app.state.picture.interceptions["b"]
                assert (broken.outcome, broken.error) == (Outcome.FAILED, "bridge stopped")
                assert app.live.selected.id == "a"

    in_a_directory(test)


def test_only_so_many_earlier_requests_are_kept() -> None:
    state = MonitorState()
    for pid in range(3):
        state.apply(evolve(HELLO, pid=pid), START)
        state.apply(Snapshot.of(Picture(), 0, START), START)
        for number in range(150):
            name = f"{pid}-{number}"
            state.apply(Envelope(2 * number + 1, START, started(name)), START)
            state.apply(Envelope(2 * number + 2, START, ended(name)), START)
        assert len(state.picture.interceptions) <= LIMITS.ended
    state.apply(Snapshot.of(Picture(), 300, START), START)
    assert len(state.picture.interceptions) <= LIMITS.ended
