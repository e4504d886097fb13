"""A session as one story to read: each request a divider, then what was asked, thought, called and answered.

What the single request's story tells of attempts and routes is left out where all went well: here one reads.
"""

from __future__ import annotations

from datetime import datetime

from attrs import Factory, define, evolve

from bridge.events.picture import Interception, Tool
from monitor.lines import format as fmt
from monitor.lines.request_row import mark, tokens_in
from monitor.lines.request_story import SEPARATOR, Block, tell
from monitor.lines.span import Line, Span
from monitor.state.phase import phase, running_ms
from monitor.state.sessions import Session


def session_name(session: Session) -> str:
    """Who it is, in a few words: Codex 019a4c1e."""
    return f"{fmt.one_line(session.client)} {fmt.one_line(session.session_id or session.requests[0].id)[:8]}"


READ = ("prompt", "thought", "tool", "answer")
"""The kinds of blocks that make the story; a block's key begins with its kind."""


MARK = "\x1f"
"""Stands between a block's own key and its request's id."""


def request_of(key: str) -> str:
    """The id of the request that a block of a session's story belongs to."""
    return key.partition(MARK)[2]


@define
class StoryReader:
    """Tells sessions. The blocks of a request that has ended cannot change, and are told once."""

    _told: dict[str, list[Block]] = Factory(dict)

    def read(self, session: Session, now: datetime) -> list[Block]:
        """The whole story of a session, in reading order."""
        blocks: list[Block] = []
        prompt: str | None = None
        for number, one in enumerate(session.requests):
            told = self._told.get(one.id)
            if told is None:
                told = _request(one, now, asked=prompt, called=session.requests[:number])
                if not one.live:
                    self._told[one.id] = told
            blocks += told
            prompt = one.prompt or prompt
        return blocks

    def forget(self, known: set[str]) -> None:
        """Lets go of requests that are not there any more."""
        for id_ in [id_ for id_ in self._told if id_ not in known]:
            del self._told[id_]


def _request(one: Interception, now: datetime, *, asked: str | None, called: list[Interception]) -> list[Block]:
    blocks = [_divider(one, now)]
    answered = _answered(one, called)
    if answered is not None:
        blocks.append(answered)
    for block in tell(one, now):
        kind = block.key.partition(" ")[0]
        told_before = kind == "prompt" and one.prompt == asked  # agents send the same prompt with every result
        trouble = {"attempts": _troubled(one), "end": one.error is not None or mark(one)[1] == "bad"}
        if trouble.get(kind, kind in READ and not told_before):
            blocks.append(block)
    return [evolve(block, key=f"{block.key}{MARK}{one.id}") for block in blocks]


def _troubled(one: Interception) -> bool:
    return one.waiting_until is not None or any(attempt.reason for attempt in one.attempts)


def _divider(one: Interception, now: datetime) -> Block:
    glyph, tone = mark(one)
    time = fmt.clock(running_ms(one, now) / 1000) if one.live else fmt.duration(one.duration_ms)
    started = one.started_at.astimezone(now.tzinfo)
    parts: list[Span] = [(fmt.one_line(one.model or one.path), "muted")]
    if one.agent_id:
        parts.append((f"agent {fmt.one_line(one.agent_id)[:12]}", "muted"))
    if one.request_class:
        parts.append((fmt.one_line(one.request_class), "muted"))
    parts.append((f"{phase(one)} {time}", tone if one.live or tone == "bad" else "muted"))
    if one.tokens:
        parts.append((f"{fmt.tokens(tokens_in(one))} in {fmt.tokens(one.tokens.output)} out", "muted"))
    line: list[Span] = [(f"{glyph} ", tone), (f"{started:%H:%M:%S}", "plain")]
    for part in parts:
        line += [SEPARATOR, part]
    return Block("request", "faint", tuple(line), rule=True)


def _answered(one: Interception, called: list[Interception]) -> Block | None:
    """Which tool call this request brings the result of. The result itself is the agent's, and is not recorded."""
    wanted = one.correlating_tool_call_id
    tool: Tool | None = None
    for earlier in called:
        tool = next((each for each in earlier.tools if wanted and each.tool_call_id == wanted), tool)
    if tool is None:
        return None
    took = (one.previous_tool_ms or {}).get(wanted or "") or (one.previous_tool_ms or {}).get(tool.tool)
    heading: Line = (("Result ", "muted"), (f"of {fmt.one_line(tool.tool)}", "plain"))
    if took is not None:
        heading += ((f"  after {fmt.duration(took)}", "muted"),)
    return Block("result", "faint", heading)


def plain(blocks: list[Block]) -> str:
    """Blocks as text to copy: harmless, and whole."""
    parts = []
    for block in blocks:
        lines = ["".join(text for text, _tone in line) for line in (block.heading, *block.lines)]
        parts.append("\n".join([*lines, fmt.harmless(block.text.rstrip("\n"))] if block.text else lines))
    return "\n\n".join(parts) + "\n"
