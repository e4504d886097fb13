"""How `clearspan show` prints an interception: its story from request to end. All text is safe for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import orjson

from bridge import terminal_text
from bridge.cli.paper import folded
from bridge.cli.tables import (
    OTHERWISE,
    RecordRow,
    dollars,
    interception_served_otherwise,
    local_time,
    seconds,
    served_by,
)
from bridge.events.size import utf8_size
from bridge.terminal_text import visible_start as visible

WIDTH = 100
"""Cells of a line, where there is room for them."""


def story_lines(story: RecordRow, room: int | None = None) -> Iterator[str]:
    """One interception from request to end, as it went, in so many cells where the room has an end."""
    yield visible(f"{story['client']} asked {story['provider']} for {story['model'] or 'an unnamed model'}")
    for name, value in _facts(story):
        yield from folded(f"  {name:<12}{visible(value)}", room, 14)
    for line in _course(story, min(WIDTH, room or WIDTH)):
        yield from folded(line, room, len(line) - len(line.lstrip()))


def _course(story: RecordRow, width: int) -> Iterator[str]:
    """What happened, in paragraphs of that width."""
    yield from _attempts(story["attempts"])
    yield from _moves(story["moves"])
    shown_later = {tool["tool_call_id"] for tool in story["tools"] if tool["injected"] and tool["result"] is not None}
    for result in story["results"]:
        if result["tool_call_id"] not in shown_later:
            yield from _paragraph(
                width, f"Brings the result of {result['tool_call_id'] or 'a tool'}{_size(result)}", _text(result)
            )
    for prompt in story["prompts"]:
        yield from _paragraph(width, "Prompt", prompt["text"])
    for thought in story["thoughts"]:
        if thought["text"] is None:
            tokens = f", ~{thought['estimated_tokens']:,} tokens" if thought["estimated_tokens"] else ""
            why = f"(withheld: {thought['reason'] or 'not recorded'}, {thought['bytes'] or 0} bytes{tokens})"
            yield from _paragraph(width, "Thought", why)
        else:
            yield from _paragraph(width, f"Thought ({thought['source']})", thought["text"])
    for tool in story["tools"]:
        yield from _tool(width, tool)
    for note in story["notes"]:
        yield from _paragraph(width, f"Note: {note['kind']}", note["text"] or "(nothing more)")
    for used in story["tokens"]:
        yield from _tokens(used, story)


def _tokens(used: RecordRow, story: RecordRow) -> Iterator[str]:
    """What one response used."""
    yield ""
    yield visible(
        f"Tokens{_of_model(used, story)}{' (the answer broke off: counted so far)' if used['partial'] else ''}"
    )
    names = ("input", "cache_read_input", "cache_write_input", "output")
    for name, value in [*((name, used[name]) for name in names), *used["extra"].items()]:
        yield f"  {visible(name):<28}{value:>12,}"
    yield f"  {'cost':<28}{dollars(used['cost_usd'], '~' if used['partial'] else ''):>12}"
    if used["context_window"]:
        yield f"  {'context window':<28}{used['context_window']:>12,}"


def _tool(width: int, tool: RecordRow) -> Iterator[str]:
    """A call, and what came of it."""
    made = " by the bridge" if tool["injected"] else ""
    arguments = tool["arguments"]
    shown = arguments if isinstance(arguments, str) else orjson.dumps(arguments, option=orjson.OPT_INDENT_2).decode()
    yield from _paragraph(width, f"Tool call{made}: {tool['tool']}", shown)
    if tool["result"] is not None:
        yield from _paragraph(width, f"  Its result{_size(tool['result'])}", _text(tool["result"]))
    elif tool["injected"] and tool["error"]:
        yield from _paragraph(width, "  No result", tool["error"])


def _size(result: RecordRow) -> str:
    """How much a tool answered; of more than is kept the beginning is shown."""
    failed = ", an error" if result["is_error"] else ""
    more = f", of which {kept:,} are kept" if 0 < (kept := utf8_size(result["text"])) < result["bytes"] else ""
    return f" ({result['bytes']:,} bytes{more}{failed})"


def _text(result: RecordRow) -> str | None:
    return result["text"] or ("(nothing)" if not result["bytes"] else None)


def _of_model(used: RecordRow, story: RecordRow) -> str:
    """Which model's tokens these are, where that is not the one that was asked for."""
    return f" of {used['model']}" if used["model"] and used["model"] != story["model"] else ""


def _facts(story: RecordRow) -> Iterator[tuple[str, str]]:
    yield "id", story["id"]
    yield "started", local_time(story["started_at"])
    status = f" with status {story['status']}" if story["status"] else ""
    yield "ended", f"{story['outcome'] or 'not yet'}{status}" + (f": {story['error']}" if story["error"] else "")
    if story["error_type"]:
        yield "failure", story["error_type"]
    if served := served_by(story):
        yield "served by", f"{OTHERWISE} {served}, not as asked" if interception_served_otherwise(story) else served
    target = story["path"] + (f"?{story['query']}" if story["query"] else "")
    yield "route", f"{story['method']} {target} ({story['api']}, {'stream' if story['streaming'] else 'blocking'})"
    yield "key", f"{story['credential']['kind']} {story['credential']['hint'] or ''}".strip()
    first = (
        f", first byte after {seconds(story['first_byte_ms'])}, first token after {seconds(story['first_token_ms'])}"
    )
    yield "time", seconds(story["duration_ms"]) + first
    for name, field in (("session", "session_id"), ("initiator", "initiator"), ("request id", "upstream_request_id")):
        if story[field]:
            yield name, story[field]
    yield "request", _proof(story["request_equal"], story["bytes_in"], story["added"])
    yield "answer", _proof(story["answer_equal"], story["bytes_out"], story["added"])
    if story["correlating_tool_call_id"]:
        yield "goes on from", story["correlating_tool_call_id"]


def _proof(equal: bool | None, size: int | None, added: list[str]) -> str:
    """Whether a body crossed as it was; where nobody can say that, what the bridge put into it."""
    if equal is None:
        return f"added by the bridge: {', '.join(added)}" if added else "nothing went"
    return f"{size or 0:,} B in = out ✓" if equal else f"{size or 0:,} B, NOT the same on both sides"


def _attempts(attempts: list[RecordRow]) -> Iterator[str]:
    yield ""
    yield "Attempts" if attempts else "No attempt was made"
    for attempt in attempts:
        cooldown = f", cooling down for {attempt['cooldown_s']:g} s" if attempt["cooldown_s"] is not None else ""
        went = f"{attempt['status'] or 'no answer'} {attempt['reason'] or ''}".strip()
        yield visible(f"  {attempt['attempt']}. {attempt['key']}  {went}{cooldown}")
        if attempt["cause_text"]:
            yield visible(f"     “{' '.join(attempt['cause_text'].split())}”")


def _moves(moves: list[RecordRow]) -> Iterator[str]:
    if moves:
        yield ""
        yield "Moved to another key"
    for move in moves:
        agent = f", agent {move['agent_id']}" if move["agent_id"] else ""
        lost = "" if move["cache_lost"] is None else f"; {move['cache_lost']:,} tokens of its cache are lost"
        yield visible(f"  {move['from']} -> {move['to']}  {move['cause']}{agent}{lost}")


def _paragraph(width: int, title: str, text: str | None) -> Iterator[str]:
    yield ""
    yield visible(title)
    for line in terminal_text.visible(text or "(not recorded)", keep="\n").splitlines():
        yield from textwrap.wrap(
            line, width, initial_indent="  ", subsequent_indent="  ", replace_whitespace=False
        ) or [""]
