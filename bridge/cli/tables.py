"""How the short commands print: tables for people, JSON for programs. All text is safe for a terminal."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import orjson

from bridge import terminal_text
from bridge.config.load import Loaded
from bridge.config.rules import without_effect
from bridge.config.settings import Seconds, format_duration
from bridge.events.describe import visible
from bridge.events.vocabulary import CircuitChanged, KeyChanged, KeyState
from bridge.events.wire import unstructure
from bridge.keys.secret import Secret, hint

Fields = dict[str, Any]

WIDTH = 100
PROMPT_WIDTH = 48

INPUT_TOKENS = ("input", "cache_read_input", "cache_write_input")
"""What an interception's input is made of."""

HEADER_SETTING = re.compile(r"\.(extra_)?headers\.")


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


def interception_table(rows: Iterable[Fields]) -> Iterator[str]:
    """Interceptions, one a line."""
    head = ("ID", "STARTED", "CLIENT", "MODEL", "OUTCOME", "STATUS", "TRIES", "TIME", "IN", "OUT", "COST", "PROMPT")
    return table(head, (_interception_row(interception) for interception in rows))


def _interception_row(interception: Fields) -> tuple[str, ...]:
    prompt = interception["prompt"] or ("" if interception["error"] is None else f"! {interception['error']}")
    cells = (
        interception["id"][:8],
        _local(interception["started_at"]),
        interception["client"],
        interception["model"] or "-",
        interception["outcome"] or "running",
        str(interception["status"] or "-"),
        str(interception["attempts"] or "-"),
        seconds(interception["duration_ms"]),
        count(sum(interception[name] or 0 for name in INPUT_TOKENS)),
        count(interception["output"]),
        dollars(interception["cost_usd"]),
        textwrap.shorten(prompt, PROMPT_WIDTH, placeholder="…"),
    )
    return tuple(visible(cell) for cell in cells)


def totals_table(group: str, rows: Iterable[Fields]) -> Iterator[str]:
    """Sums, one group a line."""
    head = (group.upper(), "REQUESTS", "FAILED", "INPUT", "CACHE READ", "CACHE WRITE", "OUTPUT", "COST")
    names = ("interceptions", "failed", "input", "cache_read_input", "cache_write_input", "output")
    cells = (
        (visible(sums["name"] or "-"), *(f"{sums[name]:,}" for name in names), dollars(sums["cost_usd"]))
        for sums in rows
    )
    return table(head, cells)


def story_lines(story: Fields) -> Iterator[str]:
    """One interception from request to end, as it went."""
    yield visible(f"{story['client']} asked {story['provider']} for {story['model'] or 'an unnamed model'}")
    for name, value in _facts(story):
        yield f"  {name:<12}{visible(value)}"
    yield from _attempts(story["attempts"])
    for prompt in story["prompts"]:
        yield from _paragraph("Prompt", prompt["text"])
    for thought in story["thoughts"]:
        if thought["text"] is None:
            yield from _paragraph(
                "Thought", f"(withheld: {thought['reason'] or 'not recorded'}, {thought['bytes'] or 0} bytes)"
            )
        else:
            yield from _paragraph(f"Thought ({thought['source']})", thought["text"])
    for tool in story["tools"]:
        made = " by the bridge" if tool["injected"] else ""
        arguments = tool["arguments"]
        shown = (
            arguments if isinstance(arguments, str) else orjson.dumps(arguments, option=orjson.OPT_INDENT_2).decode()
        )
        yield from _paragraph(f"Tool call{made}: {tool['tool']}", shown)
    for used in story["tokens"]:
        yield ""
        yield "Tokens"
        names = ("input", "cache_read_input", "cache_write_input", "output")
        for name, value in [*((name, used[name]) for name in names), *used["extra"].items()]:
            yield f"  {visible(name):<28}{value:>12,}"
        yield f"  {'cost':<28}{dollars(used['cost_usd']):>12}"


def _facts(story: Fields) -> Iterator[tuple[str, str]]:
    yield "id", story["id"]
    yield "started", _local(story["started_at"])
    status = f" with status {story['status']}" if story["status"] else ""
    yield "ended", f"{story['outcome'] or 'not yet'}{status}" + (f": {story['error']}" if story["error"] else "")
    yield (
        "route",
        f"{story['method']} {story['path']} ({story['api']}, {'stream' if story['streaming'] else 'blocking'})",
    )
    yield "key", f"{story['credential']['kind']} {story['credential']['hint'] or ''}".strip()
    first = (
        f", first byte after {seconds(story['first_byte_ms'])}, first token after {seconds(story['first_token_ms'])}"
    )
    yield "time", seconds(story["duration_ms"]) + first
    for name, field in (("session", "session_id"), ("initiator", "initiator"), ("request id", "upstream_request_id")):
        if story[field]:
            yield name, story[field]
    if story["correlating_tool_call_id"]:
        yield "goes on from", story["correlating_tool_call_id"]


def _attempts(attempts: list[Fields]) -> Iterator[str]:
    yield ""
    yield "Attempts" if attempts else "No attempt was made"
    for attempt in attempts:
        cooldown = f", cooling down for {attempt['cooldown_s']:g} s" if attempt["cooldown_s"] is not None else ""
        went = f"{attempt['status'] or 'no answer'} {attempt['reason'] or ''}".strip()
        yield visible(f"  {attempt['attempt']}. {attempt['key']}  {went}{cooldown}")


def _paragraph(title: str, text: str | None) -> Iterator[str]:
    yield ""
    yield visible(title)
    for line in terminal_text.visible(text or "(not recorded)", keep="\n").splitlines():
        yield from textwrap.wrap(
            line, WIDTH, initial_indent="  ", subsequent_indent="  ", replace_whitespace=False
        ) or [""]


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


def dollars(cost: float | None) -> str:
    """US dollars; `-` where the price is not known."""
    return "-" if cost is None else f"${cost:.4f}"


def _local(stamp: str) -> str:
    return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def close_output() -> None:
    """Whoever read our output has left (`clearspan tail | head`): what is still said, or buffered, goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
