"""The record for people: a table of interceptions, one of them as a story, sums. All text is safe for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import orjson

from bridge.cli.terminal import table
from bridge.events import terminal_text
from bridge.events.describe import visible

Fields = dict[str, Any]

WIDTH = 100
PROMPT_WIDTH = 48


def interception_table(rows: Iterable[Fields]) -> Iterator[str]:
    """Interceptions, one a line."""
    head = ("ID", "STARTED", "CLIENT", "MODEL", "OUTCOME", "STATUS", "TRIES", "TIME", "IN", "OUT", "COST", "PROMPT")
    return table(head, (_row(one) for one in rows))


def _row(one: Fields) -> tuple[str, ...]:
    prompt = one["prompt"] or ("" if one["error"] is None else f"! {one['error']}")
    cells = (
        one["id"][:8],
        _local(one["started_at"]),
        one["client"],
        one["model"] or "-",
        one["outcome"] or "running",
        str(one["status"] or "-"),
        str(one["attempts"] or "-"),
        seconds(one["duration_ms"]),
        count((one["input"] or 0) + (one["cache_read_input"] or 0) + (one["cache_write_input"] or 0)),
        count(one["output"]),
        dollars(one["cost_usd"]),
        textwrap.shorten(prompt, PROMPT_WIDTH, placeholder="…"),
    )
    return tuple(visible(cell) for cell in cells)


def totals_table(group: str, rows: Iterable[Fields]) -> Iterator[str]:
    """Sums, one group a line."""
    head = (group.upper(), "REQUESTS", "FAILED", "INPUT", "CACHE READ", "CACHE WRITE", "OUTPUT", "COST")
    names = ("interceptions", "failed", "input", "cache_read_input", "cache_write_input", "output")
    cells = (
        (visible(one["name"] or "-"), *(f"{one[name]:,}" for name in names), dollars(one["cost_usd"])) for one in rows
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
    for one in attempts:
        cooldown = f", cooling down for {one['cooldown_s']:g} s" if one["cooldown_s"] is not None else ""
        went = f"{one['status'] or 'no answer'} {one['reason'] or ''}".strip()
        yield visible(f"  {one['attempt']}. {one['key']}  {went}{cooldown}")


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
