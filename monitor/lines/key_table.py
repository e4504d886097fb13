"""The keys view as lines: per provider its keys with health, deadline, limits and uses, then its circuits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from attrs import frozen

from bridge.events.vocabulary import CircuitChanged, KeyChanged, KeyState, Limit
from monitor.lines import format as fmt
from monitor.lines.key_lines import HEALTH
from monitor.lines.request_story import words
from monitor.lines.span import Line, Span, Tone
from monitor.state.state import MonitorState
from monitor.state.usage import USE_COUNT

SOURCES = {"header": "from the provider's headers", "body": "from the provider's answer", "default": "by default"}

INDENT: Span = (" " * 16, "plain")

LOW = 0.2
"""Share of a limit from which on down its gauge warns."""


@frozen
class Table:
    """The lines, and which of them belong to which key."""

    lines: tuple[Line, ...]
    places: tuple[tuple[tuple[str, str], range], ...]

    def place(self, name: tuple[str, str] | None) -> range:
        """A key's lines; none where there is no such key."""
        return next((place for each, place in self.places if each == name), range(0))


def table(state: MonitorState, now: datetime, width: int) -> Table:
    """All providers by name, the keys of each in the pool's order."""
    lines: list[Line] = []
    places = []
    keys = sorted(state.picture.keys.values(), key=lambda key: key.provider)  # stable: a pool's order stays
    circuits = sorted(state.picture.circuits.values(), key=lambda one: (one.provider, one.endpoint, one.model or ""))
    for provider in sorted({key.provider for key in keys} | {one.provider for one in circuits}):
        pool = [key for key in keys if key.provider == provider]
        opened = [one for one in circuits if one.provider == provider]
        lines += [(), _provider(provider, pool)] if lines else [_provider(provider, pool)]
        for key in pool:
            begin = len(lines)
            lines += _key(key, state, now, width)
            places.append(((key.provider, key.key), range(begin, len(lines))))
        lines += [_circuit(one) for one in opened]
    return Table(tuple(lines), tuple(places))


def _provider(name: str, pool: list[KeyChanged]) -> Line:
    valid = sum(key.state is KeyState.VALID for key in pool)
    tone: Tone = "good" if pool and valid == len(pool) else "warn" if valid else "bad"
    return (fmt.one_line(name), "strong"), (f"  {valid} of {fmt.plural(len(pool), 'key')} valid", tone)


def _key(key: KeyChanged, state: MonitorState, now: datetime, width: int) -> Iterator[Line]:
    glyph, name, tone = HEALTH[key.state]
    uses = _uses(key, state, now)
    left: list[Span] = [
        (f" {glyph} ", tone),
        (f"{fmt.fit(fmt.one_line(key.key), 11)}  ", "plain"),
        (f"{name:<8}", tone),
    ]
    room = max(10, width - 24 - sum(len(text) for text, _tone in uses))
    yield (*left, *_fitted(_deadline(key, state, now, wide=width >= 100), room), *uses)
    why = _why(key)
    if why:
        yield (INDENT, *_fitted(why, width - len(INDENT[0])))
    yield from _limits(key, now, width)


def _deadline(key: KeyChanged, state: MonitorState, now: datetime, *, wide: bool) -> list[Span]:
    """How long it still cools: a bar that runs down, and the time when it ends."""
    if key.state is not KeyState.TEMPORARY or key.retry_at is None:
        return []
    left = fmt.seconds_between(now, key.retry_at)
    whole = fmt.seconds_between(state.key_changed_at.get((key.provider, key.key), now), key.retry_at)
    full, empty = fmt.bar(left / whole if whole else 0.0, 20 if wide else 8)
    return [
        (full, "warn"),
        (empty, "faint"),
        (f" {fmt.clock(math.ceil(left)):>4}", "plain"),
        (f"  {'until' if wide else 'at'} {key.retry_at.astimezone(now.tzinfo):%H:%M:%S}", "muted"),
    ]


def _why(key: KeyChanged) -> list[Span]:
    """Why it is not valid, and who said until when."""
    if key.state is KeyState.VALID:
        return []
    spans: list[Span] = [(words(key.reason), HEALTH[key.state][2])] if key.reason else []
    if key.state is KeyState.TEMPORARY and key.source:
        source = SOURCES.get(key.source, fmt.one_line(key.source))
        spans.append((f"{', ' if spans else ''}deadline {source}", "muted"))
    return spans


def _fitted(spans: list[Span], width: int) -> list[Span]:
    """As much of the spans as goes into the width, filled up to it."""
    fitted: list[Span] = []
    for text, tone in spans:
        short = fmt.fit(text, width) if len(text) > width else text
        fitted.append((short, tone))
        width -= len(short)
        if width <= 0:
            break
    return [*fitted, (" " * max(0, width), "plain")]


def _uses(key: KeyChanged, state: MonitorState, now: datetime) -> tuple[Span, ...]:
    """Its uses over the last ten minutes, and how many of them failed."""
    buckets = state.ledger.keys.get((key.provider, key.key))
    counted = [] if buckets is None else buckets.last(now, USE_COUNT)
    tried = [float(one.tried) if one else 0.0 for one in counted]
    failed = sum(one.failed for one in counted if one)
    total = int(sum(tried))
    line = fmt.sparkline(tried, 15) if tried else " " * 15
    bad = f"{failed} ✗" if failed else ""
    return (
        (line, "live"),
        (f" {fmt.fit(fmt.tokens(total), 5, right=True)}", "plain"),
        (fmt.fit(bad, 6, right=True), "bad"),
    )


def _limits(key: KeyChanged, now: datetime, width: int) -> Iterator[Line]:
    """What the provider last said is left of its limits, as gauges."""
    gauges = [
        _gauge(name, limit, now, wide=width >= 100)
        for name, limit in (("requests", key.limits.requests), ("tokens", key.limits.tokens))
        if limit.remaining is not None
    ]
    if gauges:
        yield (INDENT, *(span for gauge in gauges for span in [*gauge, ("   ", "plain")]))


def _gauge(name: str, limit: Limit, now: datetime, *, wide: bool) -> list[Span]:
    remaining = limit.remaining or 0
    spans: list[Span] = [(f"{name if wide else name[:3]} ", "muted")]
    tone: Tone = "good"
    if limit.limit:
        share = remaining / limit.limit
        full, empty = fmt.bar(share, 16 if wide else 6)
        tone = "bad" if not remaining else "warn" if share < LOW else "good"
        spans += [(full, tone), (empty, "faint"), (" ", "plain")]
    spans.append((fmt.tokens(remaining), tone if tone != "good" else "plain"))
    if limit.limit:
        spans.append((f"/{fmt.tokens(limit.limit)}", "muted"))
    if limit.reset_at is not None:
        left = fmt.seconds_between(now, limit.reset_at)
        full_in = f" full in {fmt.clock(math.ceil(left))}" if wide else f" ↻{fmt.clock(math.ceil(left))}"
        spans.append((full_in if left > 0 else " full again" if wide else "", "muted"))
    return spans


def _circuit(one: CircuitChanged) -> Line:
    where = f"{fmt.one_line(one.endpoint)} {fmt.one_line(one.model, default='')}".strip()
    tone: Tone = "bad" if one.state == "open" else "warn"
    return (" ⌁ ", tone), (f"circuit {words(one.state)}  ", tone), (where, "muted")
