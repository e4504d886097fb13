"""What each session has used, as events add up to it: a part of the picture (`bridge.events.picture`).

Only the latest sessions are known. One that was forgotten and goes on is counted anew, from `since` on: what was before
is in the record, so that both together are all of it, and nothing is counted twice.
"""

from __future__ import annotations

from datetime import datetime

from attrs import Factory, evolve, field

from bridge.events.entries import Interception, Tokens
from bridge.events.values import Outcome, is_beside
from bridge.events.vocabulary import Event, InterceptionEnded, TokensUsed
from bridge.limits import LIMITS
from bridge.value_classes import define


@define
class SessionTotals:
    """Sums of a session's interceptions that began at `since` or later."""

    session_id: str
    since: datetime
    client: str
    interceptions: int = 0
    failed: int = 0
    tokens: Tokens = Factory(Tokens)
    context_used: int | None = None
    """Tokens of the last prompt of its main agent, or of another one where no main agent has spoken."""
    context_of: str | None = None
    """The id of the agent whose prompt that was; None for the main agent."""
    provider: str | None = None
    key: str | None = None
    """The key that was tried last, by its hint."""

    def copy(self) -> SessionTotals:
        """The sums as they are now."""
        return evolve(self, tokens=self.tokens.copy())


@define
class Sessions:
    """The latest sessions, the one that asked last at the end."""

    known: dict[str, SessionTotals] = field(factory=dict)

    def start(self, interception: Interception) -> None:
        """A request came."""
        started = interception.started
        name = started.session_id
        if not name or len(name) > LIMITS.label_characters:
            return
        totals = self.known.pop(name, None) or SessionTotals(name, interception.started_at, started.client)
        self.known[name] = totals
        totals.interceptions += 1
        while len(self.known) > LIMITS.sessions:
            del self.known[next(iter(self.known))]

    def add(self, event: Event, interception: Interception) -> None:
        """Something became known of one of its requests."""
        totals = self.known.get(interception.started.session_id or "")
        if totals is None or interception.started_at < totals.since:
            return
        match event:
            case TokensUsed():
                totals.tokens.add(event)
                if not is_beside(interception.started.request_class):
                    _note_context(totals, event, interception.started.agent_id)
            case InterceptionEnded(outcome=Outcome.FAILED):
                totals.failed += 1

    def serve(self, interception: Interception, key: str) -> None:
        """One of its requests goes to a provider with that key."""
        totals = self.known.get(interception.started.session_id or "")
        if totals is not None:
            totals.provider, totals.key = interception.started.provider, key


def _note_context(totals: SessionTotals, used: TokensUsed, agent: str | None) -> None:
    if agent is None or totals.context_of is not None or totals.context_used is None:
        totals.context_used = used.input + used.cache_read_input + used.cache_write_input
        totals.context_of = agent
        totals.tokens.context_window = used.context_window
