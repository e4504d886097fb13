"""How much there was, by whoever counted more of it: the bridge, which knows of its own requests alone, or the monitor,
which adds to them what the record tells of the last day (`monitor.state.usage`).

So a restart of the bridge takes nothing away: not from the count of requests, not from what a session cost, and not
from the numbers of its turns.
"""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from bridge.events.entries import Tokens, Totals
from bridge.events.sessions import SessionTotals
from monitor.state.sessions import SessionAgent
from monitor.state.state import MonitorState


@frozen
class Counted:
    """The sums that stand in the header; `is_today`: of today, which began before the bridge did."""

    totals: Totals
    is_today: bool = False


def counted(state: MonitorState, now: datetime) -> Counted:
    """The bridge's own sums, or those of today where more is known of today."""
    today, own = state.usage.on(now).whole, state.picture.totals
    return Counted(today, True) if today.interceptions > own.interceptions else Counted(own)


def earlier_turns(state: MonitorState, agent: SessionAgent) -> int:
    """How many turns of that agent came before those that can be read here, as far as they are counted."""
    here = sum(state.usage.has_counted(request.id) for request in agent.requests)
    known = state.usage.agents.turns(agent.client, agent.session_id, agent.agent_id) - here
    session, totals = state.roster.session(agent.last.id), _told_of(state, agent)
    if session is not None and totals is not None and len(session.requests) == len(agent.requests):
        # The bridge does not tell agents apart, but counts also what it forgot and no record has.
        told = totals.interceptions - sum(each.started_at >= totals.since for each in session.requests)
        return max(0, known, told)
    return max(0, known)


def session_tokens(state: MonitorState, agent: SessionAgent) -> Tokens | None:
    """What the session of that agent used, with all of its agents; None where nothing is counted."""
    mine, told = state.usage.agents.of_session(agent.client, agent.session_id), _told_of(state, agent)
    if told is not None and told.interceptions > mine.interceptions:
        return told.tokens
    return mine.tokens if mine.interceptions else None


def _told_of(state: MonitorState, agent: SessionAgent) -> SessionTotals | None:
    return state.picture.sessions.known.get(agent.session_id or "")
