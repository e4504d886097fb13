"""The keys view under a person's hands: every key and what it does, at every size."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from textual.pilot import Pilot

from bridge.events.values import KeyState
from bridge.events.vocabulary import KeyChanged
from bridge.events.wire import Command, Reply
from monitor.screens.confirm import ConfirmScreen
from monitor.state.state import Lost
from tests.support.hands import play, press, settle, view
from tests.support.many_keys import names
from tests.support.play import START, Stage, widget_text
from tests.support.scene import fifty_keys

SMALL = (80, 24)


async def many(stage: Stage, pilot: Pilot[None], *pressed: str) -> str:
    """Fifty keys, two minutes in, in the keys view; what is on the terminal after these keys."""
    fifty_keys(stage)
    await settle(stage, pilot)
    await pilot.press("3")
    await settle(stage, pilot)
    for key in pressed:
        await pilot.press(key)
        await settle(stage, pilot)
    return await stage.paint(pilot)


def sent(stage: Stage) -> list[tuple[str, Any]]:
    return [(command.command, command.key) for command in stage.commands]


@pytest.mark.parametrize("size", [(60, 20), (60, 40), (80, 24), (120, 36), (160, 45), (200, 60)])
def test_the_selected_key_and_what_happened_to_it_are_seen_at_every_size(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        screen = await many(stage, pilot, "slash", "k", "0", "3", "2", "enter")
        assert "sk-p...k032  cooling" in screen
        assert "16m52s" in screen
        assert "429 rate limited" in screen
        assert "keys 36/50 · next 1m05s" in screen
        assert all(len(line) == size[0] for line in screen.split("\n"))

    play(size, act)


def test_fifty_keys_fit_sixty_lines_beside_their_details() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        screen = await many(stage, pilot, "G", "k", "j")
        stage.picture.circuits.clear()
        stage.app.state.picture.circuits.clear()
        await settle(stage, pilot)
        screen = await stage.paint(pilot)
        assert all(f" {key} " in screen for _provider, key in names())
        assert "What happened to openrouter sk-p...k047" in screen
        assert stage.app.keys.panel.scroll_offset.y == 0

    play((200, 60), act)


def test_moving_selects_and_shows_details() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await many(stage, pilot)
        for key, hint in (
            ("j", "k008"), ("down", "k016"), ("k", "k008"), ("up", "k000"), ("up", "k000"), ("G", "k047"),
            ("pageup", "k014"), ("ctrl+u", "k028"), ("ctrl+d", "k014"), ("home", "k000"), ("pagedown", "k025"),
            ("end", "k047"), ("g", "k000"),
        ):  # fmt: skip
            screen = await press(stage, pilot, key)
            await settle(stage, pilot)
            assert f"What happened to {stage.app.keys.selected_name[0]} sk-p...{hint}" in screen, key  # type: ignore[index]
            assert f"sk-p...{hint}  " in widget_text(stage.app.keys.panel)

    play(SMALL, act)


def test_the_ledger_opens_the_request_that_benched_a_key() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        screen = await many(stage, pilot, "slash", "k", "0", "3", "7", "enter")
        assert "⏎ Open" in screen
        assert "dead 401" in screen
        assert await press(stage, pilot, "tab")
        assert stage.app.focused is stage.app.keys.history
        await press(stage, pilot, "enter")
        assert view(stage) == "request"
        assert "· 0025aaaa ·" in await stage.paint(pilot)
        await press(stage, pilot, "escape")
        assert view(stage) == "keys"
        for key, number in (("j", 1), ("down", 1), ("k", 0), ("up", 0), ("G", 1), ("g", 0), ("end", 1), ("home", 0)):
            await press(stage, pilot, key)
            assert stage.app.keys._entry == number, key

    play((120, 36), act)


def test_nothing_opens_where_nothing_is_known() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        assert "⏎" not in await many(stage, pilot)
        await press(stage, pilot, "enter")
        assert view(stage) == "keys"

    play(SMALL, act)


def test_marked_keys_are_commanded_together() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        screen = await many(stage, pilot, "slash", *"azure", "enter", "space", "space", "space")
        assert "3 marked" in screen
        assert screen.count("▌") == 3
        await press(stage, pilot, "k", "space")
        assert "2 marked" in await stage.paint(pilot)
        await press(stage, pilot, "r")
        await stage.until(pilot, "reset azure sk-p...k002")  # the other one is well
        assert sent(stage) == [("key.reset", "sk-p...k002")]
        assert stage.app.keys.listing.marks == set()
        stage.commands.clear()
        await press(stage, pilot, "g", "space", "space", "d")
        screen = await stage.paint(pilot)
        assert "Disable 2 keys?" in screen
        assert "3 valid keys of this provider would be left." in screen
        await press(stage, pilot, "y")
        await stage.until(pilot, "disabled 2 keys")
        assert sent(stage) == [("key.disable", "sk-p...k002"), ("key.disable", "sk-p...k010")]

    play(SMALL, act)


def test_what_fails_for_some_is_said_and_the_rest_is_done() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.reply = Reply(0, ok=False, error="no such key")
        await many(stage, pilot, "slash", *"azure", "enter", "space", "space", "d", "y")
        await stage.until(pilot, "could not disable: no such key (and 1 more)")
        assert len(stage.commands) == 2

    play(SMALL, act)


def test_escape_takes_marks_then_the_filter_away_then_goes_back() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await many(stage, pilot, "slash", *"azure", "enter", "space")
        assert "marked" not in await press(stage, pilot, "escape")
        assert "6 of 50 /azure" in await stage.paint(pilot)
        assert "/azure" not in await press(stage, pilot, "escape")
        assert view(stage) == "keys"
        await press(stage, pilot, "escape")
        assert view(stage) == "live"

    play((120, 36), act)


@pytest.mark.parametrize(
    ("key", "said"),
    [("k037", "checking openai sk-p...k037"), ("k032", "ended its rest: the next request may try anthropic sk-p...k")],
)
def test_a_probe_checks_a_dead_key_and_ends_a_rest(key: str, said: str) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await many(stage, pilot, "slash", *key, "enter", "p")
        await stage.until(pilot, said)
        assert sent(stage) == [("key.reset", f"sk-p...{key}")]

    play(SMALL, act)


def test_keys_that_would_do_nothing_do_nothing_and_are_not_offered() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        screen = await many(stage, pilot, "slash", *"k000", "enter")
        assert all(f" {word}" not in screen.rpartition("\n")[2] for word in ("Reset", "Probe", "Enable", "Open"))
        await press(stage, pilot, "r", "p", "e", "enter")
        assert (stage.commands, view(stage)) == ([], "keys")

    play((200, 60), act)


def test_commands_are_offered_only_where_a_bridge_answers() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        assert "d Disable" in await many(stage, pilot)
        stage.deliver(Lost("the bridge closed the connection"))
        await settle(stage, pilot)
        assert "d Disable" not in await stage.paint(pilot)
        await press(stage, pilot, "d", "y")
        assert stage.commands == []

    play(SMALL, act)


def test_an_enabled_key_is_offered_its_end_and_the_other_way_round() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        assert "e Enable" in await many(stage, pilot, "slash", *"state:off", "enter")
        await press(stage, pilot, "e")
        await stage.until(pilot, "enabled local sk-p...k003")
        assert stage.commands == [Command(0, "key.enable", provider="local", key="sk-p...k003")]
        assert not isinstance(stage.app.screen, ConfirmScreen)

    play(SMALL, act)


def test_s_goes_through_the_orders() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await many(stage, pilot)
        for title in ("trouble first", "next to be ready first", "most used first", "dearest first"):
            assert title in await press(stage, pilot, "s")
        assert "first" not in await press(stage, pilot, "s")

    play((120, 36), act)


def test_a_filter_that_nothing_matches_says_so_and_selects_nothing() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        screen = await many(stage, pilot, "slash", *"zzz")
        assert "no key matches" in screen
        assert "Nothing is selected" in screen
        await press(stage, pilot, "enter", "space", "d", "r", "j", "enter")
        assert stage.commands == []
        assert "k000" in await press(stage, pilot, "slash", "escape")

    play(SMALL, act)


def test_the_bell_rings_when_the_last_key_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        written: list[str] = []
        driver = stage.app._driver
        assert driver is not None
        monkeypatch.setattr(driver, "write", lambda text: written.extend([text] if "\a" in text[:1] else []))
        stage.greet()
        hostile = "open\x1bai"
        stage.tell(KeyChanged(hostile, "a", KeyState.VALID), KeyChanged("other", "b", KeyState.DISABLED))
        out = KeyChanged(hostile, "a", KeyState.TEMPORARY, "rate_limited", START + timedelta(seconds=60))
        stage.tell(out)
        await stage.paint(pilot)
        stage.tell(KeyChanged(hostile, "a", KeyState.VALID))
        await pilot.press("b")
        await stage.until(pilot, "bell when all keys of a provider are out")
        assert written == []
        stage.tell(out)
        await stage.until(pilot, "all keys of open␛ai are out")
        await stage.paint(pilot)
        assert written == ["\a\x1b]9;all keys of open␛ai are out\a"]
        stage.tell(KeyChanged(hostile, "a", KeyState.VALID))
        await pilot.press("b")
        await stage.until(pilot, "no bell")
        stage.tell(out)
        await stage.paint(pilot)
        assert len(written) == 1

    play(SMALL, act)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36), (160, 45), (200, 60)])
def test_trouble_is_on_the_first_screen_and_the_heads_stay(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        screen = await many(stage, pilot, "j", "j", "s")
        # one more than fits each: cooling keys of eight providers come before any that is healthy
        shown = [line for line in screen.split("\n") if "sk-p...k" in line and "since" not in line]
        assert "k032  anthropic" in shown[0]
        assert "cooling" in shown[3]
        screen = await many(stage, pilot, "G")
        assert "provider     state" in screen.split("\n")[1 if size[0] == 200 else 2]

    play(size, act)


def test_live_shows_trouble_first_beside_the_story() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        fifty_keys(stage)
        await settle(stage, pilot)
        panel = widget_text(stage.app.live.keys)
        for hint, provider in (("k032", "anthropic"), ("k047", "openrouter"), ("k037", "openai"), ("k003", "local")):
            assert f"sk-p...{hint} {provider}" in panel

    play((120, 36), act)
