"""The command palette: what the keys do, by name."""

from __future__ import annotations

from textual.command import CommandPalette
from textual.pilot import Pilot

from monitor.screens import palette
from monitor.screens.help import HelpScreen
from tests.support.hands import five_requests, play
from tests.support.play import Stage


def test_it_offers_what_the_keys_do_and_the_themes() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        offered = {command.title: command.help for command in palette.commands(stage.app, stage.app.screen)}
        assert offered["Follow"] == "key f"
        assert offered["Cancel"] == "key x"
        assert {"Help", "Quit", "Steps", "View: reasoning", "Theme: high contrast"} <= offered.keys()
        assert not any("Copy selected" in title for title in offered)

    play((120, 36), act)


def test_a_command_is_run_from_it() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        await pilot.press("ctrl+p")
        await pilot.pause()
        await pilot.press(*"high contrast")
        await stage.until(pilot, "Theme: high contrast")
        await pilot.press("enter")
        if isinstance(stage.app.screen, CommandPalette):  # the first chose it in the list
            await pilot.press("enter")
        await stage.until(pilot, "Requests")
        assert stage.app.theme == "contrast"

    play((120, 36), act)


def test_commands_act_on_the_screen_they_were_opened_from() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        commands = {command.title: command for command in palette.commands(stage.app, stage.app.screen)}
        commands["Help"].callback()
        await pilot.pause()
        assert isinstance(stage.app.screen, HelpScreen)

    play((80, 24), act)
