"""Commands that are typed after `:`, and what they find."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from monitor.screens.destinations import destinations
from monitor.screens.help import HelpScreen
from monitor.state.typed_command import COMMANDS, Destination, Destinations, NoCommand, choices, find, read
from monitor.styles import themes
from monitor.widgets.views import VIEWS
from tests.support.folds import after
from tests.support.hands import five_requests, play, press, view
from tests.support.play import Stage, started, story
from tests.support.scene import strained_keys, two_sessions

SMALL = (80, 24)

KNOWN = Destinations(
    {
        "sessions": [
            Destination("Codex 12 · say hello", "r12", "Codex 12"),
            Destination("Claude Code 2 · why report 1 is late", "c2", "Claude Code 2"),
            Destination("Codex 2 · fix the flaky test · 019a4c1e", "r2", "Codex 2"),
            Destination("Codex 1 · migrate 2 tables", "r1", "Codex 1"),
            Destination("Claude Code 1 · fix the roof", "c1", "Claude Code 1"),
            Destination("Codex 3 · old", "", "Codex 3", is_gone=True),
        ],
        "models": [
            Destination("gpt-5.5-mini", "gpt-5.5-mini"),
            Destination("gpt-5.5", "gpt-5.5"),
            Destination("opus", "opus"),
        ],
        "themes": [Destination("light", "light")],
    }
)


@pytest.mark.parametrize(
    ("text", "word", "about"),
    [
        ("keys", "keys", ""),
        ("  tot ", "totals", ""),
        ("session codex 2", "session", "r2"),
        ("session fix claude", "session", "c1"),
        ("ses hello", "session", "r12"),
        ("model gpt-5.5", "model", "gpt-5.5"),
        ("model opus", "model", "opus"),
        ("session claude code 1", "session", "c1"),  # though another one that came later has these words, too
        ("session Claude  Code 2", "session", "c2"),
        ("session codex 1", "session", "r1"),  # and not the one whose title merely begins so
        ("session claude 1", "session", "c1"),
        ("session report 1", "session", "c2"),
        ("theme light", "theme", "light"),
        ("since 1h", "since", "1h"),
        ("since", "since", ""),
        ("filter client:codex  x", "filter", "client:codex  x"),
        ("key", "key", None),
        ("q", "quit", ""),
    ],
)
def test_a_command_is_known_by_its_beginning_and_its_target_by_words(text: str, word: str, about: str | None) -> None:
    if about is None:
        with pytest.raises(NoCommand, match="which"):
            read(text, KNOWN)
        return
    command, found = read(text, KNOWN)
    assert (command.word, found) == (word, about)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "there is no command ''"),
        ("sing", "there is no command 'sing'"),
        ("s", "'s' may be session or since or save"),
        ("session nobody", "no session is called 'nobody'"),
        ("session codex 0", "no session is called 'codex 0'"),
        ("session codex 9", "no session is called 'codex 9'"),
        ("session claude code 9", "no session is called 'claude code 9'"),
        ("session codex 3", "Codex 3 is here no more: clearspan history has what is recorded of it"),
        ("model gpt 7", "no model is called 'gpt 7'"),
        ("since then", "'then' is no time: 30s, 5m, 1h, 2d"),
        ("keys all", "nothing follows keys"),
    ],
)
def test_what_is_no_command_says_what_there_would_be(text: str, why: str) -> None:
    with pytest.raises(NoCommand) as refusal:
        read(text, KNOWN)
    assert str(refusal.value).startswith(why)


def test_choices_are_what_one_may_go_on_to_type() -> None:
    assert [choice.typed for choice in choices("s", KNOWN)] == ["session ", "since ", "save"]
    assert len(choices("", KNOWN)) == len(COMMANDS)
    assert [choice.typed for choice in choices("session codex", KNOWN)] == [
        "session Codex 12 · say hello",
        "session Codex 2 · fix the flaky test · 019a4c1e",
        "session Codex 1 · migrate 2 tables",
    ]
    assert len(choices("session ", KNOWN)) == 5
    assert [choice.typed for choice in choices("session codex 1", KNOWN)] == [
        "session Codex 1 · migrate 2 tables",
        "session Codex 12 · say hello",
    ]
    assert choices("s x", KNOWN) == []
    for choice in choices("session ", KNOWN):
        assert read(choice.typed, KNOWN)[0].word == "session"


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    choices(text, KNOWN)
    try:
        command, _about = read(text, KNOWN)
    except NoCommand:
        return
    assert command in COMMANDS


@given(st.lists(st.text(min_size=1)), st.text())
def test_what_is_found_is_of_what_there_is(titles: list[str], text: str) -> None:
    known = [Destination(title, title) for title in titles]
    assert all(destination in known for destination in find(text, known))


def test_every_view_and_theme_has_its_command(tmp_path: Path) -> None:
    state = after(*story("a"), started("b", client="Claude Code", session_id=None))
    (tmp_path / "a log.jsonl").touch()
    found = destinations(state, [tmp_path, tmp_path / "not there"]).of
    assert {command.word for command in COMMANDS} >= set(VIEWS)
    assert {command.about for command in COMMANDS if command.about} == found.keys()
    assert [destination.title for destination in found["themes"]] == list(themes.NAMES)
    assert [(destination.title, destination.name) for destination in found["replays"]] == [
        ("a log.jsonl", str(tmp_path / "a log.jsonl"))
    ]
    assert [destination.title for destination in found["clients"]] == ["Claude Code", "Codex"]
    assert [(destination.title, destination.name) for destination in found["sessions"]] == [
        ("Claude Code 1 · b", "b"),
        ("Codex 1 · fix the flaky cooldown test… · 019a4c1e", "a"),
    ]


async def typed(stage: Stage, pilot: Pilot[None], text: str) -> str:
    await press(stage, pilot, "colon", *text)
    return await press(stage, pilot, "enter")


def test_every_command_is_obeyed(tmp_path: Path) -> None:
    def exported() -> int:
        return len(list(tmp_path.iterdir()))

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        strained_keys(stage)
        stage.app.places = [tmp_path]
        await stage.paint(pilot)
        for name in ("keys", "totals", "request", "reasoning", "live"):
            await typed(stage, pilot, name)
            assert view(stage) == name
        assert "Claude Code 1 · " in await typed(stage, pilot, "session claude 1")
        assert view(stage) == "reasoning"
        assert "Requests  1 of 3" in await typed(stage, pilot, "model codex")
        assert "Requests  2 of 3" in await typed(stage, pilot, "client claude")
        await typed(stage, pilot, "filter client:codex")
        await typed(stage, pilot, "since 1h")
        assert stage.app.listing.filter.query == "client:codex since:1h"
        await typed(stage, pilot, "since 5m")
        assert stage.app.listing.filter.query == "client:codex since:5m"
        await typed(stage, pilot, "since")
        assert stage.app.listing.filter.query == "client:codex"
        assert "Requests  3" in await typed(stage, pilot, "filter")
        await typed(stage, pilot, "key openai c0de")
        assert stage.app.keys.selected_name == ("openai", "sk-p...c0de")
        await typed(stage, pilot, "theme light")
        assert stage.app.theme == "light"
        await typed(stage, pilot, "save")
        await stage.until(pilot, "exported to")
        assert exported() == 1
        await typed(stage, pilot, "help")
        await pilot.pause()
        assert isinstance(stage.app.screen, HelpScreen)
        await press(stage, pilot, "colon")
        assert isinstance(stage.app.screen, HelpScreen)
        await press(stage, pilot, "escape")
        await typed(stage, pilot, "quit")
        assert stage.app.return_code == 0

    play((120, 36), act)


def test_choices_are_shown_and_taken_by_keys() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        await stage.paint(pilot)
        screen = await press(stage, pilot, "colon", "s", "e")
        assert "session NAME" in screen
        assert "read a session" in screen
        screen = await press(stage, pilot, "tab")
        assert "session Codex 1 · fix the" in screen
        assert "session Claude Code 1 · is the" in screen
        await press(stage, pilot, "down", "down", "up", "down", "enter")
        assert view(stage) == "reasoning"
        assert "● Claude Code 1" in await stage.paint(pilot)
        screen = await press(stage, pilot, "colon", *"nothing", "enter")
        assert "there is no command 'nothing'" in screen
        await press(stage, pilot, "escape")
        assert view(stage) == "reasoning"
        assert stage.app.screen is stage.app.reasoning

    play(SMALL, act)


def test_the_views_stay_in_sight_and_a_wrong_command_makes_room_for_another() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        await stage.paint(pilot)
        screen = await press(stage, pilot, "colon", *"nonsense", "enter")
        assert "there is no command 'nonsense'" in screen
        assert "1 Live 2 Reasoning 3 Keys" in screen.splitlines()[-1]
        screen = await press(stage, pilot, *"keys")
        assert ": keys" in screen.splitlines()[-2]
        assert "there is no command" not in screen
        await press(stage, pilot, "enter", "2", "number_sign")
        assert "2 Reasoning" in (await stage.paint(pilot)).splitlines()[-1]

    play((80, 24), act)


def test_what_a_session_was_asked_is_no_markup_in_the_palette() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        stage.tell(started("x", model="[bold]odd[/]", client="[/red]", session_id="[x]"))
        await stage.paint(pilot)
        await press(stage, pilot, "ctrl+p")
        await pilot.press(*"Model: [bold")
        await stage.until(pilot, "Model: [bold]odd[/]  ")
        await press(stage, pilot, "enter")
        await stage.until(pilot, "Requests  1 of 6")

    play((120, 36), act)
