"""All that is known of one key: how it stands and why, what is left on it, who uses it, and what happened to it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from datetime import datetime

from attrs import frozen
from rich.cells import cell_len

from bridge.events.key_health import KeyName
from bridge.events.values import KeyState, LimitWindow, RateLimit
from bridge.events.vocabulary import KeyChanged
from monitor.lines import format as fmt
from monitor.lines import key_looks as looks
from monitor.lines import names
from monitor.lines.span import Line, Span, Tone
from monitor.lines.wrap import wrap
from monitor.state.ledger_entry import LedgerEntry
from monitor.state.names import Roster
from monitor.state.state import MonitorState
from monitor.state.usage import USE_COUNT

TEXT_LINES = 3
"""Lines that the provider's own words take at most."""

LEAST_ELSEWHERE = 4
"""Lines that are left below a ledger, from which on they tell of other keys."""

EACH = 8
"""Entries of another key that are looked at: with hundreds of keys a frame must stay cheap."""

WORDY = 110
"""Cells from which on there is room for what an agent was asked first."""

BECAME: dict[KeyState, tuple[str, Tone]] = {
    KeyState.VALID: ("valid again", "good"),
    KeyState.TEMPORARY: ("cooling", "warn"),
    KeyState.PERMANENT: ("dead", "bad"),
    KeyState.DISABLED: ("switched off", "muted"),
}


def facts(key: KeyChanged, state: MonitorState, now: datetime, width: int, room: int = 99) -> list[Line]:
    """How it stands, what is left on it, and who uses it; the provider's words stand in its ledger.

    Of more than `room` lines the last that are shown end in an ellipsis.
    """
    lines = looks.flowed(looks.heading(key, state, now), width)
    for parts in (_limits(key, now, width), _together(key, state, now), _use(key, state, now)):
        lines += looks.flowed(parts, width)
    kept = lines[: max(1, room)]
    if len(kept) < len(lines):
        said = list(kept[-1])
        while said and not said[-1][0].strip():
            said.pop()
        kept[-1] = tuple(looks.fitted([*said, (" …", "muted")], width))
    return kept


def _words(text: str, width: int, indent: str) -> Iterator[Line]:
    """The provider's own words, folded; cut with a mark where they go on."""
    folded = wrap(f"“{fmt.one_line(text)}”", max(10, width - len(indent) - 1))
    for number, line in enumerate(folded[:TEXT_LINES], 1):
        cut = number == TEXT_LINES and len(folded) > TEXT_LINES
        yield (indent, "plain"), (line + ("…" if cut else ""), "plain")


def _limits(key: KeyChanged, now: datetime, width: int) -> list[list[Span]]:
    """What is left on it, as the provider said last, and when it is whole again."""
    limits, bar = key.limits, 12 if width >= 100 else 6
    told: list[tuple[str, list[Span], RateLimit | LimitWindow | None]] = [
        ("requests", looks.gauge(limits.requests, now, bar), limits.requests),
        ("tokens", looks.gauge(limits.tokens, now, bar), limits.tokens),
        ("5h used", looks.window_gauge(limits.five_hours, now, bar), limits.five_hours),
        ("7d used", looks.window_gauge(limits.seven_days, now, bar), limits.seven_days),
    ]
    parts: list[list[Span]] = []
    for name, shown, limit in told:
        if shown and limit is not None:
            parts.append([("" if parts else "  ", "plain"), (f"{name} ", "muted"), *shown, *_reset(limit, now)])
    return [*parts, [(fmt.words(limits.status), "muted")]] if limits.status else parts


def _reset(limit: RateLimit | LimitWindow, now: datetime) -> list[Span]:
    if limit.reset_at is None or limit.reset_at <= now:
        return []
    return [(f" ↻ {looks.countdown(now, limit.reset_at)}", "muted")]


def _together(key: KeyChanged, state: MonitorState, now: datetime) -> list[list[Span]]:
    """How long it lasts, with which keys it shares its limits, and for how many agents it is home."""
    parts: list[list[Span]] = []
    pool = state.picture.pools.get(key.provider)
    until = looks.lasts_till(key, state, now)
    if until:
        parts.append([("lasts till ", "muted"), (until, "plain")])
    others = [hint for group in (pool.groups if pool else []) if key.key in group for hint in group if hint != key.key]
    if others:
        parts.append([("shares its limits with ", "muted"), (" ".join(map(fmt.key_tail, others)), "plain")])
    homes = sum((home.provider, home.key) == looks.key_place(key) for home in state.picture.homes.values())
    if homes:
        parts.append([("home of ", "muted"), (fmt.plural(homes, "agent"), "plain")])
    return [[("  ", "plain"), *parts[0]], *parts[1:]] if parts else []


def _use(key: KeyChanged, state: MonitorState, now: datetime) -> list[list[Span]]:
    """How often it was used, what that cost, and by whom it is now."""
    name = looks.key_place(key)
    buckets = state.usage.keys.get(name)
    counted = [uses for uses in (buckets.last(now, USE_COUNT) if buckets else []) if uses]
    tried, failed = sum(uses.tried for uses in counted), sum(uses.failed for uses in counted)
    first: list[Span] = [("  ", "plain"), (f"{fmt.plural(tried, 'use')} in 10 min", "plain" if tried else "muted")]
    if failed:
        first.append((f", {failed} failed", "bad"))
    parts = [first]
    tokens = state.usage.key_tokens(name, now)
    if tokens is not None:
        amount = f", {fmt.tokens(tokens.total_input)} in {fmt.tokens(tokens.output)} out"
        parts.append([("today ", "muted"), (fmt.spent(tokens), "plain"), (amount, "muted")])
    agents = looks.users(state).get(name, [])
    return [*parts, [("now ", "muted"), (looks.who(agents, 44), "live")]] if agents else parts


@frozen
class Ledger:
    """The lines of what happened, and which of them belong to which entry."""

    lines: tuple[Line, ...]
    places: tuple[range, ...]


def ledger(entries: list[LedgerEntry], roster: Roster, now: datetime, width: int) -> Ledger:
    """An entry takes a line, and more for the provider's words; the newest stands first."""
    lines: list[Line] = []
    places: list[range] = []
    dated = any(entry.at is not None and len(fmt.moment(entry.at, now)) > 8 for entry in entries)
    for entry in entries:
        begin = len(lines)
        lines += _entry(entry, roster, now, width, 16 if dated else 8)
        places.append(range(begin, len(lines)))
    if not entries:
        lines.append(((fmt.fit("nothing, as far as this monitor knows", width), "muted"),))
    return Ledger(tuple(lines), tuple(places))


def elsewhere(state: MonitorState, here: KeyName, now: datetime, width: int, room: int) -> list[Line]:
    """What happened last to all other keys, a line each below a title; nothing where `room` lines are too few."""
    others = [name for name in state.picture.keys if name != here] if room >= LEAST_ELSEWHERE else []
    found = [(entry.at, name, entry) for name in others for entry in state.ledger.of(name)[:EACH] if entry.at]
    newest = heapq.nlargest(room - 2, found, key=lambda told: told[0])
    if not newest:
        return []
    cells = max(len(fmt.moment(at, now)) for at, _name, _entry in newest)
    named = {name: " ".join(map(fmt.one_line, name)) for _at, name, _entry in newest}
    widest = max(map(cell_len, named.values()))
    lines: list[Line] = [(), (("What happened to the others", "title"),)]
    for _at, name, entry in newest:
        whose: list[Span] = [(f"{fmt.fit(named[name], widest)}  ", "plain")]
        lines.append(looks.flowed(_told(entry, state.roster, now, width, cells, whose), width)[0])
    return lines


def _entry(entry: LedgerEntry, roster: Roster, now: datetime, width: int, time_cells: int) -> Iterator[Line]:
    indent = time_cells + 2
    yield from looks.flowed(_told(entry, roster, now, width, time_cells), width, indent)
    if entry.text:
        yield from _words(entry.text, width, " " * indent)


def _told(
    entry: LedgerEntry, roster: Roster, now: datetime, width: int, time_cells: int, name: Sequence[Span] = ()
) -> list[list[Span]]:
    """When it was, what became of the key, until when, and whose request it was; with a key's name before that."""
    at = fmt.moment(entry.at, now) if entry.at else "before"
    parts: list[list[Span]] = [[(fmt.fit(at, time_cells), "muted"), ("  ", "plain"), *name, *_verdict(entry)]]
    if entry.moved_since is not None:
        parts.append([(f"since {fmt.moment(entry.moved_since, now)}", "muted")])
    if entry.until is not None and entry.state in (KeyState.TEMPORARY, KeyState.PERMANENT):
        verb = "until" if entry.state is KeyState.TEMPORARY else "next check"
        until: list[Span] = [(f"{verb} {fmt.moment(entry.until, now)}", "plain")]
        if entry.source and entry.source != "check":
            until.append((f" ({fmt.one_line(entry.source)})", "muted"))
        parts.append(until)
    return [*parts, *_whose(entry, roster, width)]


def _verdict(entry: LedgerEntry) -> list[Span]:
    """What was answered, and what that made of the key."""
    tone: Tone = "muted"
    word = "stays in use"
    if entry.moves:
        word = "an agent moved" if entry.moves == 1 else f"agents moved {entry.moves} times"
    if entry.state is not None:
        word, tone = BECAME[entry.state]
    if entry.state is KeyState.VALID:
        return [(word, tone)]
    spans: list[Span] = [(f"{entry.status} ", tone)] if entry.status else []
    if entry.reason:
        spans.append((f"{fmt.words(entry.reason)}, ", tone))
    return [*spans, (word, tone)]


def _whose(entry: LedgerEntry, roster: Roster, width: int) -> list[list[Span]]:
    """Which request of which agent it was, and with which key that went on."""
    if entry.request is None:
        return []
    spans: list[Span] = [(f"{_called(entry, roster, width)} ", "live")] if entry.client else []
    if entry.moved_to:
        spans.append((f"→ {fmt.key_tail(entry.moved_to)} ", "good"))
    parts: list[list[Span]] = [[*spans, (fmt.one_line(entry.request)[:8], "muted")]]
    if entry.cache_lost:
        parts.append([(f"{fmt.tokens(entry.cache_lost)} of cache lost", "warn")])
    return parts


def _called(entry: LedgerEntry, roster: Roster, width: int) -> str:
    """Whose request it was, with its first words where the ledger is wide."""
    if entry.session_id and entry.client:
        return names.called(roster, entry.client, entry.session_id, names.ROOMY if width >= WORDY else 0)
    name = roster.name(entry.request or "")
    return names.short(name) if name else fmt.one_line(entry.client)
