"""A session's turns as bars: what the model took, what tools took, what nobody did."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bridge.events.entries import Interception
from bridge.events.picture import Picture
from bridge.events.vocabulary import Event, ToolCalled
from monitor.lines.turn_bars import TOOLS, turn_bars
from monitor.lines.turn_bars import title as turns_title
from monitor.state.turn_times import TurnTime, turn_times, turns
from tests.support.folds import plain
from tests.support.play import START, ended, started


def played(*events: tuple[float, Event]) -> Picture:
    picture = Picture()
    for seconds, event in events:
        picture.apply(event, START + timedelta(seconds=seconds))
    return picture


def turn(id_: str, begin: float, took: float, *, calls: bool = False, **fields: Any) -> list[tuple[float, Event]]:
    called = [(begin, ToolCalled(id_, "r", f"call {id_}", "Bash"))] if calls else []
    return [(begin, started(id_, **fields)), *called, (begin + took, ended(id_, duration_ms=took * 1000))]


PICTURE = played(
    *turn("a", 0, 10, calls=True),
    *turn("b", 14, 6, calls=True),  # 4 s of tools, for all that is known
    *turn("c", 50, 5, previous_tool_ms={"Bash": 9_000.0, "Read": 1_000.0}),  # 10 of the 30 s
    *turn("other agent", 51, 1, agent_id="sub"),
    *turn("other session", 52, 1, session_id="another"),
    *turn("passed through", 53, 1, api="passthrough"),
    *turn("d", 100, 1),  # after an answer: a person's time
)


def of(id_: str) -> list[Interception]:
    return turns(PICTURE, PICTURE.interceptions[id_])


def test_turns_are_one_agents_in_one_session() -> None:
    assert [request.id for request in of("b")] == ["a", "b", "c", "d"]
    assert [request.id for request in of("other agent")] == ["other agent"]
    assert [request.id for request in of("other session")] == ["other session"]
    assert [request.id for request in of("passed through")] == ["a", "b", "c", "passed through", "d"]
    stray = played(*turn("x", 0, 1)).interceptions["x"]
    assert turns(PICTURE, stray) == [stray]


def test_what_is_between_turns_was_tools_or_nobody() -> None:
    times = turn_times(of("a"), START)
    assert [(turn.model_ms, turn.tools_ms, turn.idle_ms) for turn in times] == [
        (10_000, 4_000, 0),
        (6_000, 10_000, 20_000),
        (5_000, 0, 45_000),
        (1_000, 0, 0),
    ]
    assert turns_title(times, 1, "Codex 1") == "Turn 2 of 4 · Codex 1 · model 22s · tools 14s (39%) · paused 1m05s"


def test_tools_never_take_longer_than_there_was_time() -> None:
    picture = played(*turn("a", 0, 10, calls=True), *turn("b", 12, 1, previous_tool_ms={"Bash": 60_000.0}))
    assert turn_times(list(picture.interceptions.values()), START)[0].tools_ms == 2_000
    both = played(*turn("a", 0, 10, calls=True), *turn("b", 5, 1))
    assert turn_times(list(both.interceptions.values()), START)[0].tools_ms == 0


def test_bars_stand_on_one_axis_with_the_tools_hatched_between() -> None:
    bars = turn_bars(turn_times(of("a"), START), 1, 120, 10)
    lines = [plain(line) for line in bars.lines]
    assert bars.here == 2
    assert "model" in lines[0]
    assert [line.count(TOOLS) > 0 for line in lines[1:]] == [True, True, False, False]
    ends = [max(line.rfind("━"), line.rfind(TOOLS)) for line in lines[1:]]
    begins = [line.find("━") for line in lines[1:]]
    assert all(abs(begin - end) <= 1 for end, begin in zip(ends[:-1], begins[1:], strict=True))
    assert "pause 20s" in lines[2]
    assert "then a pause of 45s" in lines[3]
    assert lines[1].endswith("10s    4.0s")


TIMES = st.builds(
    TurnTime, st.sampled_from(of("a")), st.floats(0, 1e7), st.floats(0, 1e7) | st.just(0.0), st.floats(0, 1e7)
)


@given(st.lists(TIMES, min_size=1, max_size=40), st.integers(0, 39), st.integers(50, 220), st.integers(1, 30))
def test_bars_fit_and_show_the_turn_at_hand(times: list[TurnTime], at: int, width: int, height: int) -> None:
    at = min(at, len(times) - 1)
    bars = turn_bars(times, at, width, height)
    assert {cell_len(plain(line)) for line in bars.lines} == {width}
    assert len(bars.lines) <= max(2, height)
    assert plain(bars.lines[bars.here]).split()[0] == str(at + 1)


@pytest.mark.parametrize("width", [58, 78, 118, 158, 198])
def test_three_hundred_turns_show_those_around_the_one_at_hand(width: int) -> None:
    times = [TurnTime(of("a")[0], 1_000.0, 500.0) for _ in range(300)]
    bars = turn_bars(times, 150, width, 12)
    assert [plain(line).split()[0] for line in bars.lines[1:]] == [str(number) for number in range(146, 157)]
