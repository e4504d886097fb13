"""Hostile text, in every field that the bridge can send, is displayed and does nothing."""

from __future__ import annotations

import asyncio
import io
import json
import re
import unicodedata

import pytest
from attrs import evolve
from textual.pilot import Pilot

from bridge.events.vocabulary import BridgeStopping
from bridge.events.wire import Hello
from monitor.state.state import Lost
from tests.support.hostile import HOSTILE, everything
from tests.support.play import HELLO, START, Stage

LONG = "x" * 1_000_000


def harmless(screen: str) -> bool:
    return all(
        character == "\n"
        or (unicodedata.category(character) not in {"Cc", "Cs"} and character not in "\u202e\u2066\u2069\u200b\ufeff")
        for character in screen
    )


@pytest.mark.parametrize(
    ("poison", "size"),
    [
        pytest.param(HOSTILE, (80, 24), id="hostile-80x24"),
        pytest.param(HOSTILE * 200, (120, 36), id="hostile-120x36"),
        pytest.param(HOSTILE, (200, 60), id="hostile-200x60"),
        pytest.param(LONG, (80, 24), id="1MB"),
        pytest.param("日" * 5_000 + "[/b] \\[", (120, 36), id="wide-and-unbalanced"),
    ],
)
def test_hostile_text_is_shown_harmlessly_everywhere(size: tuple[int, int], poison: str) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.deliver(Hello(1, poison, 1, poison, START))
        stage.greet()
        stage.deliver(evolve(HELLO, url=poison))
        screens = [await stage.paint(pilot)]
        stage.tell(*everything(poison))
        for key in (
            "",
            "z",
            "g",
            "escape",
            "j",
            "question_mark",
            "escape",
            "x",
            "2",
            "g",
            "3",
            "j",
            "tab",
            "k",
            "d",
            "n",
            "4",
            "g",
            "5",
            "1",
        ):
            if key:
                await pilot.press(key)
            screens.append(await stage.paint(pilot))
        stage.app.show_message(poison, "bad")
        screens.append(await stage.paint(pilot))
        stage.tell(BridgeStopping(poison))
        screens.append(await stage.paint(pilot))
        stage.deliver(Lost(poison))
        screens.append(await stage.paint(pilot))
        assert all(harmless(screen) for screen in screens)
        assert all(len(screen.split("\n")) == size[1] for screen in screens)
        assert not stage.app._exit

    async def run() -> None:
        stage = Stage()
        async with asyncio.timeout(60), stage.shown(*size) as pilot:
            await act(stage, pilot)

    asyncio.run(run())


def test_markup_is_read_as_what_it_is() -> None:
    async def run() -> None:
        stage = Stage()
        async with asyncio.timeout(60), stage.shown(200, 60) as pilot:
            stage.greet()
            stage.tell(*everything("[bold]b[/b] [@click=app.quit]x[/]"))
            screen = await stage.paint(pilot)
            assert screen.count("[bold]b[/b] [@click=app.quit]x[/]") > 5
            await pilot.click("StoryView", offset=(20, 5))
            assert not stage.app._exit

    asyncio.run(run())


def test_an_exported_picture_is_well_formed() -> None:
    """A screenshot is a file that a browser opens: nothing in it may come alive either."""

    async def run() -> str:
        stage = Stage()
        async with asyncio.timeout(60), stage.shown(120, 36) as pilot:
            stage.greet()
            stage.tell(*everything(HOSTILE + "<script>alert(1)</script>"))
            await stage.paint(pilot)
            return stage.app.export_screenshot()

    svg = asyncio.run(run())
    assert "<script" not in svg
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", svg)
    io.BytesIO().write(svg.encode())
    json.dumps(svg)
