"""From a line to cells: always as many as there is room for, and what is cut says so."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from monitor.lines.span import Line
from monitor.widgets.paint import paint
from tests.support.hands import play, press, settle
from tests.support.play import Stage, widget_text
from tests.support.scene import strained_keys

LINE: Line = (("state ", "muted"), ("日本語です", "good"))


@pytest.mark.parametrize(
    ("line", "width", "shown"),
    [
        (LINE, 18, "state 日本語です  "),
        (LINE, 16, "state 日本語です"),
        (LINE, 15, "state 日本語で…"),
        (LINE, 14, "state 日本語 …"),  # no half of a character
        (LINE, 3, "st…"),
        (LINE, 1, "…"),
        (LINE, 0, ""),
        (((("nothing is lost   "), "plain"),), 15, "nothing is lost"),  # blanks
        ((), 3, "   "),
    ],
)
def test_what_is_cut_says_so(line: Line, width: int, shown: str) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await stage.paint(pilot)
        strip = paint(stage.app.live.requests, line, width)
        assert (strip.text, strip.cell_length, cell_len(strip.text)) == (shown, width, width)

    play((80, 24), act)


def test_a_chosen_entry_that_is_longer_than_its_panel_is_seen_from_its_beginning() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        strained_keys(stage)
        await settle(stage, pilot)
        await press(stage, pilot, "3")
        await settle(stage, pilot)
        first = widget_text(stage.app.keys.history).split("\n")[0]
        assert "529 overloaded, cooling" in first
        assert stage.app.keys.history.scrollable_content_region.height >= 3

    play((60, 20), act)
