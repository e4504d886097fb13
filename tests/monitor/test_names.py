"""What sessions are called: a number that stays theirs, and the first words of what they were asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bridge.events.vocabulary import Event, PromptRecorded
from bridge.limits import LIMITS
from monitor.lines import key_looks as looks
from monitor.lines import names
from monitor.state.names import REMEMBERED, Name, name_sessions
from monitor.state.sessions import id_of
from monitor.state.state import MonitorState
from tests.support.folds import after, tell
from tests.support.play import ended, started


def asked(id: str, text: str) -> Event:  # noqa: A002  the event's own word
    return PromptRecorded(id, "r", text)


def called(state: MonitorState) -> list[str]:
    return [names.full(state.roster.names[session.id]) for session in state.roster.sessions]


def test_a_session_is_called_by_its_client_its_number_and_its_first_words() -> None:
    state = after(
        started("a", session_id="s-1"), asked("a", "test_due_date fails on Fridays,\n  why?"),
        started("b", session_id="s-2", client="Claude Code"), asked("b", "hi"),
        started("c", session_id="s-3x7f"),
        started("d", session_id="s-1"), asked("d", "something else"),
    )  # fmt: skip
    assert called(state) == ["Codex 1 · test_due_date fails on Frid…", "Claude Code 1 · hi", "Codex 2 · 3x7f"]


def test_the_first_words_are_those_of_the_main_agent() -> None:
    state = after(started("a", agent_id="x"), asked("a", "look for tests"), started("b"), asked("b", "mend it"))
    assert called(state) == ["Codex 1 · mend it"]


def test_a_name_stays_whatever_comes_and_goes() -> None:
    state = after(*(event for n in "abc" for event in (started(n, session_id=n), asked(n, f"ask {n}"))))
    assert [name.number for name in state.roster.names.values()] == [1, 2, 3]
    tell(state, ended("a"), ended("b"), started("b2", session_id="b"))
    for number in range(LIMITS.ended):  # until the first requests are forgotten
        tell(state, started(f"n{number}", session_id="b"), ended(f"n{number}"))
    assert "a" not in state.picture.interceptions
    assert sorted(called(state)) == ["Codex 2 · ask b", "Codex 3 · ask c"]
    tell(state, started("e", session_id="e"))
    assert max(called(state)) == "Codex 4 · e"  # what used most today is still called Codex 1 in the totals
    assert names.called(state.roster, "Codex", "a", names.ROOMY) == "Codex 1 · ask a"
    assert names.called(state.roster, "Codex", "a", 10) == "Codex 1"
    assert names.called(state.roster, "Codex", "never-seen-7d", 40) == "Codex · n-7d"


def test_of_sessions_that_are_gone_so_many_are_remembered_and_none_without_an_id() -> None:
    before = {id_of("Codex", f"s{number}"): Name("Codex", number, "x") for number in range(2 * REMEMBERED)}
    before["request r"] = Name("Codex", 5_000, "x")
    kept = name_sessions([], before)
    assert len(kept) == REMEMBERED
    assert id_of("Codex", f"s{2 * REMEMBERED - 1}") in kept
    assert "request r" not in kept


@given(st.text(), st.text(), st.integers(1, 999))
def test_whatever_the_words_a_name_is_harmless_and_short(client: str, words: str, number: int) -> None:
    name = Name(client, number, words)
    assert cell_len(names.about(name)) <= names.WORDS
    for text in (names.full(name), names.short(name)):
        assert "\x1b" not in text
        assert "\n" not in text


def test_where_a_name_is_cut_its_number_stays() -> None:
    name = Name("Claude Code", 12, "x")
    assert [names.within(name, width) for width in (20, 14, 9, 3)] == [
        "Claude Code 12", "Claude Code 12", "Claud… 12", "C… 12",
    ]  # fmt: skip
    agents = [Name("Claude Code", number, "x") for number in range(1, 4)]
    assert looks.who(agents, 40) == "Claude Code 1, Claude Code 2 +1"
    assert looks.who(agents, 16) == "Claude Code 1 +2"
    assert looks.who(agents, 10) == "3 agents"  # not three of one name
    assert looks.who(agents, 4) == "x3"
    assert looks.who([], 10) == ""
