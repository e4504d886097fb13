"""Sessions: which requests belong together, how they read, which lie open, and how one finds something in them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bridge.events.values import Asked
from bridge.events.vocabulary import (
    AnswerDelta,
    ContextChanged,
    Event,
    ModelServed,
    PromptRecorded,
    ToolCalled,
    ToolResultBrought,
)
from monitor.lines import search
from monitor.lines.session_story import StoryReader, outline, plain, request_of
from monitor.lines.span import Span
from monitor.state import sessions
from monitor.state.sessions import LINGERS_S, Panes, SessionAgent
from monitor.state.state import MonitorState
from tests.support.folds import after, tell
from tests.support.play import START, ended, spent, started, story


def found(*events: Event) -> list[list[str]]:
    known = after(*events).picture.interceptions.values()
    return [[request.id for request in session.requests] for session in sessions.sessions(known)]


def call(id: str, tool_call_id: str, arguments: Any = None) -> ToolCalled:  # noqa: A002  the event's own word
    return ToolCalled(id, "r", tool_call_id, "shell", arguments)


def test_a_session_id_holds_requests_together() -> None:
    assert found(started("a"), started("b", session_id="s"), started("c"), started("d", session_id="s")) == [
        ["a", "c"],
        ["b", "d"],
    ]


def test_the_same_id_of_another_client_is_another_session() -> None:
    assert found(started("a"), started("b", client="OpenCode")) == [["a"], ["b"]]


def test_without_an_id_a_tool_call_leads_on() -> None:
    def alone(id: str, after_call: str | None = None, **fields: Any) -> Event:  # noqa: A002
        return started(id, session_id=None, correlating_tool_call_id=after_call, **fields)

    events = [alone("a"), call("a", "c1"), call("a", "c2"), alone("b", "c2"), call("b", "c3"), alone("c", "c3")]
    assert found(*events, alone("d"), alone("e", "c1", client="OpenCode")) == [["a", "b", "c"], ["d"], ["e"]]


def test_the_session_of_a_request_is_found() -> None:
    roster = after(started("a"), started("b", session_id="s")).roster
    assert roster.session("b") is roster.sessions[1]
    assert roster.session("x") is None
    assert roster.name("x") is None


def read(state: MonitorState, reader: StoryReader | None = None) -> list[str]:
    (agent,) = state.roster.agents
    return [
        "".join(text for text, _tone in block.heading)
        for block in (reader or StoryReader()).read(agent, START + timedelta(seconds=2))
    ]


def test_a_session_reads_as_one_story() -> None:
    asked = PromptRecorded("a", "r", "why?")
    again = PromptRecorded("b", "r", "why?")
    other = PromptRecorded("c", "r", "and now?")
    state = after(
        started("a"), asked, call("a", "c1"), ended("a"),
        started("b", correlating_tool_call_id="c1", previous_tool_ms={"c1": 1_500.0}), again,
        AnswerDelta("b", "because"), ended("b"), started("c"), other,
    )  # fmt: skip
    assert read(state) == [
        "✓ turn 1 · 03:04:05 · gpt-5.1-codex · done 12s",
        "Prompt",
        "Tool shell  c1",
        "Result  after 1.5s",
        "✓ turn 2 · 03:04:05 · gpt-5.1-codex · done 12s",
        "Answer",
        "● turn 3 · 03:04:05 · gpt-5.1-codex · accepted 2s",
        "Prompt",
    ]


def test_what_a_tool_answered_stands_below_its_call() -> None:
    state = after(
        started("a"), call("a", "c1"), call("a", "c2"), ended("a"),
        started("b", previous_tool_ms={"c2": 80.0}),
        ToolResultBrought("b", "c1", 40_960, False, "x" * 4_096), ToolResultBrought("b", "c2", 9, True, "no such f"),
        ContextChanged("b", 9, 3, 0, True, False),
    )  # fmt: skip
    assert read(state) == [
        "✓ turn 1 · 03:04:05 · gpt-5.1-codex · done 12s",
        "Tool shell  c1",
        "Result  41.0 kB, the first 4.1 kB of it",
        "Tool shell  c2",
        "Failed  9 B  after 80ms",
        "● turn 2 · 03:04:05 · gpt-5.1-codex · accepted 2s · +3 messages · system changed",
    ]


def test_a_result_that_comes_later_finds_the_call_that_was_told_already() -> None:
    state = after(started("a"), call("a", "c1"), ended("a"))
    reader = StoryReader()
    assert "Result  3 B" not in read(state, reader)
    tell(state, started("b"), ToolResultBrought("b", "c1", 3, False, "yes"))
    assert read(state, reader)[2] == "Result  3 B"


def test_turns_that_are_not_there_are_counted() -> None:
    (agent,) = after(started("a"), ended("a")).roster.agents
    blocks = StoryReader().read(agent, START, earlier=113)
    headings = ["".join(text for text, _tone in block.heading) for block in blocks[:2]]
    assert headings == ["▲ 113 earlier turns · u loads 50", "✓ turn 114 · 03:04:05 · gpt-5.1-codex · done 12s"]


def test_agents_stand_below_those_that_gave_them_work() -> None:
    roster = after(
        started("a"), started("b", agent_id="x"), started("c", agent_id="y", parent_agent_id="x"),
        started("d", agent_id="z"), started("e", agent_id="p", parent_agent_id="q"),
        started("f", session_id="s", agent_id="x"), started("g"),
        started("h", agent_id="m", parent_agent_id="n"), started("i", agent_id="n", parent_agent_id="m"),
    ).roster  # fmt: skip
    assert [(agent.agent_id, agent.depth, [request.id for request in agent.requests]) for agent in roster.agents] == [
        (None, 0, ["a", "g"]), ("x", 1, ["b"]), ("y", 2, ["c"]), ("z", 1, ["d"]), ("p", 1, ["e"]),
        ("m", 0, ["h"]), ("n", 0, ["i"]), ("x", 0, ["f"]),
    ]  # fmt: skip
    agent = roster.agent("c")
    assert agent is not None
    assert agent.agent_id == "y"


def test_what_has_ended_is_told_once_and_forgotten_when_it_is_gone() -> None:
    state = after(started("a"), PromptRecorded("a", "r", "why?"), ended("a"), started("b"))
    reader = StoryReader()
    (agent,) = state.roster.agents
    first, second = reader.read(agent, START), reader.read(agent, START)
    assert all(before is after for before, after in zip(first[:2], second[:2], strict=True))
    assert {request_of(block.key) for block in first} == {"a", "b"}
    reader.forget({"b"})
    assert reader.read(agent, START)[0] is not first[0]


def test_a_copy_is_harmless_and_whole() -> None:
    state = after(started("a"), PromptRecorded("a", "r", "x" * 9_000 + "\x1b]52;c;x\x07\n[b]y"))
    (agent,) = state.roster.agents
    text = plain(StoryReader().read(agent, START))
    assert "x" * 9_000 + "␛]52;c;x␇\n[b]y\n" in text


LONG_AFTER = START + timedelta(minutes=5)


def lying(*sessions_: tuple[str, bool]) -> list[SessionAgent]:
    """Agents by name, live or not, the later ones the newer."""
    made = []
    for number, (name, live) in enumerate(sessions_):
        state = after(started(name), *([] if live else [ended(name)]))
        request = state.picture.interceptions[name]
        request.started_at = START + timedelta(seconds=number)
        made.append(SessionAgent(name, name, "Codex", name, requests=[request]))
    return made


def test_the_desk_opens_what_runs_and_keeps_it() -> None:
    panes = Panes()
    panes.settle(lying(("a", False), ("b", True), ("c", False)), 1, START)
    assert panes.open == ["b"]
    panes.settle(lying(("a", False), ("b", True), ("c", False), ("d", True)), 1, LONG_AFTER)
    assert panes.open == ["b"]  # it runs still


def test_following_takes_no_text_away() -> None:
    panes = Panes()
    panes.settle(lying(("b", True), ("c", True)), 2, START)
    assert panes.open == ["c", "b"]
    over = lying(("b", False), ("c", False), ("d", True), ("e", True))
    panes.settle(over, 2, START + timedelta(seconds=LINGERS_S - 1))
    assert panes.open == ["c", "b"]  # the end of what was said can be read
    panes.settle(over, 2, LONG_AFTER)
    assert panes.open == ["c", "e"]  # a person is in the first
    panes.go_on(over)
    assert panes.open == ["d", "e"]
    panes.follow = False
    panes.settle(lying(("d", False), ("e", False), ("f", True)), 2, LONG_AFTER)
    assert panes.open == ["d", "e"]


def test_in_the_grid_agents_keep_their_places() -> None:
    panes = Panes()
    panes.settle(lying(("a", False), ("b", True), ("c", True)), 4, START, only_running=True)
    assert panes.open == ["c", "b"]
    panes.settle(lying(("a", False), ("b", True), ("c", False), ("d", True)), 4, LONG_AFTER, only_running=True)
    assert panes.open == ["c", "b", "d"]


def test_a_choice_by_hand_stays() -> None:
    panes = Panes()
    all_of_them = lying(("a", False), ("b", True), ("c", True))
    panes.settle(all_of_them, 1, START)
    panes.move(all_of_them, -2)
    assert (panes.open, panes.follow) == (["a"], False)
    panes.settle(all_of_them, 1, START)
    assert panes.open == ["a"]
    panes.move(all_of_them, -1)
    assert panes.open == ["a"]
    panes.settle(all_of_them, 2, START)
    panes.move(all_of_them, 1)
    assert panes.open == ["b", "c"]  # passing by what is open elsewhere
    panes.choose("c")
    assert panes.at == 1
    panes.settle(all_of_them, 1, START)
    assert (panes.open, panes.at) == (["c"], 0)  # what was being read


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), unique_by=lambda pair: pair[0], min_size=1),
    st.lists(st.tuples(st.sampled_from(["settle", "move", "choose", "at", "follow"]), st.integers(-3, 3))),
)
def test_whatever_is_done_each_pane_holds_another_session(
    sessions_: list[tuple[str, bool]], acts: list[tuple[str, int]]
) -> None:
    panes, all_of_them = Panes(), lying(*sessions_)
    for act, number in [*acts, ("settle", 2)]:
        match act:
            case "settle":
                panes.settle(all_of_them, abs(number) or 1, START)
            case "move":
                panes.move(all_of_them, number)
            case "choose":
                panes.choose(all_of_them[number % len(all_of_them)].id)
            case "at":
                panes.at = number % max(1, len(panes.open))
            case "follow":
                panes.follow = not panes.follow
        assert len(set(panes.open)) == len(panes.open)
        assert 0 <= panes.at < max(1, len(panes.open))


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("lock", [("a", 1), ("a", 2), ("b", 0)]),
        ("THAT   blocks", [("a", 1)]),  # over a line's end
        ("(", [("b", 1)]),
        ("nothing", []),
        ("  ", []),
    ],
)
def test_a_search_finds_lines(query: str, places: list[tuple[str, int]]) -> None:
    blocks = [("a", ["it takes", "a lock that", "blocks writes"]), ("b", ["Lock, lock", "(sic)"])]
    wanted = search.pattern(query)
    found_places = [] if wanted is None else list(search.find(wanted, blocks))
    assert [(place.key, place.line) for place in found_places] == places


@given(st.lists(st.tuples(st.text(), st.sampled_from(["plain", "muted"]))), st.text(min_size=1))
def test_marking_matches_changes_no_text(spans: list[Span], query: str) -> None:
    wanted = search.pattern(query)
    if wanted is not None:
        marked = search.highlight(tuple(spans), wanted)
        assert "".join(text for text, _tone in marked) == "".join(text for text, _tone in spans)
        assert sum(cell_len(text) for text, _ in marked) == sum(cell_len(text) for text, _ in spans)


def test_matches_are_marked() -> None:
    wanted = search.pattern("ab")
    assert wanted is not None
    assert search.highlight((("xa", "plain"), ("bab", "muted")), wanted) == (
        ("x", "plain"), ("a", "found"), ("b", "found"), ("ab", "found"),
    )  # fmt: skip


def test_a_turn_of_yesterday_has_a_date_though_it_was_read_before() -> None:
    agent = after(*story("a"), ended("a")).roster.agents[0]
    reader = StoryReader()
    assert "turn 1 · 03:04:05 · " in plain(reader.read(agent, START + timedelta(hours=19)))
    assert "turn 1 · Fri 02 Jan 03:04 · " in plain(reader.read(agent, START + timedelta(hours=21)))
    line = outline(agent.requests[0], 1, START + timedelta(hours=21))
    assert "Fri 02 Jan 03:04" in "".join(text for text, _tone in line)


def test_another_model_stands_where_the_model_stands() -> None:
    served = ModelServed("a", "gpt-5.1", asked=Asked("gpt-5.1-codex"))
    agent = after(*story("a"), served, spent("a"), ended("a")).roster.agents[0]
    turn = plain(StoryReader().read(agent, START)).splitlines()[0]
    assert " · asked gpt-5.1-codex → served gpt-5.1 · done " in turn
    assert turn.count("gpt-5.1-codex") == 1
