"""How `keys` prints: keys and circuits in tables for people, or as JSON. All text is safe for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from bridge.cli.paper import Colour, Paper, PrintedCell, PrintedColumn, table
from bridge.events.values import KeyState
from bridge.events.vocabulary import CircuitChanged, KeyChanged
from bridge.events.wire import unstructure
from bridge.terminal_text import visible_start as visible

COLUMNS = (
    PrintedColumn("PROVIDER", least=8),
    PrintedColumn("KEY"),
    PrintedColumn("STATE"),
    PrintedColumn("REASON", goes=1, least=8),
    PrintedColumn("COOLDOWN", right=True),
    PrintedColumn("SOURCE", goes=4),
    PrintedColumn("REQUESTS LEFT", right=True, goes=2),
    PrintedColumn("TOKENS LEFT", right=True, goes=3),
)

STATES: dict[KeyState, tuple[str, Colour]] = {
    KeyState.VALID: ("valid", "green"),
    KeyState.TEMPORARY: ("cooling", "yellow"),
    KeyState.PERMANENT: ("dead", "red"),
    KeyState.DISABLED: ("off", "bright_black"),
}
"""The monitor's words for how a key is."""


def key_table(keys: Sequence[KeyChanged], on: Paper) -> Iterator[str]:
    """Every key with its health."""
    return table(COLUMNS, (_key_row(key) for key in keys), on)


def _key_row(key: KeyChanged) -> tuple[PrintedCell, ...]:
    left = [(gauge.remaining, gauge.limit) for gauge in (key.limits.requests, key.limits.tokens)]
    gauges = ["-" if remaining is None else f"{remaining}/{limit or '?'}" for remaining, limit in left]
    cooldown = f"{_seconds_left(key):.1f} s" if key.state is KeyState.TEMPORARY else "-"
    rest = (key.reason or "-", cooldown, key.source or "-", *gauges)
    return (visible(key.provider), visible(key.key), STATES[key.state], *map(visible, rest))


def _seconds_left(key: KeyChanged) -> float:
    return 0.0 if key.retry_at is None else max(0.0, (key.retry_at - datetime.now(UTC)).total_seconds())


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


def key_lines(keys: Sequence[KeyChanged], circuits: Sequence[CircuitChanged], on: Paper) -> Iterator[str]:
    """Both tables, the second where it has rows."""
    yield from key_table(keys, on)
    if circuits:
        yield ""
        yield from circuit_table(circuits, on)


def keys_json(keys: Sequence[KeyChanged]) -> list[dict[str, Any]]:
    """The keys as `key.changed` says them, with the seconds that a cooldown still lasts."""
    return [
        {**unstructure(key), "cooldown_s": round(_seconds_left(key), 3) if key.state is KeyState.TEMPORARY else None}
        for key in keys
    ]
