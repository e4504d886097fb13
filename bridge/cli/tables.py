"""How the short commands print: tables for people, JSON for programs. All text is safe for a terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import orjson

from bridge.config.load import Loaded
from bridge.config.rules import open_to_all, without_effect
from bridge.config.settings import Seconds, format_duration
from bridge.events.values import cost_mark
from bridge.keys.secret import Secret, hint
from bridge.limits import KIB, LIMITS, MIB, Limits
from bridge.terminal_text import visible_start as visible

RecordRow = dict[str, Any]
"""A row of the record, by the names of `bridge.record.history`."""

PROMPT_WIDTH = 48

HEADER_SETTING = re.compile(r"\.(extra_)?headers\.")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows in aligned columns, under their names."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def settings_table(loaded: Loaded) -> Iterator[str]:
    """Every setting in force and where it came from. Keys and tokens are masked."""
    yield f"configuration file: {loaded.file or 'none'}"
    rows = [(name, _shown(name, value), _source(name, loaded)) for name, value in _flatten("", loaded.settings)]
    yield from table(("SETTING", "VALUE", "FROM"), rows)
    for name, fact in without_effect(loaded.settings):
        yield f"{name} has no effect: {fact}"
    for name, provider in loaded.settings.providers.items():
        if not provider.keys:
            yield f"providers.{name} has no keys: only requests that bring their own are served"
    if note := open_to_all(loaded.settings):
        yield f"note: {note}"
    yield from (f"warning: {line}" for line in loaded.warnings)


def limits_table() -> Iterator[str]:
    """The budgets that nobody can change (docs/configuration.md, Limits)."""
    rows = ((field.name, _limit(field.name, getattr(LIMITS, field.name))) for field in attrs.fields(Limits))
    return table(("LIMIT", "VALUE"), rows)


def _limit(name: str, value: int) -> str:
    """A size in the unit it was thought in, any other number as it is."""
    if name.endswith("_bytes"):
        return f"{value // MIB} MiB" if value % MIB == 0 else f"{value // KIB} KiB"
    return f"{value:,}"


def _flatten(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every setting with its dotted name."""
    if attrs.has(type(value)):
        value = {field.name: _written(field, getattr(value, field.name)) for field in attrs.fields(type(value))}
    elif not isinstance(value, dict) or not value:
        yield prefix, value
        return
    for name, part in value.items():
        shown = "mcp.servers" if name == "mcp_servers" else name
        yield from _flatten(f"{prefix}.{shown}" if prefix else shown, part)


def _written(field: attrs.Attribute[Any], value: Any) -> Any:
    """A duration as it is written in a file; anything else as it is."""
    return format_duration(value) if field.type in {Seconds, "Seconds"} else value


def _shown(name: str, value: Any) -> str:
    match value:
        case Secret():
            return value.hint
        case str() if HEADER_SETTING.search(name):
            return hint(value)  # who adds a header may well add a credential
        case tuple():
            return "[" + ", ".join(_shown(name, item) for item in value) + "]"
        case Path() | None:
            return "off" if value is None else str(value)
        case _:
            return orjson.dumps(value).decode()


def _source(name: str, loaded: Loaded) -> str:
    """Where a setting was said: itself, or the inline table it stands in."""
    while name:
        if name in loaded.sources:
            return loaded.sources[name]
        name = name.rpartition(".")[0]
    return "default"


def interception_table(rows: Iterable[RecordRow]) -> Iterator[str]:
    """Interceptions, one a line."""
    head = ("ID", "STARTED", "CLIENT", "MODEL", "OUTCOME", "STATUS", "TRIES", "TIME", "IN", "OUT", "COST", "PROMPT")
    return table(head, (_interception_row(interception) for interception in rows))


def _interception_row(interception: RecordRow) -> tuple[str, ...]:
    prompt = interception["prompt"] or ("" if interception["error"] is None else f"! {interception['error']}")
    cells = (
        interception["id"][:8],
        local_time(interception["started_at"]),
        interception["client"],
        interception["model"] or "-",
        interception["outcome"] or "running",
        str(interception["status"] or "-"),
        str(interception["attempts"] or "-"),
        seconds(interception["duration_ms"]),
        count(_input_tokens(interception)),
        count(interception["output"]),
        _cost(interception),
        textwrap.shorten(prompt, PROMPT_WIDTH, placeholder="…"),
    )
    return tuple(visible(cell) for cell in cells)


def _input_tokens(interception: RecordRow) -> int:
    return sum(interception[name] or 0 for name in ("input", "cache_read_input", "cache_write_input"))


def totals_table(group: str, rows: Iterable[RecordRow]) -> Iterator[str]:
    """Sums, one group a line."""
    head = (group.upper(), "REQUESTS", "FAILED", "INPUT", "CACHE READ", "CACHE WRITE", "OUTPUT", "COST")
    names = ("interceptions", "failed", "input", "cache_read_input", "cache_write_input", "output")
    cells = ((visible(sums["name"] or "-"), *(f"{sums[name]:,}" for name in names), _cost(sums)) for sums in rows)
    return table(head, cells)


def seconds(milliseconds: float | None) -> str:
    """A time as people read it, e.g. `1.25 s`."""
    return "-" if milliseconds is None else f"{milliseconds / 1000:.2f} s"


def count(number: int | None) -> str:
    """Tokens in a narrow column, e.g. `12.3k`."""
    if not number:
        return "-"
    if number < 1000:
        return str(number)
    return f"{number / 1000:.1f}k" if number < 1_000_000 else f"{number / 1_000_000:.2f}M"


def dollars(cost: float | None, mark: str = "") -> str:
    """US dollars, with a mark before them where they are not exact; `-` where the price is not known."""
    return "-" if cost is None else f"{mark}${cost:.4f}"


def _cost(sums: RecordRow) -> str:
    return dollars(sums["cost_usd"], cost_mark(sums["unpriced"], partial=sums["partial"]))


def local_time(stamp: str) -> str:
    """A time of the record where we are."""
    return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")
