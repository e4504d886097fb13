"""How `keys` prints: keys and circuits in tables for people, or as JSON. All text is safe for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from bridge.cli.tables import table
from bridge.events.values import KeyState
from bridge.events.vocabulary import CircuitChanged, KeyChanged
from bridge.events.wire import unstructure
from bridge.terminal_text import visible_start as visible


def key_table(keys: Sequence[KeyChanged]) -> Iterator[str]:
    """Every key with its health."""
    head = ("PROVIDER", "KEY", "STATE", "REASON", "COOLDOWN", "SOURCE", "REQUESTS LEFT", "TOKENS LEFT")
    return table(head, (_key_row(key) for key in keys))


def _key_row(key: KeyChanged) -> tuple[str, ...]:
    left = [(gauge.remaining, gauge.limit) for gauge in (key.limits.requests, key.limits.tokens)]
    gauges = ["-" if remaining is None else f"{remaining}/{limit or '?'}" for remaining, limit in left]
    cooldown = f"{_seconds_left(key):.1f} s" if key.state is KeyState.TEMPORARY else "-"
    cells = (key.provider, key.key, key.state.value, key.reason or "-", cooldown, key.source or "-", *gauges)
    return tuple(visible(cell) for cell in cells)


def _seconds_left(key: KeyChanged) -> float:
    return 0.0 if key.retry_at is None else max(0.0, (key.retry_at - datetime.now(UTC)).total_seconds())


def circuit_table(circuits: Sequence[CircuitChanged]) -> Iterator[str]:
    """The circuits that are not closed."""
    head = ("PROVIDER", "ENDPOINT", "MODEL", "CIRCUIT")
    rows = ((circuit.provider, circuit.endpoint, circuit.model or "-", circuit.state) for circuit in circuits)
    return table(head, (tuple(visible(cell) for cell in row) for row in rows))


def keys_json(keys: Sequence[KeyChanged]) -> list[dict[str, Any]]:
    """The keys as `key.changed` says them, with the seconds that a cooldown still lasts."""
    return [
        {**unstructure(key), "cooldown_s": round(_seconds_left(key), 3) if key.state is KeyState.TEMPORARY else None}
        for key in keys
    ]
