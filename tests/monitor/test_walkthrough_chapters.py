"""The walkthrough's chapters, played: a real bridge, a simulated provider, requests over sockets, a person's keys.

The bridge runs on Trio, as ever, and the dashboard on asyncio in a thread beside it; what the dashboard wants played
goes through a pipe, as between the two processes of `clearspan demo --step`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
from textual.pilot import Pilot

from bridge.cli.lessons import play_chapters, provider_settings, tool_servers
from bridge.cli.simulate import simulated_provider
from bridge.simulator.lessons import KEYS, LESSONS, SteppedProvider
from bridge.simulator.mcp.over_http import McpOverHttp
from monitor.app import MonitorApp
from monitor.lines.chapters import CHAPTERS
from monitor.screens.course import Course
from monitor.screens.walkthrough import WalkthroughScreen
from monitor.sources.bridge_socket import BridgeSource
from monitor.sources.lessons import Lessons
from tests.support.play import screen_text
from tests.support.world import World, running

SPEED = 10.0
"""Of the simulated model and its refusals: what is to wait seconds waits one."""


class Person:
    """Somebody at the walkthrough's keys."""

    def __init__(self, app: MonitorApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot
        self.presses = 0

    @property
    def course(self) -> Course:
        assert isinstance(self.app.screen, WalkthroughScreen)
        return self.app.screen.course

    def stands_at_another_failure(self, before: tuple[int | None, int]) -> bool:
        course = self.course
        return bool(course.steps) and course.step.failed and (course.number, course.current) != before

    async def press(self, key: str) -> None:
        self.presses += 1
        await self.pilot.press(key)

    async def screen(self) -> str:
        """What is on the terminal, painted twice: sizes that changed in the first frame are known in the second."""
        for _ in range(2):
            self.app.paint()
            await self.pilot.pause()
        return screen_text(self.app)

    async def until(self, condition: Callable[[], bool]) -> str:
        """What is on the terminal once that is so."""
        while not condition():
            self.app.paint()
            await self.pilot.pause(0.01)
        return await self.screen()

    async def step(self, key: str = "space") -> str:
        """Presses a key that goes somewhere, and waits until it is there."""
        course = self.course
        before = course.number, course.current
        await self.press(key)
        return await self.until(lambda: bool(course.steps) and (course.number, course.current) != before)


Act = Callable[[Person], Awaitable[None]]


@asynccontextmanager
async def demo() -> AsyncIterator[tuple[World, int]]:
    """A bridge that plays chapters, and the pipe's end on which they are asked for."""
    provider = SteppedProvider(SPEED)
    commands, its_end = os.pipe()
    async with (
        simulated_provider(provider, "127.0.0.1", 0) as url,
        simulated_provider(McpOverHttp(), "127.0.0.1", 0) as tools,
        trio.lowlevel.FdStream(commands) as stream,
        running({"openai": provider_settings(url)}, mcp=tool_servers(tools)) as here,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(play_chapters, stream, here.bridge, provider)
        try:
            yield here, its_end
        finally:
            nursery.cancel_scope.cancel()
            os.close(its_end)


async def watch(act: Act) -> World:
    """The dashboard on such a bridge, in the hands of that person. Gives what the bridge has said."""

    async def look(socket: Path, its_end: int) -> None:
        app = MonitorApp(BridgeSource(socket), str(socket), lessons=Lessons(its_end))
        app.animation_level = "none"
        async with asyncio.timeout(60), app.run_test(size=(80, 24)) as pilot:
            person = Person(app, pilot)
            await person.until(lambda: isinstance(app.screen, WalkthroughScreen) and bool(person.course.steps))
            await act(person)

    async with demo() as (here, its_end):
        await trio.to_thread.run_sync(lambda: asyncio.run(look(here.socket, its_end)))
    return here


async def test_the_second_chapter_explains_a_failover_in_eight_key_presses() -> None:
    async def act(person: Person) -> None:
        screen = await person.step("right_square_bracket")
        while not person.course.step.failed:
            assert "has seen 0 bytes" in screen
            screen = await person.step()
        assert person.presses <= 8
        assert "429, rate limited" in screen
        assert "✗ 1 …QxV7 429" in screen
        assert "2 of 3 ready" in screen
        assert "◐ sk-d...QxV7" in screen
        screen = await person.step()
        assert person.presses <= 8
        assert "The client has seen nothing yet" in screen
        assert "✗ 1 …QxV7 429" in screen
        assert "has seen 0 bytes" in screen

    await watch(act)


async def test_f_goes_from_failover_to_failover() -> None:
    async def act(person: Person) -> None:
        for chapter in (2, 3):
            await person.press("f")
            await person.until(lambda: bool(person.course.steps) and person.course.step.failed)
            assert person.course.number == chapter
        seen = set()
        for _ in range(CHAPTERS[3].failovers):
            before = (person.course.number, person.course.current)
            await person.press("f")
            await person.until(partial(person.stands_at_another_failure, before))
            seen.add(person.course.current)
        assert person.course.number == 4
        assert len(seen) == CHAPTERS[3].failovers

    await watch(act)


async def test_space_goes_through_all_chapters() -> None:
    told: list[tuple[int | None, str, str]] = []

    async def act(person: Person) -> None:
        screen = await person.screen()
        while True:
            step = person.course.step
            told.append((person.course.number, step.key, screen))
            if step.key == "solution" and person.course.number == len(CHAPTERS):
                break
            screen = await person.step()

    here = await watch(act)
    for number, chapter in enumerate(CHAPTERS, 1):
        keys = [key for at, key, _ in told if at == number]
        assert keys[0] == "asked"
        assert keys[-2:] == ["question", "solution"]
        assert chapter.title in told[[at for at, _, _ in told].index(number)][2]
    assert [event.outcome for event in here.events("interception.ended")] == [
        "completed", "completed", "completed", "completed", "rejected", "cancelled", "completed",
        "completed",
    ]  # fmt: skip
    waited = next(screen for at, key, screen in told if (at, key) == (4, "waiting 0"))
    assert "waits for the first" in " ".join(waited.split())
    assert any("is told 429" in screen for at, _, screen in told if at == 4)
    assert any("the client left" in screen for at, key, screen in told if (at, key) == (5, "ended"))
    assert any("nothing to read" in " ".join(screen.split()) for at, _, screen in told if at == 6)
    calls = next(screen for at, key, screen in told if (at, key) == (7, "tool 0"))
    assert "✦ calls add" in calls
    assert "→ 1333.5" in calls
    rounds = [key for at, key, _ in told if at == 7]
    assert rounds.index("upstream 1") < rounds.index("tool 0") < rounds.index("pool 2") < rounds.index("relay")
    assert [event.injected for event in here.events("tool.called")] == [True]
    everything = "".join(screen for _, _, screen in told)
    assert not any(key in everything for key in KEYS)


async def test_a_chapter_that_was_left_is_played_again() -> None:
    async def act(person: Person) -> None:
        await person.step("right_square_bracket")
        first = person.course.request
        await person.step("right_square_bracket")
        await person.step("left_square_bracket")
        again = person.course.request
        assert person.course.number == 2
        assert first is not None
        assert again is not None
        assert first.id != again.id
        for _ in range(5):
            await person.step()
        await person.press("r")
        await person.until(lambda: person.course.request is not None and person.course.request.id != again.id)
        assert person.course.current == 0

    here = await watch(act)
    assert len(here.events("interception.started")) == 5


async def test_other_views_show_the_request_that_stands_still() -> None:
    async def act(person: Person) -> None:
        await person.step("right_square_bracket")
        for _ in range(5):
            await person.step()
        await person.press("3")
        screen = await person.screen()
        assert "cooling" in screen
        await person.press("1")
        assert "1 live" in await person.screen()

    await watch(act)


def test_who_plays_no_more_is_told_of() -> None:
    commands, its_end = os.pipe()
    lessons = Lessons(its_end)
    try:
        assert lessons.step()
        session = lessons.play(2)
        assert session is not None
        assert os.read(commands, 100) == f"step\nplay 2 {session}\n".encode()
        assert session != lessons.play(2)
    finally:
        os.close(commands)
    try:
        assert not lessons.step()
        assert lessons.play(1) is None
    finally:
        os.close(its_end)


def test_both_sides_have_the_same_chapters() -> None:
    assert len(LESSONS) == len(CHAPTERS)
    for acts, chapter in zip(LESSONS, CHAPTERS, strict=True):
        assert len(acts) == chapter.requests
        assert all(act.stepped == chapter.stepped for act in acts)
        assert any(act.leaves for act in acts) == bool(chapter.pause)
        refused = sum(not fate.startswith("ok") for act in acts for fate in act.fates)
        assert refused == chapter.failovers
