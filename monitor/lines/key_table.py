"""Keys as lines: the keys view's table, and the panel of keys beside the requests.

The table says all that is known of each key, by provider, which circuits are not closed, and how MCP servers are. The
panel has a line for each key. In both a cooldown is a bar that runs down.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from attrs import frozen

from bridge.events.values import KeyState, RateLimit, ServerState
from bridge.events.vocabulary import CircuitChanged, KeyChanged
from monitor.lines import format as fmt
from monitor.lines.span import Line, Span, Tone
from monitor.state.state import MonitorState
from monitor.state.usage import USE_COUNT

HEALTH: dict[KeyState, tuple[str, str, Tone]] = {
    KeyState.VALID: ("●", "valid", "good"),
    KeyState.TEMPORARY: ("◐", "cooling", "warn"),
    KeyState.PERMANENT: ("✗", "dead", "bad"),
    KeyState.DISABLED: ("○", "off", "muted"),
}

READINESS: dict[ServerState, tuple[str, Tone]] = {
    ServerState.READY: ("●", "good"),
    ServerState.STARTING: ("◐", "warn"),
    ServerState.FAILED: ("✗", "bad"),
}

SOURCES = {"header": "from the provider's headers", "body": "from the provider's answer", "default": "by default"}

INDENT: Span = (" " * 16, "plain")

LOW = 0.2
"""Share of a limit from which on down its gauge warns."""

TROUBLE = (KeyState.TEMPORARY, KeyState.PERMANENT, KeyState.DISABLED, KeyState.VALID)

WIDE = 60
"""Cells from which on a key has room for everything on one line, its provider in front."""


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
    circuits = sorted(
        state.picture.circuits.values(), key=lambda circuit: (circuit.provider, circuit.endpoint, circuit.model or "")
    )
    for provider in sorted({key.provider for key in keys} | {circuit.provider for circuit in circuits}):
        pool = [key for key in keys if key.provider == provider]
        opened = [circuit for circuit in circuits if circuit.provider == provider]
        lines += [(), _provider(provider, pool)] if lines else [_provider(provider, pool)]
        for key in pool:
            begin = len(lines)
            lines += _key(key, state, now, width)
            places.append(((key.provider, key.key), range(begin, len(lines))))
        lines += [_circuit(circuit) for circuit in opened]
    lines += tool_servers(state, width)
    return Table(tuple(lines), tuple(places))


def tool_servers(state: MonitorState, width: int) -> Iterator[Line]:
    """MCP servers below all keys, a line each; nothing where there is none."""
    servers = sorted(state.picture.servers.values(), key=lambda server: server.server)
    if not servers:
        return
    ready = sum(server.state is ServerState.READY for server in servers)
    yield ()
    tone: Tone = "good" if ready == len(servers) else "warn" if ready else "bad"
    yield ("tools", "strong"), (f"  {ready} of {fmt.plural(len(servers), 'server')} ready", tone)
    for server in servers:
        glyph, tone = READINESS[server.state]
        about = server.error or (fmt.plural(server.tools, "tool") if server.state is ServerState.READY else "")
        named: list[Span] = [
            (f" {glyph} ", tone),
            (f"{fmt.fit(fmt.one_line(server.server), 11)}  ", "plain"),
            (f"{server.state.value:<8}  ", tone),
        ]
        yield (*named, *_fitted([(fmt.one_line(about, default=""), "muted")], max(10, width - 26)))


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
    """How long it still cools: a bar that runs down, and the time when it ends. Of a dead key, when it is checked."""
    if key.state is KeyState.PERMANENT and key.retry_at is not None:
        left = fmt.clock(math.ceil(fmt.seconds_between(now, key.retry_at)))
        return [(f"next check {left}" if wide else f"check {left}", "muted")]
    if key.state is not KeyState.TEMPORARY or key.retry_at is None:
        return []
    full, empty, left = _cooldown(key, key.retry_at, state, now, 20 if wide else 8)
    return [
        full,
        empty,
        (f" {left:>4}", "plain"),
        (f"  {'until' if wide else 'at'} {key.retry_at.astimezone(now.tzinfo):%H:%M:%S}", "muted"),
    ]


def _why(key: KeyChanged) -> list[Span]:
    """Why it is not valid, and who said until when."""
    if key.state is KeyState.VALID:
        return []
    spans: list[Span] = [(fmt.words(key.reason), HEALTH[key.state][2])] if key.reason else []
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
    buckets = state.usage.keys.get((key.provider, key.key))
    counted = [] if buckets is None else buckets.last(now, USE_COUNT)
    tried = [float(uses.tried) if uses else 0.0 for uses in counted]
    failed = sum(uses.failed for uses in counted if uses)
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


def _gauge(name: str, limit: RateLimit, now: datetime, *, wide: bool) -> list[Span]:
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


def _circuit(circuit: CircuitChanged) -> Line:
    where = f"{fmt.one_line(circuit.endpoint)} {fmt.one_line(circuit.model, default='')}".strip()
    tone: Tone = "bad" if circuit.state == "open" else "warn"
    return (" ⌁ ", tone), (f"circuit {fmt.words(circuit.state)}  ", tone), (where, "muted")


def _cooldown(
    key: KeyChanged, until: datetime, state: MonitorState, now: datetime, width: int
) -> tuple[Span, Span, str]:
    """A bar that runs down, in its full and its empty part, and the time that is left: 0s only when it is over."""
    left = fmt.seconds_between(now, until)
    whole = fmt.seconds_between(state.key_changed_at.get((key.provider, key.key), now), until)
    full, empty = fmt.bar(left / whole if whole else 0.0, width)
    return (full, "warn"), (empty, "faint"), fmt.clock(math.ceil(left))


def panel(state: MonitorState, now: datetime, width: int, room: int) -> list[Line]:
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
            listed.append(((f"{fmt.fit(name if new else '', 12)} ", "muted"), *_panel_key(key, state, now, wide=True)))
        else:
            if new:
                listed.append(((name, "muted"),))
            listed.append(_panel_key(key, state, now, wide=False))
    return listed


def summary(state: MonitorState) -> str:
    """How many keys are in which health: 3 valid, 1 cooling."""
    counts = Counter(HEALTH[key.state][1] for key in state.picture.keys.values())
    return " · ".join(f"{counts[name]} {name}" for _glyph, name, _tone in HEALTH.values() if counts[name])


def _panel_key(key: KeyChanged, state: MonitorState, now: datetime, *, wide: bool) -> Line:
    glyph, name, tone = HEALTH[key.state]
    shown: Line = ((f"{glyph} ", tone), (f"{fmt.fit(fmt.one_line(key.key), 11)} ", "plain"))
    health: Span = (f"{name:<8}", tone)
    reason: Span = (fmt.words(key.reason) if key.reason else "", "muted")
    if key.state is KeyState.VALID:
        return (*shown, health, (_left(key, wide=wide), "muted"))
    if key.state is not KeyState.TEMPORARY or key.retry_at is None:
        return (*shown, health, reason)
    full, empty, left = _cooldown(key, key.retry_at, state, now, 12 if wide else 7)
    bar: Line = (full, empty, (f" {left:>5} ", "plain"))
    return (*shown, health, *bar, reason) if wide else (*shown, *bar, reason)


def _left(key: KeyChanged, *, wide: bool) -> str:
    """What the provider last said is left on a healthy key."""
    gauges = (("req", key.limits.requests), ("tok", key.limits.tokens))
    left = [f"{fmt.tokens(gauge.remaining)} {name}" for name, gauge in gauges if gauge.remaining is not None]
    return " · ".join(left) + (" left" if left and wide else "")
