"""How `clearspan show` prints an interception: its story from request to end. All text is safe for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import orjson

from bridge import terminal_text
from bridge.cli.tables import RecordRow, dollars, local_time, seconds
from bridge.terminal_text import visible_start as visible

WIDTH = 100


def story_lines(story: RecordRow) -> Iterator[str]:
    """One interception from request to end, as it went."""
    yield visible(f"{story['client']} asked {story['provider']} for {story['model'] or 'an unnamed model'}")
    for name, value in _facts(story):
        yield f"  {name:<12}{visible(value)}"
    yield from _attempts(story["attempts"])
    yield from _moves(story["moves"])
    for prompt in story["prompts"]:
        yield from _paragraph("Prompt", prompt["text"])
    for thought in story["thoughts"]:
        if thought["text"] is None:
            tokens = f", ~{thought['estimated_tokens']:,} tokens" if thought["estimated_tokens"] else ""
            why = f"(withheld: {thought['reason'] or 'not recorded'}, {thought['bytes'] or 0} bytes{tokens})"
            yield from _paragraph("Thought", why)
        else:
            yield from _paragraph(f"Thought ({thought['source']})", thought["text"])
    for tool in story["tools"]:
        made = " by the bridge" if tool["injected"] else ""
        arguments = tool["arguments"]
        shown = (
            arguments if isinstance(arguments, str) else orjson.dumps(arguments, option=orjson.OPT_INDENT_2).decode()
        )
        yield from _paragraph(f"Tool call{made}: {tool['tool']}", shown)
    for note in story["notes"]:
        yield from _paragraph(f"Note: {note['kind']}", note["text"] or "(nothing more)")
    for used in story["tokens"]:
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
    served = [story[column] for column in ("served_model", "service_tier", "speed") if story[column]]
    if served:
        yield "served by", ", ".join(served)
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
    if story["correlating_tool_call_id"]:
        yield "goes on from", story["correlating_tool_call_id"]


def _attempts(attempts: list[RecordRow]) -> Iterator[str]:
    yield ""
    yield "Attempts" if attempts else "No attempt was made"
    for attempt in attempts:
        cooldown = f", cooling down for {attempt['cooldown_s']:g} s" if attempt["cooldown_s"] is not None else ""
        went = f"{attempt['status'] or 'no answer'} {attempt['reason'] or ''}".strip()
        yield visible(f"  {attempt['attempt']}. {attempt['key']}  {went}{cooldown}")


def _moves(moves: list[RecordRow]) -> Iterator[str]:
    if moves:
        yield ""
        yield "Moved to another key"
    for move in moves:
        agent = f", agent {move['agent_id']}" if move["agent_id"] else ""
        lost = "" if move["cache_lost"] is None else f"; {move['cache_lost']:,} tokens of its cache are lost"
        yield visible(f"  {move['from']} -> {move['to']}  {move['cause']}{agent}{lost}")


def _paragraph(title: str, text: str | None) -> Iterator[str]:
    yield ""
    yield visible(title)
    for line in terminal_text.visible(text or "(not recorded)", keep="\n").splitlines():
        yield from textwrap.wrap(
            line, WIDTH, initial_indent="  ", subsequent_indent="  ", replace_whitespace=False
        ) or [""]
