"""What a person who looks elsewhere wants to be told of with the terminal's bell.

No key of a provider is left; an agent has finished, or given up; an agent is quiet.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from attrs import Factory, define, frozen

from bridge.events.entries import Interception, Tool
from bridge.events.key_health import PoolHealth, by_provider
from bridge.events.values import Outcome, is_beside
from monitor.state.sessions import SessionAgent
from monitor.state.state import MonitorState

QUIET = timedelta(seconds=60)
"""For how long a request has said nothing that a person should look after it."""

GAVE_UP = timedelta(seconds=30)
"""After a failure agents try again by themselves, most of them within some seconds. One that has not by then has given
up."""

RUN_UPSTREAM = ("srvtoolu_", "mcptoolu_", "mcp_", "ws_", "fs_", "ci_", "ig_")
"""How the ids of calls begin that providers run themselves: of Anthropic's server tools and connectors, of OpenAI's MCP
servers, searches, code interpreter and images. Nobody brings their results."""


@frozen
class Alert:
    """Something to ring for. `about` is a provider's name, or the id of a request; `since` tells one silence of a
    request from the next."""

    kind: Literal["keys out", "finished", "gave up", "quiet"]
    about: str
    since: datetime | None = None


@define
class Alerts:
    """Off until somebody asks for it; then each thing is told once, when it begins."""

    wanted: bool = False
    _seen: set[Alert] = Factory(set)

    def switch(self, state: MonitorState, now: datetime) -> None:
        """Turns it on or off. What is so already when it is turned on, is seen already."""
        self.wanted = not self.wanted
        self._seen = set(_alerts(state, now))

    def due(self, state: MonitorState, now: datetime) -> list[Alert]:
        """What has begun since it was asked last."""
        if not self.wanted:
            return []
        before, found = self._seen, list(_alerts(state, now))
        self._seen = set(found)
        return [alert for alert in found if alert not in before]


def _alerts(state: MonitorState, now: datetime) -> Iterator[Alert]:
    """All that is so just now."""
    for provider, pool in by_provider(state.picture.keys.values()).items():
        if PoolHealth.of(pool, now).is_out:
            yield Alert("keys out", provider)
    for agent in state.roster.agents:
        if agent.depth == 0:  # one that another gave work to tells that one, not a person
            yield from _of_turn(agent, now)
    for request in state.picture.interceptions.values():
        if request.live and request.silence is not None and now - request.silence.since >= QUIET:
            yield Alert("quiet", request.id, request.silence.since)


def _of_turn(agent: SessionAgent, now: datetime) -> Iterator[Alert]:
    """Whether its turn is over: its last request has ended, and no call waits for a result."""
    turns = [request for request in agent.requests if _is_turn(request)]
    if not turns or turns[-1].ended_at is None:
        return
    last, ended_at = turns[-1], turns[-1].ended_at
    if last.outcome is Outcome.COMPLETED and (last.status or 200) < 400:
        if not any(_waits_for_agent(tool) for tool in last.tools):
            yield Alert("finished", last.id)
    elif last.outcome is not Outcome.CANCELLED and now - ended_at >= GAVE_UP:
        yield Alert("gave up", last.id)


def _is_turn(request: Interception) -> bool:
    return not request.started.passed_through and not is_beside(request.started.request_class)


def _waits_for_agent(tool: Tool) -> bool:
    own = tool.injected or tool.server_url is not None
    return not own and not (tool.tool_call_id or "").startswith(RUN_UPSTREAM)
