"""The least that begins and ends an interception."""

from __future__ import annotations

from bridge.events.values import Credential, Outcome
from bridge.events.vocabulary import InterceptionEnded, InterceptionStarted


def started(name: str) -> InterceptionStarted:
    return InterceptionStarted(name, "openai", "responses", "POST", "/x", Credential("centralized"))


def ended(name: str, outcome: Outcome = Outcome.COMPLETED) -> InterceptionEnded:
    return InterceptionEnded(name, outcome, 200, None, attempts=1, duration_ms=5.0, bytes_out=3)
