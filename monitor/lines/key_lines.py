"""The keys panel as lines: each provider's keys with their health, and a cooldown as a bar that runs down."""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime

from bridge.events.vocabulary import KeyChanged, KeyState
from monitor.lines import format as fmt
from monitor.lines.request_story import words
from monitor.lines.span import Line, Span, Tone
from monitor.state.state import MonitorState

HEALTH: dict[KeyState, tuple[str, str, Tone]] = {
    KeyState.VALID: ("●", "valid", "good"),
    KeyState.TEMPORARY: ("◐", "cooling", "warn"),
    KeyState.PERMANENT: ("✗", "dead", "bad"),
    KeyState.DISABLED: ("○", "off", "muted"),
}

TROUBLE = (KeyState.TEMPORARY, KeyState.PERMANENT, KeyState.DISABLED, KeyState.VALID)

WIDE = 60
"""Cells from which on a key has room for everything on one line, its provider in front."""


def lines(state: MonitorState, now: datetime, width: int, room: int) -> list[Line]:
    """The panel's lines for that width: the keys by provider, in the pool's order.

    Where they are more than the panel has `room` for, those in trouble come first, so that they are seen.
    """
    keys = sorted(state.picture.keys.values(), key=lambda key: key.provider)  # stable: a pool's order stays
    if width >= WIDE and len(keys) > room:
        keys.sort(key=lambda key: TROUBLE.index(key.state))
    wide = width >= WIDE
    listed: list[Line] = []
    provider = None
    for key in keys:
        new, provider = key.provider != provider, key.provider
        name = fmt.one_line(key.provider)
        if wide:
            listed.append(((f"{fmt.fit(name if new else '', 12)} ", "muted"), *_key(key, state, now, wide=True)))
        else:
            if new:
                listed.append(((name, "muted"),))
            listed.append(_key(key, state, now, wide=False))
    return listed


def summary(state: MonitorState) -> str:
    """How many keys are in which health: 3 valid, 1 cooling."""
    counts = Counter(HEALTH[key.state][1] for key in state.picture.keys.values())
    return " · ".join(f"{counts[name]} {name}" for _glyph, name, _tone in HEALTH.values() if counts[name])


def cooling(state: MonitorState) -> bool:
    """Whether any bar is running."""
    return any(key.state is KeyState.TEMPORARY for key in state.picture.keys.values())


def _key(key: KeyChanged, state: MonitorState, now: datetime, *, wide: bool) -> Line:
    glyph, name, tone = HEALTH[key.state]
    shown: Line = ((f"{glyph} ", tone), (f"{fmt.fit(fmt.one_line(key.key), 11)} ", "plain"))
    health: Span = (f"{name:<8}", tone)
    reason: Span = (words(key.reason) if key.reason else "", "muted")
    if key.state is KeyState.VALID:
        return (*shown, health, (_left(key, wide=wide), "muted"))
    if key.state is not KeyState.TEMPORARY or key.retry_at is None:
        return (*shown, health, reason)
    if wide:
        return (*shown, health, *_countdown(key, key.retry_at, state, now, 12), reason)
    return (*shown, *_countdown(key, key.retry_at, state, now, 7), reason)


def _countdown(key: KeyChanged, until: datetime, state: MonitorState, now: datetime, width: int) -> tuple[Span, ...]:
    left = fmt.seconds_between(now, until)
    whole = fmt.seconds_between(state.key_changed_at.get((key.provider, key.key), now), until)
    full, empty = fmt.bar(left / whole if whole else 0.0, width)
    seconds = fmt.clock(math.ceil(left))  # "0s" only when it is over
    return (full, "warn"), (empty, "faint"), (f" {seconds:>5} ", "plain")


def _left(key: KeyChanged, *, wide: bool) -> str:
    """What the provider last said is left on a healthy key."""
    gauges = (("req", key.limits.requests), ("tok", key.limits.tokens))
    told = [f"{fmt.tokens(gauge.remaining)} {name}" for name, gauge in gauges if gauge.remaining is not None]
    return " · ".join(told) + (" left" if told and wide else "")
