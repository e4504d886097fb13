"""The agents as a tree: each session's main agent, those it gave work to below it, and how each goes just now."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from monitor.lines import format as fmt
from monitor.lines import names
from monitor.lines.span import Line, Span, Tone
from monitor.lines.verdict import mark, verdict
from monitor.state.names import Roster
from monitor.state.sessions import SessionAgent, is_over
from monitor.state.state import MonitorState

RIGHT = 11
"""Cells for what it does just now."""


STAYS_S = 60.0
"""Seconds for which a session stays where it is when nothing of it runs: between two turns it is not over."""

ROOMY = 24
"""Cells from which on a session's name has room for its words."""


def order(roster: Roster) -> list[SessionAgent]:
    """The agents as the tree has them: the session that began last comes first."""
    sessions: dict[str, list[SessionAgent]] = {}
    for agent in roster.agents:
        sessions.setdefault(agent.session, []).append(agent)
    return [agent for session in reversed(sessions.values()) for agent in session]


def fold(agents: list[SessionAgent], reading: Collection[str], now: datetime) -> tuple[list[SessionAgent], int]:
    """The agents with those of sessions that are over behind all others, and how many these are.

    A session is over when nothing of it has run for a while, and nobody reads it.
    """
    going = {agent.session for agent in agents if agent.id in reading or not is_over(agent, now, STAYS_S)}
    over = [agent for agent in agents if agent.session not in going]
    return [agent for agent in agents if agent.session in going] + over, len(over)


def own_name(agent: SessionAgent) -> str:
    """What a subagent is called within its session: what it is for, and its first words, else the end of its id."""
    prompt = next((request.prompt for request in agent.requests if request.prompt), None)
    words = " ".join(prompt[:200].split()) if prompt else (agent.agent_id or "")[-4:]
    return fmt.one_line(f"{agent.kind} · {words}" if agent.kind else words)


def title(agent: SessionAgent, roster: Roster, *, roomy: bool = True) -> str:
    """Claude Code 1 ▸ Explore; of a main agent its session's name, with its words where there is room."""
    name = roster.names[agent.session]
    if agent.agent_id is None:
        return names.full(name) if roomy else names.short(name)
    return f"{names.short(name)} ▸ {fmt.fit(own_name(agent), names.WORDS).rstrip()}"


def titles(roster: Roster, request: str) -> list[str]:
    """What the agent of that request is called, the longest first; nothing where it is not known."""
    agent = roster.agent(request)
    if agent is None:
        return []
    return [title(agent, roster), title(agent, roster, roomy=False), names.short(roster.names[agent.session])]


def line(agent: SessionAgent, state: MonitorState, now: datetime, width: int, tone: Tone) -> Line:
    """An agent in one line of that width."""
    glyph, glyph_tone = mark(agent.last, now)
    branch = "  " * (agent.depth - 1) + "└ " if agent.depth else ""
    room = width - len(branch) - 2 - RIGHT - 1
    called = own_name(agent) if agent.depth else title(agent, state.roster, roomy=room >= ROOMY)
    left: list[Span] = [(branch, "faint"), (f"{glyph} ", glyph_tone)]
    text, right_tone = _just_now(agent, state, now)
    return (*left, (fmt.fit(called, room), tone), (" ", "plain"), (fmt.fit(text, RIGHT, right=True), right_tone))


def _just_now(agent: SessionAgent, state: MonitorState, now: datetime) -> Span:
    """Its rate while it writes, its silence, or its age."""
    request = agent.last
    if not request.live:
        return fmt.age(fmt.seconds_between(request.ended_at or request.started_at, now)), "muted"
    stands = verdict(request, now)
    pace = state.paces.get(request.id)
    age = fmt.age(fmt.seconds_between(request.started_at, now))
    if stands.quiet_s is not None or request.waiting_until:
        return stands.short, stands.tone
    return (f"~{fmt.tokens(round(pace.rate(now)))}/s {age}" if pace is not None else age), "live"
