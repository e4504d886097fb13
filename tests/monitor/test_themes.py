"""Themes: which one is chosen, and that the one without colour has none."""

from __future__ import annotations

import asyncio
import re

import pytest
from rich.style import Style
from textual.color import Color
from textual.pilot import Pilot

from monitor.app import MonitorApp
from monitor.styles import themes
from monitor.styles.colours import THEMES
from tests.support.hands import five_requests, play
from tests.support.play import PLACE, Stage


@pytest.mark.parametrize(
    ("option", "environment", "name"),
    [
        (None, {}, "dark"),
        (None, {"CLEARSPAN_THEME": "light"}, "light"),
        ("contrast", {"CLEARSPAN_THEME": "light"}, "contrast"),
        (None, {"NO_COLOR": "1"}, "mono"),
        (None, {"NO_COLOR": ""}, "dark"),
        ("dark", {"NO_COLOR": "1"}, "dark"),
        (None, {"NO_COLOR": "1", "CLEARSPAN_THEME": "light"}, "light"),
    ],
)
def test_a_theme_is_chosen_by_option_then_environment(
    option: str | None, environment: dict[str, str], name: str
) -> None:
    assert themes.chosen(option, environment) == name


def test_an_unknown_theme_is_told_with_those_there_are() -> None:
    with pytest.raises(themes.UnknownTheme, match=re.escape("there are dark, light, contrast, mono")):
        themes.chosen(None, {"CLEARSPAN_THEME": "pink"})


def styles(app: MonitorApp) -> list[Style]:
    strips = app.screen._compositor.render_strips()
    return [segment.style for strip in strips for segment in strip if segment.style]


def test_t_goes_through_the_themes_and_one_has_no_colour() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        seen = []
        for _ in themes.NAMES:
            await pilot.press("T")
            await stage.paint(pilot)
            coloured = any(style.color and not style.color.is_default for style in styles(stage.app))
            seen.append((stage.app.theme, coloured))
        assert seen == [("light", True), ("contrast", True), ("mono", False), ("dark", True)]

    play((120, 36), act)


def test_without_colour_the_selection_and_what_is_muted_can_be_told_apart() -> None:
    async def run() -> None:
        stage = Stage()
        stage.app = MonitorApp(stage, PLACE, clock=stage.clock, theme="mono")
        async with asyncio.timeout(60), stage.shown(120, 36) as pilot:
            await five_requests(stage, pilot)
            found = styles(stage.app)
            assert any(style.reverse for style in found)
            assert any(style.dim for style in found)
            assert any(style.bold for style in found)
            assert not any(style.bgcolor and not style.bgcolor.is_default for style in found)

    asyncio.run(run())


def luminance(color: Color) -> float:
    parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in color.normalized]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


@pytest.mark.parametrize(("theme", "least"), [("dark", 4.5), ("light", 4.5), ("contrast", 7.0)])
def test_words_stand_out_from_their_background(theme: str, least: float) -> None:
    """WCAG 2.2, contrast: 4.5 for text, 7 where more is asked for. Lines and bars may be fainter."""
    colours = THEMES[theme]
    names = ("foreground", "primary", "secondary", "accent", "success", "warning", "error")
    words = [getattr(colours, name) for name in names]
    words += [colours.variables["tone-muted"], colours.variables["tone-title"]]
    ground = luminance(Color.parse(colours.background or ""))
    for word in words:
        light, dark = sorted((luminance(Color.parse(word)), ground), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= least, word
