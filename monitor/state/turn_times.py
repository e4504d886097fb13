"""What a session's time went by with: the turns of one agent in order, and what was between them.

After an answer that calls tools, the agent runs them and asks again. How long they ran some agents say themselves
(`previous_tool_ms`); of others all the time until the next request counts. What is left is the person's, or the agent's
own.
"""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from bridge.events.entries import Interception
from bridge.events.picture import Picture
from monitor.state.phase import running_ms
from monitor.state.sessions import sessions


@frozen
class TurnTime:
    """A request, how long it took, how long tools ran after it, and for how long nothing did; in milliseconds."""

    request: Interception
    model_ms: float
    tools_ms: float = 0.0
    idle_ms: float = 0.0


def turns(picture: Picture, request: Interception) -> list[Interception]:
    """The requests of the same agent in the same session, those that are known, in order."""
    of_all = sessions(picture.interceptions.values())
    found = next((session for session in of_all if any(turn.id == request.id for turn in session.requests)), None)
    if found is None:
        return [request]
    agent = request.started.agent_id
    return [
        turn
        for turn in found.requests
        if turn is request or (turn.started.agent_id == agent and not turn.started.passed_through)
    ]


def turn_times(requests: list[Interception], now: datetime) -> list[TurnTime]:
    """What went by with each of these turns, and after it. After the last one nothing is known yet."""
    followed = zip(requests, [*requests[1:], None], strict=True)
    return [_turn_time(turn, after, now) for turn, after in followed]


def _turn_time(turn: Interception, after: Interception | None, now: datetime) -> TurnTime:
    model = running_ms(turn, now)
    if after is None or turn.ended_at is None:
        return TurnTime(turn, model)
    between = max(0.0, (after.started_at - turn.ended_at).total_seconds() * 1000)
    told = after.started.previous_tool_ms
    called = any(not tool.injected for tool in turn.tools)
    tools = min(sum(told.values()), between) if told else between if called else 0.0
    return TurnTime(turn, model, tools, between - tools)
