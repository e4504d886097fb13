"""Every view at every size, with one agent and with twelve, and in every theme: a gallery to be looked at.

What a test asserts is what somebody thought of; what is black, cut or crooked is seen. Nothing of it is kept: the
pictures of twelve agents are of a real monitor on a real bridge at the end of the made-up day
(`tests.support.day`), which is another each time.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import trio
from attrs import evolve, frozen
from textual.pilot import Pilot

from bridge.events.wire import Envelope
from monitor.app import MonitorApp
from monitor.sources.bridge_socket import BridgeSource
from monitor.state.state import Lost
from monitor.styles import themes
from scripts import scene
from scripts.picture import Nobody, plain
from tests.support.day.look import noon
from tests.support.day.play import SETTLES_S, PlayedDay, ask_turn, played

SIZES = {"60x20": (60, 20), "80x24": (80, 24), "120x36": (120, 36), "160x45": (160, 45), "200x60": (200, 60)}

COMMON = "120x36"
"""The size at which each theme is drawn that is not the first."""

VIEWS: dict[str, tuple[str, ...]] = {
    "live": ("1",),
    "reasoning": ("2",),
    "keys": ("3",),
    "request": ("4",),
    "totals": ("5",),
    "walkthrough": ("1", "t", "f"),
    "help": ("1", "question_mark"),
    "palette": ("1", "ctrl+p"),
}
"""Each view and the keys that lead to it, from any other."""

LOST = "lost"
"""The last of each: the bridge is gone."""

LOST_FOR = timedelta(seconds=12)

OVERLAYS = ("help", "palette")
"""These are left before another view is called."""

TURNS = 60
"""Of the longest session of the day: enough for lists that are longer than any screen."""

SEED = 1

WAIT_S = 60.0
"""For a record that is read and for streams that have begun."""


@frozen
class Picture:
    """Which one: a view, a size by name, one agent or twelve, a theme."""

    view: str
    size: str
    agents: str
    theme: str

    @property
    def name(self) -> str:
        """The file's, without its ending."""
        return f"{self.view}-{self.size}-{self.agents}-{self.theme}"


def pictures(agents: str, beginnings: Iterable[str] = ()) -> Iterator[Picture]:
    """All of the gallery with so many agents, or those whose names begin so."""
    shots = [(size, themes.DARK) for size in SIZES]
    shots += [(COMMON, theme) for theme in themes.NAMES if theme != themes.DARK]
    for size, theme in shots:
        for view in (*VIEWS, LOST):
            picture = Picture(view, size, agents, theme)
            if not beginnings or picture.name.startswith(tuple(beginnings)):
                yield picture


def draw(directory: Path, beginnings: Iterable[str]) -> None:
    """Draws the gallery into that directory and says what it draws."""
    directory.mkdir(parents=True, exist_ok=True)
    asyncio.run(_draw_one_agent(directory, list(pictures("one", beginnings))))
    if twelve := list(pictures("twelve", beginnings)):
        trio.run(_draw_twelve_agents, directory, twelve)


async def _draw_one_agent(directory: Path, wanted: list[Picture]) -> None:
    """The last minutes of the scene, as if Codex had been alone in them; each picture the same each time."""
    last = scene.BEGAN + timedelta(seconds=scene.LAST_S)
    for pictures_ in _sittings(wanted):
        app = MonitorApp(Nobody(), "/run/user/1000/clearspan/events.sock", clock=lambda: last, theme=pictures_[0].theme)
        async with _shown(app, pictures_[0]) as pilot:
            for message in scene.messages(scene.last_plays(scene.CODEX)):
                app.state.apply(message, message.at if isinstance(message, Envelope) else scene.BEGAN)
            await _leaf_through(app, pilot, pictures_, directory)


async def _draw_twelve_agents(directory: Path, wanted: list[Picture]) -> None:
    """The day is over; each of the twelve has asked once more, and waits for what does not come."""
    async with played(SEED, TURNS) as day, trio.open_nursery() as nursery:
        for turn in {turn.session: turn for turn in day.turns}.values():
            nursery.start_soon(ask_turn, evolve(turn, answer="stuck", agent=None, leaves=False), day.port)
        await trio.sleep(SETTLES_S)
        await trio.to_thread.run_sync(asyncio.run, _draw_day(day, directory, wanted))
        nursery.cancel_scope.cancel()


async def _draw_day(day: PlayedDay, directory: Path, wanted: list[Picture]) -> None:
    zone, socket = noon(), day.here.socket
    for pictures_ in _sittings(wanted):
        app = MonitorApp(BridgeSource(socket), str(socket), clock=lambda: datetime.now(zone), theme=pictures_[0].theme)
        async with _shown(app, pictures_[0]) as pilot:
            async with asyncio.timeout(WAIT_S):
                while not app.state.day.whole:  # noqa: ASYNC110  a state has no event
                    await asyncio.sleep(0.05)
            await _leaf_through(app, pilot, pictures_, directory)


def _sittings(wanted: list[Picture]) -> Iterator[list[Picture]]:
    """Those that one monitor shows one after the other."""
    for _sitting, together in itertools.groupby(wanted, key=lambda picture: (picture.size, picture.theme)):
        yield list(together)


@asynccontextmanager
async def _shown(app: MonitorApp, picture: Picture) -> AsyncIterator[Pilot[None]]:
    app.animation_level = "none"
    async with app.run_test(size=SIZES[picture.size]) as pilot:
        await pilot.pause()
        yield pilot


async def _leaf_through(app: MonitorApp, pilot: Pilot[None], shown: list[Picture], directory: Path) -> None:
    """Goes from view to view, as a person would, and draws each once it stands still."""
    await _settle(app, pilot)
    for picture in shown:
        if picture.view == LOST:
            await pilot.press("1")
            _lose_the_bridge(app)
        for key in VIEWS.get(picture.view, ()):
            await pilot.press(key)
            await _settle(app, pilot)
        await _settle(app, pilot)
        path = directory / f"{picture.name}.svg"
        path.write_text(plain(app.export_screenshot(title="Clearspan"), picture.view), encoding="utf-8")
        print(path)
        if picture.view in OVERLAYS:
            await pilot.press("escape")


def _lose_the_bridge(app: MonitorApp) -> None:
    """The connection was lost a while ago."""
    app.workers.cancel_all()
    clock = app.clock
    app.receive(Lost("the bridge closed the connection"))
    app.clock = lambda: clock() + LOST_FOR


async def _settle(app: MonitorApp, pilot: Pilot[None]) -> None:
    """Draws twice: sizes that changed in one frame are known in the next."""
    for _ in range(2):
        app.paint()
        await pilot.pause()
