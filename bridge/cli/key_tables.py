"""How `keys` prints: keys and circuits in tables for people, or as JSON. All text is safe for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from bridge.cli.paper import Colour, Paper, PrintedCell, PrintedColumn, table
from bridge.events.describe import pool_health_in_words, pool_prospects
from bridge.events.entries import Resident
from bridge.events.key_health import Health, PoolHealth, by_provider, health, ready_at
from bridge.events.values import KeyRunway, KeyState
from bridge.events.vocabulary import CircuitChanged, KeyChanged
from bridge.events.wire import Snapshot, as_json, unstructure
from bridge.terminal_text import visible_start as visible

HOMES = 3
"""So many of those who live at a key are named in its row."""

SESSION_CHARACTERS = 8

COLUMNS = (
    PrintedColumn("PROVIDER", least=8),
    PrintedColumn("KEY"),
    PrintedColumn("STATE"),
    PrintedColumn("REASON", goes=1, least=8),
    PrintedColumn("COOLDOWN", right=True),
    PrintedColumn("SOURCE", goes=6),
    PrintedColumn("REQUESTS LEFT", right=True, goes=4),
    PrintedColumn("TOKENS LEFT", right=True, goes=5),
    PrintedColumn("RUNWAY", goes=2),
    PrintedColumn("SESSIONS", goes=3, least=8),
)

COLOURS: dict[Health, Colour] = {
    Health.READY: "green",
    Health.SPENT: "yellow",
    Health.COOLING: "yellow",
    Health.DEAD: "red",
    Health.OFF: "bright_black",
}


def key_table(found: Snapshot, on: Paper, now: datetime) -> Iterator[str]:
    """Every key with its health, how long it lasts, and who is served with it."""
    return table(COLUMNS, (_key_row(key, found, now) for key in found.keys), on)


def pool_lines(found: Snapshot, now: datetime) -> Iterator[str]:
    """Each provider's keys together: `openai 0 of 4 ready · next 8s …QxV7`, as the monitor counts them."""
    told = {pool.provider: pool for pool in found.pools}
    for provider, keys in by_provider(found.keys).items():
        parts = [f"{provider} {pool_health_in_words(PoolHealth.of(keys, now), now)}"]
        if provider in told:
            parts += pool_prospects(told[provider])
        yield visible(" · ".join(parts))


def _key_row(key: KeyChanged, found: Snapshot, now: datetime) -> tuple[PrintedCell, ...]:
    left = [(gauge.remaining, gauge.limit) for gauge in (key.limits.requests, key.limits.tokens)]
    gauges = ["-" if remaining is None else f"{remaining}/{limit or '?'}" for remaining, limit in left]
    state, ready = health(key, now), ready_at(key, now)
    cooldown = "-" if ready is None else f"{max(0.0, (ready - now).total_seconds()):.1f} s"
    use = (_runway_cell(runway_of(key, found)), _homes_cell(homes_at(key, found)))
    rest = (key.reason or "-", cooldown, key.source or "-", *gauges, *use)
    return (visible(key.provider), visible(key.key), (state, COLOURS[state]), *map(visible, rest))


def _runway_cell(runway: KeyRunway | None) -> str:
    if runway is None:
        return "-"
    if runway.until is None:
        return "lasts"
    back = f", back {_clock(runway.back_at)}" if runway.back_at else ""
    if runway.confidence == "headers":
        return f"out{back}"
    return f"~{_clock(runway.until)}{back}"


def _clock(at: datetime) -> str:
    return at.astimezone().strftime("%H:%M:%S")


def _homes_cell(homes: Sequence[Resident]) -> str:
    names = [home.session_id[:SESSION_CHARACTERS] + (f"/{home.agent_id}" if home.agent_id else "") for home in homes]
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


def key_lines(found: Snapshot, on: Paper, now: datetime) -> Iterator[str]:
    """The keys, the pools that they make up, and the circuits that are not closed, where there are any."""
    yield from key_table(found, on, now)
    if found.keys:
        yield ""
        yield from pool_lines(found, now)
    if found.circuits:
        yield ""
        yield from circuit_table(found.circuits, on)


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
