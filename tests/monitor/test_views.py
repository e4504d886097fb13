"""The views under a person's hands: how one goes from one to another, and every key in each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual.pilot import Pilot

from bridge.events.values import KeyState, ThoughtSource
from bridge.events.vocabulary import AnswerDelta, InterceptionEnded, KeyChanged, ThoughtDelta
from bridge.events.wire import Command, Reply, Snapshot
from monitor.screens.confirm import ConfirmScreen
from monitor.state.state import Lost
from tests.support.hands import five_requests, play, press, selected, settle, view
from tests.support.play import Stage, ended, started
from tests.support.scene import busy, strained_keys, two_sessions

SMALL = (80, 24)
CODEX, FIRST, SECOND = "1c2d3e4f", "4f506172", "61728394"
"""The requests of `two_sessions`."""


def test_numbers_bring_views_to_the_front() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        for number, name, text in (
            ("2", "reasoning", "Claude Code 1 · turn 2 of 2"),
            ("3", "keys", "1 cooling"),
            ("4", "request", "Events"),
            ("5", "totals", "By model"),
            ("1", "live", "Requests  3"),
            ("5", "totals", "table 1 of 4"),
            ("2", "reasoning", "Claude Code"),
            ("2", "reasoning", "Claude Code"),
        ):
            assert text in await press(stage, pilot, number)
            assert view(stage) == name
        for key, name in (("escape", "totals"), ("escape", "reasoning"), ("1", "live"), ("escape", "live")):
            await press(stage, pilot, key)
            assert view(stage) == name

    play(SMALL, act)


def test_a_click_on_a_view_or_a_key_is_like_the_key() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        await pilot.click("ViewsBar", offset=(20, 0))
        await stage.paint(pilot)
        assert view(stage) == "keys"
        await pilot.click("ViewsBar", offset=(2, 0))
        await stage.paint(pilot)
        assert view(stage) == "live"
        await pilot.click("KeyHints", offset=(2, 0))  # Open
        await pilot.pause()
        await stage.paint(pilot)
        assert view(stage) == "request"

    play(SMALL, act)


def test_enter_drills_in_and_escape_comes_back_to_the_same_request() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        await press(stage, pilot, "j", "j")
        assert selected(stage) == "b" or selected(stage) == "c"
        before = selected(stage)
        assert f"· {before} ·" in await press(stage, pilot, "enter")
        await press(stage, pilot, "escape")
        assert (view(stage), selected(stage)) == ("live", before)

    play(SMALL, act)


def test_the_request_view_keeps_what_the_bridge_has_forgotten() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        await press(stage, pilot, "enter")
        stage.tell(ended("e"))
        for number in range(210):
            stage.tell(started(f"r{number}"), ended(f"r{number}"))
        assert "e" not in stage.app.state.picture.interceptions
        screen = await stage.paint(pilot)
        assert "· e ·" in screen
        assert "interception.ended" in screen
        await press(stage, pilot, "right")
        assert "· e ·" not in await stage.paint(pilot)

    play(SMALL, act)


def test_the_request_view_acts_on_its_request(tmp_path: Path) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        stage.app.places = [tmp_path / "not there", tmp_path]
        await press(stage, pilot, "4")
        await press(stage, pilot, "E")
        path = tmp_path / f"clearspan-{SECOND}.json"
        await stage.until(pilot, "exported to")
        saved = json.loads(path.read_text())
        assert saved["id"] == SECOND
        assert [entry["type"] for entry in saved["trace"]["entries"]][:2] == ["interception.started", "attempt.started"]
        assert path.stat().st_mode & 0o777 == 0o600
        stage.app.places = [tmp_path / "not there"]
        await press(stage, pilot, "E")
        await stage.until(pilot, "could not export: No such file")
        await press(stage, pilot, "c")
        assert "copied a curl command" in await stage.paint(pilot)
        assert "Authorization: Bearer clearspan" in stage.app.clipboard
        assert "Cancel Claude Code 1, 61728394?" in await press(stage, pilot, "x")
        assert "cancelled" not in await press(stage, pilot, "n")
        await press(stage, pilot, "X")
        await stage.until(pilot, "cancelling Claude Code 1, 61728394")
        assert stage.commands == [Command(0, "cancel", id=SECOND)]
        for key, id_ in (("right", FIRST), ("l", CODEX), ("l", CODEX), ("left", FIRST), ("h", SECOND)):
            assert f"· {id_} ·" in await press(stage, pilot, key)
        for key in ("tab", "j", "k", "G", "g", "space", "pageup"):
            await press(stage, pilot, key)
        assert "Claude Code 1 · turn 2 of 2" in await press(stage, pilot, "r")
        assert view(stage) == "reasoning"

    play(SMALL, act)


def test_the_request_view_goes_through_the_turns_of_a_session() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        await press(stage, pilot, "4")
        assert f"· {FIRST} ·" in await press(stage, pilot, "less_than_sign")
        assert f"· {FIRST} ·" in await press(stage, pilot, "less_than_sign")
        assert f"· {SECOND} ·" in await press(stage, pilot, "greater_than_sign", "greater_than_sign")
        screen = await press(stage, pilot, "w")
        assert "Turn 2 of 2 · Claude Code 1 · model" in screen
        assert "░" in screen
        assert "Turn 1 of 2" in await press(stage, pilot, "less_than_sign")
        assert f"· {FIRST} ·" in await press(stage, pilot, "w")
        assert "w Turns" in await press(stage, pilot, "greater_than_sign")
        screen = await press(stage, pilot, "l", "l")
        assert f"· {CODEX} ·" in screen  # alone in its session, and over
        for hint in ("w Turns", "<> Turn", "x Cancel"):
            assert hint not in screen
        await press(stage, pilot, "w", "x")
        assert "Turn 1" not in await stage.paint(pilot)
        assert stage.commands == []

    play((160, 30), act)


def test_there_is_no_curl_for_what_is_not_known() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        stage.tell(started("a"), ended("a"))
        await press(stage, pilot, "4", "c")
        screen = await stage.until(pilot, "no curl: its prompt is not recorded")
        assert "4 Request" in screen  # a message hides no view, and no key
        assert "q Quit" in screen
        assert stage.app.clipboard == ""

    play(SMALL, act)


@pytest.mark.parametrize(
    ("size", "beside"),
    [((80, 34), False), ((120, 36), False), ((160, 45), False), ((170, 45), True), ((200, 60), True)],
)
def test_a_request_has_its_story_beside_it_or_below_its_events(size: tuple[int, int], beside: bool) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        await press(stage, pilot, "4")
        lines = (await stage.paint(pilot)).splitlines()
        story, events = (
            next(y for y, line in enumerate(lines) if f"─{title}" in line) for title in ("Story", "Events")
        )
        assert (story < events) is beside
        last = max(y for y, line in enumerate(lines) if "▎ " in line)
        assert beside or events < story < last
        assert beside or "answer.delta" in lines[story - 1 if size[0] >= 110 else story - 6]  # no line is lost

    play(size, act)


def test_of_many_events_the_last_are_seen_above_the_story() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        await press(stage, pilot, "4")
        for number in range(20):  # in turn, or they would be one entry
            stage.tell(ThoughtDelta(SECOND, 0, ThoughtSource.THINKING, "so "), AnswerDelta(SECOND, f"piece {number} "))
        await press(stage, pilot)
        lines = (await stage.paint(pilot)).splitlines()
        story = next(y for y, line in enumerate(lines) if "─Story" in line)
        assert "piece 19" in lines[story - 1]
        assert len(lines) - 1 - story == 10
        await pilot.resize_terminal(120, 30)
        await press(stage, pilot)
        lines = (await stage.paint(pilot)).splitlines()
        assert any("+" in line and "piece 19" in line for line in lines)

    play((120, 36), act)


def test_events_keep_their_room_where_there_is_too_little_for_a_story() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        screen = await press(stage, pilot, "4")
        assert "─Story" not in screen
        assert screen.count("thought.delta") == 1
        await pilot.resize_terminal(120, 36)
        await press(stage, pilot)
        assert "─Story" in await press(stage, pilot)

    play((80, 24), act)


@pytest.mark.parametrize(("size", "most"), [((60, 20), 8), ((80, 24), 9), ((120, 36), 14), ((160, 45), 18)])
def test_the_table_takes_the_room_of_its_requests_and_the_story_the_rest(size: tuple[int, int], most: int) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        def height() -> int:
            return stage.app.live.requests.outer_size.height

        two_sessions(stage)
        await stage.paint(pilot)
        await stage.paint(pilot)
        assert height() == max(6, 2 + 3)  # its title, those of its columns, three requests
        stage.tell(*(started(f"more{number}") for number in range(40)))
        await stage.paint(pilot)
        await stage.paint(pilot)
        assert height() == most
        before = height()
        await press(stage, pilot, "slash", *"nothing", "enter")
        assert height() == before  # the story stays where it is while somebody types
        assert stage.app.live.story.outer_size.height > 0

    play(size, act)


def test_where_there_is_no_terminal_there_is_no_pager() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        await stage.paint(pilot)
        for number in "1245":
            await press(stage, pilot, number, "e")
            await stage.until(pilot, "can't be opened here: a page is no terminal")
            stage.clock.forward(10)
            assert "can't be opened" not in await stage.paint(pilot)

    play(SMALL, act)


def test_a_filter_works_with_every_letter() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        busy(stage)
        await stage.paint(pilot)
        for letter, count in (("slash", "5"), *((letter, "") for letter in "claud"), ("e", "2 of 5")):
            screen = await press(stage, pilot, letter)
            assert f"Requests  {count}" in screen
        await press(stage, pilot, "5")  # a digit like any other, while one types
        assert view(stage) == "live"
        assert "Nothing matches" in await stage.paint(pilot)
        await press(stage, pilot, "backspace", "enter")
        assert "Requests  2 of 5" in await stage.paint(pilot)
        assert stage.app.focused is stage.app.live.requests
        await press(stage, pilot, "j")
        assert selected(stage) == "2d3e4f50"
        await press(stage, pilot, "escape")
        assert "Requests  5" in await stage.paint(pilot)
        assert selected(stage) == "2d3e4f50"
        await press(stage, pilot, "slash", "x", "escape")
        assert "Requests  5" in await stage.paint(pilot)

    play(SMALL, act)


def test_s_sorts() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        assert "slowest first" in await press(stage, pilot, "s")
        assert stage.app.listing.rows[0].id in ("a", "b")
        assert "slowest first" not in await press(stage, pilot, "s")

    play(SMALL, act)


@pytest.mark.parametrize(
    ("pressed", "command"),
    [
        (("r",), "key.reset"),
        (("d", "y"), "key.disable"),
        (("d", "n"), None),
        (("d", "escape"), None),
        (("d", "enter"), None),
    ],
)
def test_keys_act_on_the_selected_key(pressed: tuple[str, ...], command: str | None) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        strained_keys(stage)
        await press(stage, pilot, "3", *pressed)
        assert not isinstance(stage.app.screen, ConfirmScreen)
        if command is None:
            assert stage.commands == []
        else:
            await stage.until(pilot, f"{command.partition('.')[2].rstrip('e')}")
            assert stage.commands == [Command(0, command, provider="anthropic", key="sk-a...7de0")]

    play(SMALL, act)


def test_a_key_is_selected_by_its_name() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        strained_keys(stage)
        await press(stage, pilot, "3", "G")
        keys = stage.app.keys
        assert keys.selected_name == ("openai", "sk-p...c0de")
        assert "e Enable" in await stage.paint(pilot)
        stage.reply = Reply(1, ok=False, error="no such key")
        await press(stage, pilot, "e")
        await stage.until(pilot, "could not enable: no such key")
        await press(stage, pilot, "k", "up", "j", "down", "g", "down")
        assert keys.selected_name == ("anthropic", "sk-a...55aa")
        stage.tell(KeyChanged("aaa", "first", KeyState.VALID))
        await stage.paint(pilot)
        assert keys.selected_name == ("anthropic", "sk-a...55aa")
        stage.tell(KeyChanged("anthropic", "sk-a...55aa", KeyState.VALID, "removed"))
        await stage.paint(pilot)
        assert keys.selected_name == ("openai", "sk-p...3f2a")
        assert "Disable openai sk-p...3f2a?" in await press(stage, pilot, "d")
        assert "1 valid key of this provider would be left" in await stage.paint(pilot)

    play(SMALL, act)


def test_totals_show_another_window() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        assert "By model · 10 min" in await press(stage, pilot, "5")
        for key, title in (("left", "1 min"), ("h", "1 min"), ("right", "10 min"), ("l", "today"), ("l", "today")):
            assert f"By model · {title}" in await press(stage, pilot, key)

    play(SMALL, act)


def test_totals_go_through_their_tables() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        await press(stage, pilot, "5")
        for key, by in (("tab", "client"), ("tab", "session"), ("tab", "key"), ("tab", "model"), ("shift+tab", "key")):
            screen = await press(stage, pilot, key)
            assert f"By {by}" in screen
            assert screen.count("By ") == 1

    play(SMALL, act)


@pytest.mark.parametrize(
    ("size", "tables"),
    [((80, 24), 1), ((80, 26), 2), ((120, 36), 3), ((120, 40), 4), ((160, 45), 4), ((200, 60), 4), ((100, 70), 4)],
)
def test_totals_show_as_many_tables_as_there_is_room_for(size: tuple[int, int], tables: int) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        await pilot.press("5")
        screen = await settle(stage, pilot)
        assert [f"By {by}" in screen for by in ("model", "client", "session", "key")] == [
            number < tables for number in range(4)
        ]
        in_a_line = sum(line.count("By ") for line in screen.splitlines() if "By model" in line)
        assert in_a_line == (2 if size[0] >= 160 else 1)

    play(size, act)


def test_no_page_of_tables_is_half_empty() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        await press(stage, pilot, "5")
        for _ in range(3):
            screen = await press(stage, pilot, "tab")
        assert [f"By {by}" in screen for by in ("model", "client", "session", "key")] == [False, True, True, True]
        assert "Tab: table 4 of 4" in screen

    play((120, 36), act)


def test_enter_on_a_row_of_totals_lists_its_requests() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        assert "⏎ List" in await press(stage, pilot, "5", "tab")
        totals = stage.app.totals
        assert totals.tables[1].selected == "Codex"
        await press(stage, pilot, "j", "j")
        assert totals.tables[1].selected == "Claude Code"
        await press(stage, pilot, "enter")
        assert view(stage) == "live"
        screen = await stage.until(pilot, "Requests  2 of 3")
        assert '/client:"Claude Code"' in screen
        await press(stage, pilot, "escape")
        assert "Requests  3" in await stage.paint(pilot)
        stage.tell(started("x", session_id=None))
        await press(stage, pilot, "5", "tab", "G", "up", "down", "home", "end")
        assert totals.tables[2].selected == ("Codex", "")
        assert "⏎ List" not in await stage.paint(pilot)  # no filter says that there is no session
        await press(stage, pilot, "enter")
        assert view(stage) == "totals"

    play(SMALL, act)


def test_views_wait_for_what_they_show_and_outlive_the_connection() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        for number in "2345":
            screen = await press(stage, pilot, number)
            assert "Connecting" in screen or "nothing in this time" in screen
            await press(stage, pilot, *"rdexcynj", "left", "enter", number)
        assert stage.commands == []
        two_sessions(stage)
        await press(stage, pilot, "2")
        stage.deliver(Lost("the bridge closed the connection"))
        stage.clock.forward(60)
        screen = await stage.paint(pilot)
        assert "Lost for 1m00s" in screen
        assert "answering 2s" in screen  # what is lost stands still
        stage.tell(InterceptionEnded(SECOND, ended("x").outcome, 200, None, 1, 5_000.0))
        stage.deliver(Snapshot.of(stage.picture, stage.seq, stage.clock.now))
        assert "done 5.0s" in await press(stage, pilot, "g", "G")
        assert view(stage) == "reasoning"

    play(SMALL, act)
