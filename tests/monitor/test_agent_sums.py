"""What sessions and their agents used, summed up in bounded memory."""

from __future__ import annotations

from typing import Any

from bridge.events.entries import Interception, Tokens, Totals
from monitor.state.agent_sums import AGENTS, SESSIONS, AgentSums
from tests.support.play import START, started


def count(sums: AgentSums, *, late: bool = False, **fields: Any) -> None:
    sums.count(Interception(started("r", **fields), START), Totals(interceptions=1, tokens=Tokens(10)), late=late)


def test_agents_beyond_the_bound_are_counted_for_their_session_alone() -> None:
    sums = AgentSums()
    for number in range(AGENTS + 5):
        count(sums, session_id="s", agent_id=f"a{number}")
    assert sums.of_session("Codex", "s").interceptions == AGENTS + 5
    assert sums.of_session("Codex", "s").tokens.input == 10 * (AGENTS + 5)
    assert sums.turns("Codex", "s", "a0") == 1
    assert sums.turns("Codex", "s", f"a{AGENTS + 1}") == 0


def test_sessions_that_were_counted_last_stay_and_what_comes_late_drives_none_out() -> None:
    sums = AgentSums()
    for number in range(SESSIONS + 1):
        count(sums, session_id=f"s{number}")
    assert sums.turns("Codex", "s0", None) == 0
    count(sums, session_id="old", late=True)
    assert sums.turns("Codex", "old", None) == 0
    assert sums.turns("Codex", "s1", None) == 1
    count(sums, session_id="s1", late=True)
    assert sums.turns("Codex", "s1", None) == 2
    assert sums.of_session("Claude Code", "s1") == Totals()


def test_a_request_without_a_session_is_in_none() -> None:
    sums = AgentSums()
    count(sums, session_id=None)
    assert sums.of_session("Codex", None) == Totals()
