"""How `keys` prints: keys and circuits in tables for people, or as JSON. All text is safe for a terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from bridge.cli.paper import Colour, Paper, PrintedCell, PrintedColumn, folded, table
from bridge.events.describe import pool_health_in_words, pool_prospects
from bridge.events.entries import Resident
from bridge.events.key_health import Health, PoolHealth, by_provider, health, ready_at
from bridge.events.times import clock
from bridge.events.values import KeyRunway, KeyState
from bridge.events.vocabulary import CircuitChanged, KeyChanged
from bridge.events.wire import Snapshot, as_json, unstructure
from bridge.terminal_text import visible_start as visible

HOMES = 3
"""So many of those who live at a key are named in its row."""

SESSION_CHARACTERS = 8

COLUMNS = (
    PrintedColumn("PROVIDER", least=12),
    PrintedColumn("KEY"),
    PrintedColumn("STATE"),
    PrintedColumn("REASON", goes=1),
    PrintedColumn("COOLDOWN", right=True),
    PrintedColumn("SOURCE", goes=3),
    PrintedColumn("REQS LEFT", right=True, goes=2),
    PrintedColumn("TOKENS LEFT", right=True, goes=6),
    PrintedColumn("RUNWAY", goes=4),
    PrintedColumn("SESSIONS", goes=5, least=12),
)

COLOURS: dict[Health, Colour] = {
    Health.READY: "green",
    Health.SPENT: "yellow",
    Health.COOLING: "yellow",
    Health.DEAD: "red",
    Health.OFF: "bright_black",
}


def key_table(found: Snapshot, on: Paper, now: datetime, keys: Sequence[KeyChanged] | None = None) -> Iterator[str]:
    """Keys with their health, how long they last, and who is served with them: all, provider by provider, or these."""
    shown = _in_order(found) if keys is None else keys
    named = _session_names(found)
    return table(COLUMNS, (_key_row(key, found, named, now) for key in shown), on)


NamesById = Callable[[str], str | None]
"""What the session of an id is called, where that is known."""


def _session_names(found: Snapshot) -> NamesById:
    from bridge.events.callers import Callers  # noqa: PLC0415  # takes its time to load, and often no bridge answers

    callers = Callers()
    callers.begin(found.interceptions)
    return callers.name_of


def _in_order(found: Snapshot) -> list[KeyChanged]:
    """The keys in the order of the providers' lines."""
    return [key for keys in by_provider(found.keys).values() for key in keys]


def pool_lines(found: Snapshot, now: datetime) -> Iterator[str]:
    """Each provider's keys together: `openai 0 of 4 ready · next 8s …QxV7`, as the monitor counts them."""
    told = {pool.provider: pool for pool in found.pools}
    for provider, keys in by_provider(found.keys).items():
        parts = [f"{provider} {pool_health_in_words(PoolHealth.of(keys, now), now)}"]
        if provider in told:
            parts += pool_prospects(told[provider], now)
        yield visible(" · ".join(parts))


def _key_row(key: KeyChanged, found: Snapshot, named: NamesById, now: datetime) -> tuple[PrintedCell, ...]:
    left = [(gauge.remaining, gauge.limit) for gauge in (key.limits.requests, key.limits.tokens)]
    gauges = ["-" if remaining is None else f"{remaining}/{limit or '?'}" for remaining, limit in left]
    state = health(key, now)
    status = key.cause.status if key.cause and state is Health.DEAD else None
    word = f"{state} {status}" if status else str(state)
    use = (_runway_cell(key, runway_of(key, found), now), _homes_cell(homes_at(key, found), named))
    rest = ((key.reason or "-").replace("_", " "), _cooldown_cell(key, now), key.source or "-", *gauges, *use)
    return (visible(key.provider), visible(key.key), (word, COLOURS[state]), *map(visible, rest))


def _cooldown_cell(key: KeyChanged, now: datetime) -> str:
    """The time until it serves again; of a dead key, until it is checked next."""
    if key.state is KeyState.PERMANENT and key.retry_at is not None:
        return f"check {_countdown(key.retry_at, now)}"
    ready = ready_at(key, now)
    return "-" if ready is None else _countdown(ready, now)


def _countdown(until: datetime, now: datetime) -> str:
    return clock(math.ceil((until - now).total_seconds()))


def _runway_cell(key: KeyChanged, runway: KeyRunway | None, now: datetime) -> str:
    """How long it lasts, where it serves at all. What was told is old after a while: an end that lies in the past did
    not come, and whether it is out now its gauges say."""
    state = health(key, now)
    if state is Health.SPENT:
        ready = ready_at(key, now)
        return "out" if ready is None else f"out, back {_clock(ready)}"
    if state is not Health.READY or runway is None:
        return "-"
    if runway.until is None:
        return "lasts"
    if runway.confidence == "headers" or runway.until <= now:
        return "-"
    back = f", back {_clock(runway.back_at)}" if runway.back_at else ""
    return f"~{_clock(runway.until)}{back}"


def _clock(at: datetime) -> str:
    return at.astimezone().strftime("%H:%M:%S")


def _homes_cell(homes: Sequence[Resident], named: NamesById) -> str:
    """The sessions' names; of one whose requests are forgotten, the beginning of its id."""
    names = [named(home.session_id) or home.session_id[:SESSION_CHARACTERS] for home in homes]
    names = [
        name + (f"/{home.agent_id[:SESSION_CHARACTERS]}" if home.agent_id else "")
        for name, home in zip(names, homes, strict=True)
    ]
    more = f" +{len(names) - HOMES}" if len(names) > HOMES else ""
    return ", ".join(names[-HOMES:]) + more if names else "-"


def runway_of(key: KeyChanged, found: Snapshot) -> KeyRunway | None:
    """How long a key lasts, where that is known."""
    runways = (runway for pool in found.pools if pool.provider == key.provider for runway in pool.keys)
    return next((runway for runway in runways if runway.key == key.key), None)


def homes_at(key: KeyChanged, found: Snapshot) -> list[Resident]:
    """Who was served with a key last, those that were longest ago first."""
    return [home for home in found.homes if (home.provider, home.key) == (key.provider, key.key)]


def _cooldown_s(key: KeyChanged, now: datetime) -> float | None:
    if key.state is not KeyState.TEMPORARY:
        return None
    return 0.0 if key.retry_at is None else round(max(0.0, (key.retry_at - now).total_seconds()), 3)


def _group_of(key: KeyChanged, found: Snapshot) -> list[str]:
    groups = (group for pool in found.pools if pool.provider == key.provider for group in pool.groups)
    return next((group for group in groups if key.key in group), [])


def circuit_table(circuits: Sequence[CircuitChanged], on: Paper) -> Iterator[str]:
    """The circuits that are not closed."""
    head = (
        PrintedColumn("PROVIDER", least=8),
        PrintedColumn("ENDPOINT"),
        PrintedColumn("MODEL", least=8),
        PrintedColumn("CIRCUIT"),
    )
    rows = ((circuit.provider, circuit.endpoint, circuit.model or "-", circuit.state) for circuit in circuits)
    return table(head, (tuple(visible(cell) for cell in row) for row in rows), on)


def _folded_pools(found: Snapshot, on: Paper, now: datetime) -> Iterator[str]:
    for line in pool_lines(found, now):
        yield from folded(line, on.width, 2)


def key_lines(found: Snapshot, on: Paper, now: datetime) -> Iterator[str]:
    """The keys, the pools that they make up, and the circuits that are not closed, where there are any."""
    yield from key_table(found, on, now)
    if found.keys:
        yield ""
        yield from _folded_pools(found, on, now)
    if found.circuits:
        yield ""
        yield from circuit_table(found.circuits, on)


def watched_lines(found: Snapshot, on: Paper, now: datetime) -> list[str]:
    """The same for a screen that shows no more than its height: what matters most first. Where there is no room for
    all keys, those that serve go first, and how many are left out is said."""
    above = [*_folded_pools(found, on, now), ""]
    if found.circuits:
        above += [*circuit_table(found.circuits, on), ""]
    keys = _in_order(found)
    room = max(2, on.height - 1 - len(above)) if on.height is not None else len(keys) + 1
    if len(keys) + 1 <= room:
        return [*above, *key_table(found, on, now)]
    kept = room - 2  # below the titles, above the line that says so
    by_need = sorted(range(len(keys)), key=lambda place: health(keys[place], now) is Health.READY)
    shown = [keys[place] for place in sorted(by_need[:kept])]
    healthy = all(health(keys[place], now) is Health.READY for place in by_need[kept:])
    left = len(keys) - len(shown)
    more = f"… {left} more key{'' if left == 1 else 's'}{', valid' if healthy else ''}"
    lines = [*above, *key_table(found, on, now, shown), more]
    return lines if on.height is None else lines[: on.height - 1]


def keys_json(found: Snapshot, now: datetime) -> list[dict[str, Any]]:
    """The keys as `key.changed` says them, with the word that the table has for their state, the seconds that a
    cooldown still lasts, with whom they share limits, how long they last, and who is served with them."""
    return [
        {
            **unstructure(key),
            "health": health(key, now),
            "cooldown_s": _cooldown_s(key, now),
            "group": _group_of(key, found),
            "runway": as_json(runway_of(key, found)),
            "sessions": [as_json(home) for home in homes_at(key, found)],
        }
        for key in found.keys
    ]
