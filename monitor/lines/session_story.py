"""A session as one story to read: each request a divider, then what was asked, thought, called and answered.

What the single request's story tells of attempts and routes is left out where all went well: here one reads.
"""

from __future__ import annotations

from datetime import datetime

from attrs import Factory, define, evolve

from bridge.events.entries import Interception, Tool
from bridge.terminal_text import symbols
from monitor.lines import format as fmt
from monitor.lines.blocks import Block
from monitor.lines.request_row import tokens_in
from monitor.lines.request_story import SEPARATOR, story_blocks
from monitor.lines.span import Line, Span
from monitor.lines.verdict import mark, verdict
from monitor.state.phase import running_ms
from monitor.state.sessions import Session

READ = ("prompt", "thought", "tool", "answer")
"""The kinds of blocks that make the story; a block's key begins with its kind."""


TOOLS = ("tool", "result")
"""Those among them that can be left out where only thoughts are wanted."""

MARK = "\x1f"
"""Stands between a block's own key and its request's id."""


def request_of(key: str) -> str:
    """The id of the request that a block of a session's story belongs to."""
    return key.partition(MARK)[2]


def is_tool(block: Block) -> bool:
    """Whether it tells of a tool."""
    return block.key.partition(" ")[0].partition(MARK)[0] in TOOLS


@define
class StoryReader:
    """Makes stories. The blocks of a request that has ended cannot change, and are made once."""

    _ended: dict[str, list[Block]] = Factory(dict)

    def read(self, session: Session, now: datetime) -> list[Block]:
        """The whole story of a session, in reading order."""
        blocks: list[Block] = []
        prompt: str | None = None
        for number, request in enumerate(session.requests):
            chapter = self._ended.get(request.id)
            if chapter is None:
                chapter = _chapter(request, now, last_prompt=prompt, earlier=session.requests[:number])
                if not request.live:
                    self._ended[request.id] = chapter
            blocks += chapter
            prompt = request.prompt or prompt
        return blocks

    def forget(self, known: set[str]) -> None:
        """Lets go of requests that are not there any more."""
        for id_ in [id_ for id_ in self._ended if id_ not in known]:
            del self._ended[id_]


def _chapter(
    request: Interception, now: datetime, *, last_prompt: str | None, earlier: list[Interception]
) -> list[Block]:
    blocks = [_divider(request, now)]
    answered = _answered(request, earlier)
    if answered is not None:
        blocks.append(answered)
    for block in story_blocks(request, now):
        kind = block.key.partition(" ")[0]
        repeated = kind == "prompt" and request.prompt == last_prompt  # agents send the same prompt with every result
        trouble = {"attempts": _troubled(request), "end": request.error is not None or mark(request)[1] == "bad"}
        if trouble.get(kind, kind in READ and not repeated):
            blocks.append(block)
    return [evolve(block, key=f"{block.key}{MARK}{request.id}") for block in blocks]


def _troubled(request: Interception) -> bool:
    return request.waiting_until is not None or any(attempt.reason for attempt in request.attempts)


def _divider(request: Interception, now: datetime) -> Block:
    stands, glyph, tone = verdict(request, now), *mark(request, now)
    time = fmt.clock(running_ms(request, now) / 1000) if request.live else fmt.duration(request.duration_ms)
    started = request.started_at.astimezone(now.tzinfo)
    parts: list[Span] = [(fmt.one_line(request.started.model or request.started.path), "muted")]
    if request.started.agent_id:
        parts.append((f"agent {fmt.one_line(request.started.agent_id)[:12]}", "muted"))
    if request.started.request_class:
        parts.append((fmt.one_line(request.started.request_class), "muted"))
    word = stands.whole if stands.quiet_s is not None else f"{stands.word} {time}"
    parts.append((word, tone if request.live or tone == "bad" else "muted"))
    if request.tokens:
        parts.append((f"{fmt.tokens(tokens_in(request))} in {fmt.tokens(request.tokens.output)} out", "muted"))
    line: list[Span] = [(f"{glyph} ", tone), (f"{started:%H:%M:%S}", "plain")]
    for part in parts:
        line += [SEPARATOR, part]
    return Block("request", "faint", tuple(line), rule=True)


def _answered(request: Interception, earlier: list[Interception]) -> Block | None:
    """Which tool call this request brings the result of. The result itself is the agent's, and is not recorded."""
    wanted = request.started.correlating_tool_call_id
    tool: Tool | None = None
    for before in earlier:
        tool = next((each for each in before.tools if wanted and each.tool_call_id == wanted), tool)
    if tool is None:
        return None
    durations = request.started.previous_tool_ms or {}
    took = durations.get(wanted or "") or durations.get(tool.tool)
    heading: Line = (("Result ", "muted"), (f"of {fmt.one_line(tool.tool)}", "plain"))
    if took is not None:
        heading += ((f"  after {fmt.duration(took)}", "muted"),)
    return Block("result", "faint", heading)


def plain(blocks: list[Block]) -> str:
    """Blocks as text to copy: harmless, and whole."""
    parts = []
    for block in blocks:
        lines = ["".join(text for text, _tone in line) for line in (block.heading, *block.lines)]
        parts.append("\n".join([*lines, symbols(block.text.rstrip("\n"))] if block.text else lines))
    return "\n\n".join(parts) + "\n"
