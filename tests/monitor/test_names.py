"""What sessions are called: a number that stays theirs, and the first words of what they were asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bridge.events.vocabulary import Event, PromptRecorded
from bridge.limits import LIMITS
from monitor.lines import names
from monitor.state.names import Name
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
    assert min(called(state)) == "Codex 1 · e"  # a number that is free again


@given(st.text(), st.text(), st.integers(1, 999))
def test_whatever_the_words_a_name_is_harmless_and_short(client: str, words: str, number: int) -> None:
    name = Name(client, number, words)
    assert cell_len(names.about(name)) <= names.WORDS
    for text in (names.full(name), names.short(name)):
        assert "\x1b" not in text
        assert "\n" not in text
