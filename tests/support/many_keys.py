"""A made-up morning of 50 keys on 8 providers: keys in every state, and requests that fail over between them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from bridge.events.values import FailureReason, KeyCause, KeyRunway, KeyState, LimitWindow, RateLimit, RateLimits
from bridge.events.vocabulary import (
    AttemptFailed,
    AttemptStarted,
    CircuitChanged,
    Event,
    KeyChanged,
    PoolChanged,
    ResponseStarted,
)
from tests.support.play import START, ended, spent, started

PROVIDERS = ("anthropic", "anthropic-eu", "azure", "local", "mistral", "openai", "openai-batch", "openrouter")

COUNT = 50

WORDS = "Rate limit reached for gpt-5.1-codex in organization org-7 on tokens per min (TPM): Limit 200000, Used 198112."


def names() -> list[tuple[str, str]]:
    """The keys by provider and hint, six or seven of each."""
    return [(PROVIDERS[number % len(PROVIDERS)], f"sk-p...k{number:03}") for number in range(COUNT)]


def first_states() -> Iterator[tuple[float, Event]]:
    """All keys are valid; every third tells what is left on it, those of Anthropic their windows."""
    reset = START + timedelta(minutes=4)
    for number, (provider, key) in enumerate(names()):
        limits = RateLimits()
        if provider.startswith("anthropic"):
            limits = RateLimits(
                five_hours=LimitWindow(0.1 * (number % 11), START + timedelta(hours=3)),
                seven_days=LimitWindow(0.05 * (number % 19), START + timedelta(days=5, hours=16)),
                status="allowed",
            )
        elif number % 3 == 0:
            limits = RateLimits(RateLimit(500, 500 - 8 * number, reset), RateLimit(200_000, 154_000, reset))
        yield 0.0, KeyChanged(provider, key, KeyState.VALID, limits=limits)


def morning() -> Iterator[tuple[float, Event]]:
    """Events in their order, each with the seconds since the start."""
    yield from first_states()
    for number, (provider, key) in enumerate(names()):
        at, id_ = 2.0 * number, f"{number:04x}aaaa-4f0e"
        client = ("Codex", "Claude Code", "OpenCode")[number % 3]
        session = f"{number % 12:02}9a4c1e-7d"
        yield at, started(id_, provider=provider, client=client, session_id=session)
        yield at, AttemptStarted(id_, 1, key)
        if number % 5 == 2:
            cause = KeyCause(id_, 429, WORDS)
            until = START + timedelta(seconds=140 + 31 * number)
            state = KeyChanged(provider, key, KeyState.TEMPORARY, "rate_limited", until, "header", cause=cause)
            yield at + 0.5, state
            yield at + 0.5, AttemptFailed(id_, 1, key, 429, FailureReason.RATE_LIMITED, 31.0)
            other = next((there, hint) for there, hint in names() if there == provider and hint != key)[1]
            yield at + 0.6, AttemptStarted(id_, 2, other)
        if number % 17 == 3:
            cause = KeyCause(id_, 401, "Incorrect API key provided.")
            check = START + timedelta(seconds=180 + number)
            yield at + 0.5, KeyChanged(provider, key, KeyState.PERMANENT, "unauthorized", check, "check", cause=cause)
            yield at + 0.5, AttemptFailed(id_, 1, key, 401, FailureReason.UNAUTHORIZED, None)
        yield at + 0.9, ResponseStarted(id_, 1, 200, None)
        if number % 4:
            yield at + 1.0, spent(id_)
            yield at + 1.0, ended(id_)
    later = 2.0 * COUNT
    empty = RateLimits(RateLimit(500, 0, START + timedelta(seconds=later + 85)), RateLimit(200_000, 9_000, None))
    yield later, KeyChanged("openai", names()[5][1], KeyState.VALID, limits=empty)
    quota = KeyCause(None, 429, "You exceeded your current quota, please check your plan and billing details.")
    far = START + timedelta(days=5, hours=16)
    yield later, KeyChanged("mistral", names()[4][1], KeyState.TEMPORARY, "quota_exhausted", far, "body", cause=quota)
    yield later, KeyChanged("local", names()[3][1], KeyState.DISABLED, "by_the_owner")
    yield later, together("azure", START + timedelta(hours=2), [("azure", hint) for hint in ("k002", "k010")])
    yield later, CircuitChanged("openrouter", "/v1/chat/completions", "deepseek-r2", "open")


def together(provider: str, until: datetime, group: list[tuple[str, str]]) -> PoolChanged:
    """A provider's keys as one: they last until then, the second of the group for half an hour less."""
    hints = [f"sk-p...{tail}" for _provider, tail in group]
    runway = KeyRunway(hints[-1], until - timedelta(minutes=30), until, "estimate")
    total = sum(there == provider for there, _hint in names())
    return PoolChanged(provider, total - 1, total, None, until, "estimate", [hints], [runway])
