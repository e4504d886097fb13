"""Tables for people and JSON for programs, as the short commands print them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import orjson

from bridge.config import Loaded
from bridge.events.describe import visible
from bridge.events.vocabulary import KeyChanged
from bridge.events.wire import unstructure
from bridge.keys.secret import Secret


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows in aligned columns, under their names."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def key_table(keys: Sequence[KeyChanged]) -> Iterator[str]:
    """Every key with its health."""
    head = ("PROVIDER", "KEY", "STATE", "REASON", "COOLDOWN", "SOURCE", "REQUESTS LEFT", "TOKENS LEFT")
    return table(head, (_key_row(key) for key in keys))


def _key_row(key: KeyChanged) -> tuple[str, ...]:
    left = [(one.remaining, one.limit) for one in (key.limits.requests, key.limits.tokens)]
    gauges = ["-" if remaining is None else f"{remaining}/{limit or '?'}" for remaining, limit in left]
    cooldown = "-" if key.retry_at is None else f"{_seconds_left(key):.1f} s"
    cells = (key.provider, key.key, key.state.value, key.reason or "-", cooldown, key.source or "-", *gauges)
    return tuple(visible(cell) for cell in cells)


def _seconds_left(key: KeyChanged) -> float:
    return 0.0 if key.retry_at is None else max(0.0, (key.retry_at - datetime.now(UTC)).total_seconds())


def keys_json(keys: Sequence[KeyChanged]) -> list[dict[str, Any]]:
    """The keys as `key.changed` says them, with the seconds that a cooldown still lasts."""
    return [
        {**unstructure(key), "cooldown_s": None if key.retry_at is None else round(_seconds_left(key), 3)}
        for key in keys
    ]


def settings_table(loaded: Loaded) -> Iterator[str]:
    """Every setting in force and where it came from. Keys and tokens are masked."""
    yield f"configuration file: {loaded.file or 'none'}"
    rows = []
    for name, value in _flatten("", loaded.settings):
        rows.append((name, _shown(value), _source(name, loaded)))
    yield from table(("SETTING", "VALUE", "FROM"), rows)


def _flatten(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if attrs.has(type(value)):
        value = {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}
    elif not isinstance(value, dict) or not value:
        yield prefix, value
        return
    for name, one in value.items():
        shown = "mcp.servers" if name == "mcp_servers" else name
        yield from _flatten(f"{prefix}.{shown}" if prefix else shown, one)


def _shown(value: Any) -> str:
    match value:
        case Secret():
            return value.hint
        case tuple():
            return "[" + ", ".join(_shown(one) for one in value) + "]"
        case Path() | None:
            return "off" if value is None else str(value)
        case _:
            return orjson.dumps(value).decode()


def _source(name: str, loaded: Loaded) -> str:
    while name:
        if name in loaded.sources and (name == "data_dir" or "." in name):
            return loaded.sources[name]
        name = name.rpartition(".")[0]
    return "default"
