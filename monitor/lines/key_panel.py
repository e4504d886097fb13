"""The panel of keys beside the requests: a line for each, with a cooldown as a bar that runs down."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from bridge.events.key_health import Health, health
from bridge.events.vocabulary import KeyChanged
from monitor.lines import format as fmt
from monitor.lines import key_looks as looks
from monitor.lines.span import Line, Span
from monitor.state.state import MonitorState, Status

TROUBLE = (Health.COOLING, Health.SPENT, Health.DEAD, Health.OFF, Health.READY)

WIDE = 60
"""Cells from which on a key has room for everything on one line, its provider in front."""


def panel(state: MonitorState, now: datetime, width: int, room: int) -> list[Line]:
    """The panel's lines for that width: the keys by provider, in the pool's order.

    Where they are more than the panel has `room` for, those in trouble come first, each with its provider's name: no
    line is spent on names then.
    """
    keys = sorted(state.picture.keys.values(), key=lambda key: key.provider)  # stable: a pool's order stays
    if not keys and state.status is Status.REPLAY:
        return [(("this log tells of no keys", "muted"),)]
    wide = width >= WIDE
    heads = 0 if wide else len({key.provider for key in keys})
    if len(keys) + heads > room:
        keys.sort(key=lambda key: TROUBLE.index(health(key, now)))
        if not wide:
            return [tuple(looks.fitted(_key_and_provider(key, state, now), width)) for key in keys]
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


def summary(state: MonitorState, now: datetime) -> str:
    """How many keys are in which health: 3 valid, 1 cooling."""
    counts = Counter(health(key, now) for key in state.picture.keys.values())
    return " · ".join(f"{counts[each]} {each}" for each in Health if counts[each])


def _key(key: KeyChanged, state: MonitorState, now: datetime, *, wide: bool) -> Line:
    health_now = health(key, now)
    glyph, tone = looks.LOOK[health_now]
    shown: Line = ((f"{glyph} ", tone), (f"{fmt.fit(fmt.one_line(key.key), 11)} ", "plain"))
    word: Span = (f"{looks.state_word(key, now)} ".ljust(8), tone)
    reason: Span = (fmt.words(key.reason) if key.reason else "", "muted")
    if health_now in (Health.READY, Health.SPENT):
        return (*shown, word, (_left(key, wide=wide), "muted"))
    if health_now is Health.DEAD and key.retry_at is not None and wide:
        return (*shown, word, reason, (f" · next check {looks.countdown(now, key.retry_at)}", "muted"))
    if health_now is not Health.COOLING or key.retry_at is None:
        return (*shown, word, reason)
    left: Span = (f" {looks.countdown(now, key.retry_at):>5} ", "plain")
    bar: Line = (*looks.cooldown(key, key.retry_at, state, now, 12 if wide else 7), left)
    return (*shown, word, *bar, reason) if wide else (*shown, *bar, reason)


def _key_and_provider(key: KeyChanged, state: MonitorState, now: datetime) -> Line:
    """A key in 40 cells, in which its provider's name stands in the place of a reason."""
    health_now = health(key, now)
    glyph, tone = looks.LOOK[health_now]
    shown: Line = (
        (f"{glyph} ", tone),
        (f"{fmt.fit(fmt.one_line(key.key), 11)} ", "plain"),
        (f"{fmt.fit(fmt.one_line(key.provider), 12)} ", "muted"),
    )
    if health_now is Health.COOLING and key.retry_at is not None:
        left: Span = (f" {looks.countdown(now, key.retry_at):>6}", "plain")
        return (*shown, *looks.cooldown(key, key.retry_at, state, now, 6), left)
    return (*shown, (f"{looks.state_word(key, now)} ".ljust(8), tone), (_left(key, wide=False), "muted"))


def _left(key: KeyChanged, *, wide: bool) -> str:
    """What the provider last said is left on a healthy key."""
    gauges = (("req", key.limits.requests), ("tok", key.limits.tokens))
    left = [f"{fmt.tokens(gauge.remaining)} {name}" for name, gauge in gauges if gauge.remaining is not None]
    return " · ".join(left) + (" left" if left and wide else "")
