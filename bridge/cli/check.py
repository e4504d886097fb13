"""How `check` prints: every setting in force with where it came from, and the limits that nobody can change."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import orjson

from bridge.cli.paper import SAID_INDENT, Paper, PrintedColumn, folded, table
from bridge.config.load import Loaded
from bridge.config.rules import open_to_all
from bridge.config.secret_arguments import arguments
from bridge.config.units import Seconds, Size, format_duration, format_size
from bridge.keys.secret import Secret, hint
from bridge.limits import KIB, LIMITS, MIB, Limits

HIDDEN_SETTING = re.compile(r"\.(extra_)?headers\.|^mcp\.servers\..*\.env\.")
"""Whoever adds a header or a variable may well add a credential."""
TOOL_COMMAND = re.compile(r"^mcp\.servers\..*\.command$")
TOOL_URL = re.compile(r"^mcp\.servers\..*\.url$")


SETTINGS = (PrintedColumn("SETTING"), PrintedColumn("VALUE", least=12), PrintedColumn("FROM", least=12))

NOT_SAID = "default"
"""Where a setting comes from that nobody said."""


def settings_table(loaded: Loaded, on: Paper, *, changed: bool = False) -> Iterator[str]:
    """Every setting in force, or those that somebody said, and where it came from. Keys and tokens are masked."""
    yield f"configuration file: {loaded.file or 'none'}"
    rows = [(name, _shown(name, value), _source(name, loaded)) for name, value in _flatten("", loaded.settings)]
    if changed:
        rows = [row for row in rows if row[2] != NOT_SAID]
    yield from table(SETTINGS, rows, on) if rows else ["every setting is its default"]
    for line in _remarks(loaded):
        yield from folded(line, on.width, SAID_INDENT, whole_words=True)


def _remarks(loaded: Loaded) -> Iterator[str]:
    for name, provider in loaded.settings.providers.items():
        if not provider.keys:
            yield f"providers.{name} has no keys: only requests that bring their own are served"
    if note := open_to_all(loaded.settings):
        yield f"note: {note}"
    yield from (f"warning: {line}" for line in loaded.warnings)


def limits_table(on: Paper = Paper()) -> Iterator[str]:  # noqa: B008  frozen
    """The budgets that nobody can change (docs/configuration.md, Limits)."""
    rows = ((field.name, _limit(field.name, getattr(LIMITS, field.name))) for field in attrs.fields(Limits))
    return table((PrintedColumn("LIMIT"), PrintedColumn("VALUE", right=True)), rows, on)


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
        yield from _flatten(f"{prefix}.{name}" if prefix else name, part)


def _written(field: attrs.Attribute[Any], value: Any) -> Any:
    """A duration or a size as it is written in a file; anything else as it is."""
    if field.type in {Size, "Size"}:
        return format_size(value)
    return format_duration(value) if field.type in {Seconds, "Seconds"} else value


def _shown(name: str, value: Any) -> str:
    match value:
        case Secret():
            return value.hint
        case str() if HIDDEN_SETTING.search(name):
            return hint(value)
        case str() if TOOL_URL.search(name) and "?" in value:
            return _shown("", value.partition("?")[0] + "?...")  # a query may hold a key
        case tuple():
            return _command(value) if TOOL_COMMAND.search(name) else _list(name, value)
        case Path() | None:
            return "off" if value is None else str(value)
        case _:
            return orjson.dumps(value).decode()


def _list(name: str, items: Sequence[Any]) -> str:
    return "[" + ", ".join(_shown(name, item) for item in items) + "]"


def _command(command: tuple[str, ...]) -> str:
    """A program with its arguments, less the secrets in them, and how many these are."""
    parts = list(arguments(command))
    hidden = sum(part.secret is not None for part in parts)
    shown = _list("", [part.shown for part in parts])
    return f"{shown} ({hidden} hidden)" if hidden else shown


def _source(name: str, loaded: Loaded) -> str:
    """Where a setting was said: itself, or the inline table it stands in."""
    while name:
        if name in loaded.sources:
            return loaded.sources[name]
        name = name.rpartition(".")[0]
    return NOT_SAID
