"""How a key's health, its gauges and its times look, wherever they are shown."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime

from rich.cells import cell_len

from bridge.events.key_health import Health, KeyName, PoolHealth, health, is_whole_again, ready_at
from bridge.events.values import KeyState, LimitWindow, RateLimit
from bridge.events.vocabulary import KeyChanged
from monitor.lines import format as fmt
from monitor.lines import names
from monitor.lines.span import Line, Span, Tone
from monitor.state.names import Name
from monitor.state.state import MonitorState

LOOK: dict[Health, tuple[str, Tone]] = {
    Health.READY: ("●", "good"),
    Health.SPENT: ("◔", "warn"),
    Health.COOLING: ("◐", "warn"),
    Health.DEAD: ("✗", "bad"),
    Health.OFF: ("○", "muted"),
}

SOURCES = {
    "header": "as the provider's headers say",
    "body": "as the provider's answer says",
    "default": "by default, since nobody said how long",
}

LOW = 0.2
"""Share of a limit from which on down its gauge warns."""

HIGH, FULL = 0.8, 0.95
"""Shares of a window's use from which on up its gauge warns."""


def state_word(key: KeyChanged, now: datetime) -> str:
    """Its health; of a dead key, with the status that says why."""
    state = health(key, now)
    status = key.cause.status if key.cause and state is Health.DEAD else None
    return f"{state} {status}" if status else state


def countdown(now: datetime, until: datetime) -> str:
    """The time that is left: 0s only when it is over."""
    return fmt.clock(math.ceil(fmt.seconds_between(now, until)))


def cooldown(key: KeyChanged, until: datetime, state: MonitorState, now: datetime, width: int) -> tuple[Span, Span]:
    """A bar that runs down, in its full and its empty part."""
    name = (key.provider, key.key)
    began = state.ledger.since.get(name) or state.ledger.changed_at(name) or now
    whole = fmt.seconds_between(began, until)
    full, empty = fmt.bar(fmt.seconds_between(now, until) / whole if whole else 0.0, width)
    return (full, "warn"), (empty, "faint")


def gauge(limit: RateLimit, now: datetime, width: int) -> list[Span]:
    """What is left, as a bar of that width and in numbers; full and dim once it is whole again, as far as is known."""
    if limit.remaining is None:
        return []
    whole = is_whole_again(limit, now)
    remaining = limit.limit if whole and limit.limit else limit.remaining
    tone: Tone = "muted" if whole else "good"
    spans: list[Span] = []
    if limit.limit:
        share = remaining / limit.limit
        full, empty = fmt.bar(share, width)
        tone = "muted" if whole else "bad" if not remaining else "warn" if share < LOW else "good"
        if width:
            spans = [(full, "faint" if whole else tone), (empty, "faint"), (" ", "plain")]
    number = f"{'~' if whole else ''}{fmt.tokens(remaining)}"
    spans.append((number, "plain" if tone == "good" else tone))
    if limit.limit:
        spans.append((f"/{fmt.tokens(limit.limit)}", "muted"))
    return spans


def window_gauge(window: LimitWindow | None, now: datetime, width: int) -> list[Span]:
    """How much of a window is used; nothing, and dim, once it begins anew."""
    if window is None or window.utilization is None:
        return []
    if is_whole_again(window, now):
        return [("─" * width, "faint"), (" ~0%", "muted")]
    used = window.utilization
    tone: Tone = "bad" if used >= FULL else "warn" if used >= HIGH else "good"
    full, empty = fmt.bar(used, width)
    return [(full, tone), (empty, "faint"), (f" {used:.0%}", "plain" if tone == "good" else tone)]


def users(state: MonitorState) -> dict[KeyName, list[Name]]:
    """Who uses each key now: their sessions' names, the longest at it first."""
    found: dict[KeyName, list[Name]] = {}
    for request in state.picture.interceptions.values():
        if request.live and request.attempts and request.attempts[-1].reason is None:
            agents = found.setdefault((request.started.provider, request.attempts[-1].key), [])
            name = state.roster.name(request.id)
            if name is not None and name not in agents:
                agents.append(name)
    return found


def who(agents: list[Name], width: int) -> str:
    """As many of them as there is room for, how many more there are, or how many there are at all."""
    if len(agents) == 1:
        whole = names.full(agents[0])
        return whole if cell_len(whole) <= width else names.within(agents[0], width)
    called = [names.short(name) for name in agents]
    for count in range(len(called), 0, -1):
        more = f" +{len(called) - count}" if count < len(called) else ""
        text = ", ".join(called[:count]) + more
        if cell_len(text) <= width:
            return text
    many = f"{len(agents)} agents"
    return "" if not agents else many if len(many) <= width else f"x{len(agents)}"


def fitted(spans: Iterable[Span], width: int) -> list[Span]:
    """As much of the spans as goes into the width, filled up to it."""
    line: list[Span] = []
    for text, tone in spans:
        if width <= 0:
            break
        cells = cell_len(text)
        line.append((fmt.fit(text, width) if cells > width else text, tone))
        width -= cells
    return [*line, (" " * width, "plain")] if width > 0 else line


def pool_tone(pool: PoolHealth) -> Tone:
    """Green where all are ready, red where none is."""
    return "good" if pool.total and pool.ready == pool.total else "warn" if pool.ready else "bad"


def lasts_till(key: KeyChanged, state: MonitorState, now: datetime) -> str:
    """When it runs out, with a mark where that is an estimate; nothing where it does not, and where nobody knows."""
    pool = state.picture.pools.get(key.provider)
    runway = next((runway for runway in (pool.keys if pool else []) if runway.key == key.key), None)
    if runway is None or runway.until is None or runway.until <= now:
        return ""
    return f"{'' if runway.confidence == 'headers' else '~'}{fmt.minute(runway.until, now)}"


def key_place(key: KeyChanged) -> KeyName:
    """What a key is known by."""
    return key.provider, key.key


def flowed(parts: Iterable[list[Span]], width: int, indent: int = 2) -> list[Line]:
    """The parts one after the other with dots between them, on as many lines as they take; all but the first indented.

    A part that is wider than a line is cut.
    """
    lines: list[list[Span]] = []
    used = 0
    for part in parts:
        cells = sum(cell_len(text) for text, _tone in part)
        if lines and used + 3 + cells <= width:
            lines[-1] += [(" · ", "faint"), *part]
            used += 3 + cells
        else:
            start: list[Span] = [(" " * indent, "plain")] if lines else []
            lines.append([*start, *part])
            used = cells + (indent if lines[1:] else 0)
    return [tuple(fitted(line, width)) for line in lines]


def heading(key: KeyChanged, state: MonitorState, now: datetime) -> list[list[Span]]:
    """All that is known of how it stands, in parts."""
    glyph, tone = LOOK[health(key, now)]
    first: list[Span] = [(f"{glyph} ", tone), (state_word(key, now), tone)]
    if key.reason and key.state is not KeyState.VALID:
        first.append((f", {fmt.words(key.reason)}", tone))
    began = state.ledger.since.get(key_place(key))
    if began is not None and key.state is not KeyState.VALID:
        first.append((f" since {fmt.moment(began, now)}", "muted"))
    at = ready_at(key, now)
    if key.state is KeyState.PERMANENT and key.retry_at is not None:
        return [first, [(f"next check {countdown(now, key.retry_at)}, at {fmt.moment(key.retry_at, now)}", "plain")]]
    if at is None:
        return [first]
    verb = "cools until" if key.state is KeyState.TEMPORARY else "full again at"
    second: list[Span] = [(f"{verb} ", "muted"), (f"{fmt.moment(at, now)} ({countdown(now, at)})", "plain")]
    if key.source and key.state is KeyState.TEMPORARY:
        return [first, second, [(SOURCES.get(key.source, fmt.one_line(key.source)), "muted")]]
    return [first, second]
