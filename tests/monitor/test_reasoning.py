"""The reasoning view under a person's hands: reading, searching, copying, sessions side by side."""

from __future__ import annotations

from textual.pilot import Pilot

from bridge.events.vocabulary import AnswerDelta, PromptRecorded, ToolCalled
from tests.support.hands import play, press, view
from tests.support.play import Stage, started, story
from tests.support.scene import two_sessions

SMALL, WIDE = (80, 24), (200, 60)
SECOND = "61728394"
"""The request of `two_sessions` that runs."""


def test_a_session_is_read_across_its_requests() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        screen = await press(stage, pilot, "2")
        for text in (
            "Thought  thinking",
            "withheld",
            "Tool Bash",
            "Result  after 1.2s",
            "`CREATE INDEX` blocks",
        ):
            assert text in screen
        screen = await press(stage, pilot, "g")
        assert screen.count("is the migration safe to run on") == 1  # sent with every request, told once
        assert "529 overloaded" in screen
        # It stays where it is while new text comes below, and a whole new request.
        top = stage.app.reasoning.pane.render_line(0).text
        stage.tell(AnswerDelta(SECOND, "\nmore and more" * 30))
        stage.tell(
            started("newer", client="Claude Code", session_id="7c9e6679-74"), PromptRecorded("newer", "r", "and then?")
        )
        await stage.paint(pilot)
        assert stage.app.reasoning.pane.render_line(0).text == top
        assert " new lines" in await stage.paint(pilot)
        assert "and then?" in await press(stage, pilot, "G")
        stage.tell(AnswerDelta("newer", "the very end"))
        assert "the very end" in await stage.paint(pilot)

    play(SMALL, act)


def test_a_search_finds_and_goes_round() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        await press(stage, pilot, "2")
        screen = await press(stage, pilot, "slash", "i", "n", "d", "e", "x", "enter")
        assert "/index match" in screen
        seen = []
        for key in ("n", "n", "n", "N"):
            screen = await press(stage, pilot, key)
            seen.append(screen.split("/index match ")[1][:6])
        assert len(set(seen)) == 3
        assert seen[-1] == seen[1]
        assert "/index" not in await press(stage, pilot, "escape")
        assert view(stage) == "reasoning"
        await press(stage, pilot, "slash", "z", "z", "escape")
        assert "matches" not in await stage.paint(pilot)

    play(SMALL, act)


def test_what_is_read_can_be_copied() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        stage.tell(AnswerDelta(SECOND, " \x1b]52;c;aGk=\x07"))
        await press(stage, pilot, "2", "y")
        assert stage.app.clipboard.startswith("Answer\nNot as it stands.")
        assert "\x1b" not in stage.app.clipboard
        assert "copied Answer" in await stage.paint(pilot)
        await press(stage, pilot, "left_square_bracket", "y")
        assert stage.app.clipboard.startswith("Thought  thinking")
        await press(stage, pilot, "left_square_bracket", "left_square_bracket", "y")
        assert stage.app.clipboard.startswith("Tool Bash")
        await press(stage, pilot, "right_square_bracket", "y")
        assert stage.app.clipboard.startswith("Result  after 1.2s")
        await press(stage, pilot, "Y")
        assert stage.app.clipboard.count("is the migration safe") == 1
        assert "copied the whole story" in await stage.paint(pilot)
        assert "· 4f506172 ·" in await press(stage, pilot, "enter")  # whose call it is the result of

    play(SMALL, act)


def test_sessions_lie_side_by_side_where_there_is_room() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        stage.tell(*story("third")[:1], started("z", client="OpenCode", session_id="s-3"), AnswerDelta("z", "three"))
        await stage.paint(pilot)  # which request is selected is what is opened first
        await press(stage, pilot, "2")
        shown = [pane.display for pane in stage.app.reasoning.agent_panes]
        assert shown == [True, True, *[False] * 4]
        while stage.app.focused is not stage.app.reasoning.pane:  # a pane takes the focus once it is laid out
            await stage.paint(pilot)
        await stage.paint(pilot)  # and hears that it has it
        await press(stage, pilot, "tab")
        assert stage.app.reasoning.panes.at == 1
        await press(stage, pilot, "right", "left", "l", "h")
        await press(stage, pilot, "f")
        before = list(stage.app.reasoning.panes.open)
        await pilot.resize_terminal(240, 60)
        await stage.paint(pilot)
        assert [pane.display for pane in stage.app.reasoning.agent_panes] == [True, True, True, *[False] * 3]
        await pilot.resize_terminal(80, 24)
        await stage.paint(pilot)
        assert [pane.display for pane in stage.app.reasoning.agent_panes] == [True, *[False] * 5]
        assert stage.app.reasoning.panes.open[0] == before[1]  # what was being read
        await pilot.click("SessionStrip", offset=(4, 0))
        assert "Codex 1 · turn 2 of 2" in await stage.paint(pilot)

    play(WIDE, act)


def test_a_frame_right_after_tab_leaves_the_focus_where_it_went() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        await stage.paint(pilot)
        await press(stage, pilot, "2")
        first, second = stage.app.reasoning.session_views[:2]
        while stage.app.focused is not first:
            await stage.paint(pilot)
        stage.app.screen.focus_next()
        stage.app.paint()  # before anybody was told that it went
        await stage.paint(pilot)
        assert (stage.app.focused, stage.app.reasoning.pane) == (second, second)

    play(WIDE, act)


def test_tools_are_left_out_folded_or_shown_whole() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        stage.tell(ToolCalled(SECOND, "r", "c9", "Write", {"content": "\n".join(f"line {n}" for n in range(40))}))
        await press(stage, pilot, "2")
        screen = await press(stage, pilot, "G")
        assert "line 9" in screen
        assert "… 30 more lines  v" in screen
        assert "line 10" not in screen
        screen = await press(stage, pilot, "v", "G")
        assert "all of the tools" in screen
        assert "line 39" in screen
        screen = await press(stage, pilot, "v", "g")
        assert "without tools" in screen
        assert not any(block.key.startswith("tool") for block in stage.app.reasoning.pane.blocks)
        await press(stage, pilot, "v")
        screen = await press(stage, pilot, "slash", *"line", "space", *"31", "enter")
        assert "line 39" in screen  # what was found is unfolded
        assert "more lines" not in screen

    play(SMALL, act)


def test_a_text_is_shown_as_it_is_read_or_as_it_was_written() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        stage.tell(AnswerDelta(SECOND, "\n## A heading\n- a **bold** point"))
        screen = await press(stage, pilot, "2", "G")
        assert "▎ A heading" in screen
        assert "• a bold point" in screen
        screen = await press(stage, pilot, "m")
        assert "## A heading" in screen
        assert "- a **bold** point" in screen
        assert "as written" in screen
        await press(stage, pilot, "y")
        assert "## A heading" in stage.app.clipboard
        stage.clock.forward(10)  # what was copied is said over the last line
        assert "• a bold point" in await press(stage, pilot, "m")

    play(SMALL, act)
