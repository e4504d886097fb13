"""One request told from its beginning: who asked, which keys were tried, what the model thought, called and answered.

Pure: an interception becomes blocks. A block is a heading, some short lines and a text of any length; the widget
wraps the text, which is left raw here so that it can be wrapped piece by piece as it grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.cells import cell_len

from bridge.events.entries import Attempt, Interception, Note, Thought, Tool
from bridge.events.values import Outcome, ThoughtSource, WithheldReason
from bridge.limits import LIMITS
from monitor.lines import format as fmt
from monitor.lines.blocks import Block
from monitor.lines.request_row import tokens_in
from monitor.lines.span import Line, Span, Tone
from monitor.lines.tool_arguments import arguments
from monitor.lines.verdict import mark, verdict
from monitor.state.phase import phase_label, running_ms

SOURCES = {
    ThoughtSource.REASONING_SUMMARY: "summary",
    ThoughtSource.COMMENTARY: "commentary",
    ThoughtSource.THINKING: "thinking",
}

TONES: dict[ThoughtSource | None, Tone] = {
    ThoughtSource.REASONING_SUMMARY: "reasoning-summary",
    ThoughtSource.COMMENTARY: "commentary",
    ThoughtSource.THINKING: "thinking",
    None: "thinking",
}

WITHHELD = {
    WithheldReason.OMITTED: "the provider left its text out",
    WithheldReason.REDACTED: "the provider redacted it",
    WithheldReason.ENCRYPTED: "the provider sent it encrypted",
    WithheldReason.NOT_SUMMARIZED: "the model reasoned, but gave no summary",
}

NO_ANSWERS = "the record keeps no answers"

SEPARATOR: Span = (" · ", "muted")


def story_blocks(request: Interception, now: datetime) -> list[Block]:
    """The blocks of a request's story, in reading order."""
    blocks = [_request(request)]
    if request.attempts or request.waiting_until:
        blocks.append(_attempts(request, now))
    if request.prompt:
        blocks.append(Block("prompt", "prompt", (("Prompt", "prompt"),), text=request.prompt))
    blocks.extend(_thought(thought) for thought in request.thoughts)
    blocks.extend(_tool(number, tool) for number, tool in enumerate(request.tools))
    if request.notes:
        blocks.append(Block("notes", "muted", (("Notes", "muted"),), tuple(_note(note) for note in request.notes)))
    if request.answer:
        blocks.append(Block("answer", "answer", (("Answer", "answer"),), text=request.answer, form="prose"))
    elif lacks_answer(request):
        blocks.append(Block("answer", "muted", (("Answer", "muted"), (f"  {NO_ANSWERS}", "muted"))))
    if not request.live:
        blocks.append(_end(request))
    return blocks


FACTS = ("end", "prompt", "attempts", "request")


def texts_and_facts(blocks: list[Block]) -> tuple[list[Block], list[Block]]:
    """The blocks in two parts, as a narrow pane has them: what one looks for is the thought, then the answer; what can
    be read elsewhere too comes last."""
    texts = [block for block in blocks if block.key not in FACTS]
    return texts, [block for key in FACTS for block in blocks if block.key == key]


def lacks_answer(request: Interception) -> bool:
    """Whether it must have been answered, and nobody here heard what: the record told of it, which numbers no ends."""
    answered = request.outcome is Outcome.COMPLETED and (request.status or 200) < 400 and request.tokens is not None
    return answered and not (request.ended_nth or request.answer or request.tools)


def title(request: Interception, now: datetime, names: Sequence[str] = (), room: int = 0) -> str:
    """What stands above the story: which request, and how it goes.

    `names` are its agent's, the longest first; the longest is taken with which all goes into `room` cells: how a
    request goes is what one looks for. Without a room it is the first.
    """
    glyph, _tone = mark(request)
    stands = verdict(request, now)
    goes = f"{stands.word} {fmt.duration(request.duration_ms)}"
    if stands.quiet_s is not None:
        goes = stands.whole
    elif request.live:
        goes = f"{stands.word} {fmt.clock(running_ms(request, now) / 1000)}"
    known = names or (subject(request),)
    whole = [f"{name} · {fmt.one_line(request.id)[:8]} · {glyph} {goes}" for name in known]
    return next((text for text in whole if cell_len(text) <= room), whole[-1] if room else whole[0])


def subject(request: Interception) -> str:
    """A request in a few words, for titles and messages."""
    return f"{fmt.one_line(request.started.client)} {fmt.one_line(request.started.model or request.started.path)}"


def _join(parts: list[Span]) -> Line:
    line: list[Span] = []
    for part in parts:
        line += [SEPARATOR, part] if line else [part]
    return tuple(line)


def _request(request: Interception) -> Block:
    how = "streaming" if request.started.streaming else "blocking"
    heading = _join([(subject(request), "strong"), (fmt.one_line(request.started.api), "plain"), (how, "plain")])
    facts = {
        "session": request.started.session_id,
        "agent": request.started.agent_id,
        "parent": request.started.parent_agent_id,
        "by": request.started.initiator,
        "class": request.started.request_class,
        "type": request.started.agent_type,
        "after": request.started.correlating_tool_call_id,
    }
    known: list[Span] = [(f"{name} {fmt.one_line(value)}", "muted") for name, value in facts.items() if value]
    own: list[Span] = [("the caller's own key", "muted")] if request.started.credential.kind == "byok" else []
    path: Span = (f"{fmt.one_line(request.started.method)} {fmt.one_line(request.started.path)}", "muted")
    lines = [_join([path, *own])]
    lines += [_join(known[i : i + 3]) for i in range(0, len(known), 3)]
    return Block("request", "muted", heading, tuple(lines))


def _attempts(request: Interception, now: datetime) -> Block:
    failed = sum(attempt.reason is not None for attempt in request.attempts)
    heading: list[Span] = [("Attempts", "warn" if failed else "muted")]
    if failed:
        heading.append((f"  {failed} failed", "muted"))
    lines = [attempt_line(attempt) for attempt in request.attempts]
    if request.waiting_until:
        left = fmt.clock(fmt.seconds_between(now, request.waiting_until))
        lines.append((("◌ ", "warn"), (f"every key cools; the next is ready in {left}", "warn")))
    return Block("attempts", "warn" if failed else "muted", tuple(heading), tuple(lines))


def attempt_line(attempt: Attempt) -> Line:
    """Which key was tried, and what came of it."""
    number, key = f"{attempt.attempt} ", f"{fmt.one_line(attempt.key)}  "
    status = "" if attempt.status is None else f"{attempt.status} "
    if attempt.reason is None:
        if attempt.status is None:
            return ("● ", "live"), (number, "muted"), (key, "plain"), ("waiting for headers", "muted")
        served = attempt.status < 400
        return (
            ("✓ " if served else "✗ ", "good" if served else "bad"),
            (number, "muted"),
            (key, "plain"),
            (status, "muted"),
        )
    why = f"{status}{fmt.words(attempt.reason)}"
    cools = f"  cools {fmt.clock(attempt.cooldown_s)}" if attempt.cooldown_s else ""
    return ("✗ ", "bad"), (number, "muted"), (key, "plain"), (why, "bad"), (cools, "muted")


def _thought(thought: Thought) -> Block:
    key = f"thought {thought.index}"
    if thought.withheld is not None:
        heading: Line = (("Thought", "withheld"), ("  withheld", "withheld"))
        why: Line = ((f"no text: {WITHHELD[thought.withheld]}{withheld_amount(thought, ', ')}", "withheld"),)
        return Block(key, "withheld", heading, (why,), thought.text, form="prose")
    source = SOURCES[thought.source] if thought.source else ""
    tone = TONES[thought.source]
    length = f" ~{fmt.tokens(thought.estimated_tokens)} tokens" if thought.estimated_tokens else ""
    pending: Line = () if thought.recorded else ((f"  …{length}", "live"),)
    return Block(key, tone, (("Thought", tone), (f"  {source}", "muted"), *pending), text=thought.text, form="prose")


def withheld_amount(thought: Thought, before: str) -> str:
    """How much is kept back, as far as that is told."""
    amount = f"{before}{fmt.size(thought.bytes)}" if thought.bytes else ""
    return amount + (f"{before}~{fmt.tokens(thought.estimated_tokens)} tokens" if thought.estimated_tokens else "")


def _tool(number: int, tool: Tool) -> Block:
    heading: list[Span] = [("Tool ", "tool"), (fmt.one_line(tool.tool), "strong")]
    if tool.injected:
        heading.append((f"  by the bridge, {fmt.one_line(tool.server_url)}", "muted"))
    elif tool.tool_call_id:
        heading.append((f"  {fmt.one_line(tool.tool_call_id)}", "muted"))
    lines: tuple[Line, ...] = ()
    if tool.error:
        lines = ((("✗ ", "bad"), (fmt.one_line(tool.error), "bad")),)
    text, form = arguments(tool.arguments)
    return Block(f"tool {number}", "tool", tuple(heading), lines, text[: LIMITS.text_bytes], form=form, folds=True)


def _note(note: Note) -> Line:
    return (f"{fmt.one_line(note.kind)}  ", "plain"), (fmt.one_line(note.text), "muted")


def _served(request: Interception) -> Line:
    """What really answered, where that is not just what was asked for."""
    served = request.served
    if served is None:
        return ()
    model = served.model if served.model != request.started.model else None
    words = [fmt.one_line(word) for word in (model, served.service_tier, served.speed) if word]
    return (("served by ", "muted"), (" ".join(words), "plain")) if words else ()


def _end(request: Interception) -> Block:
    glyph, tone = mark(request)
    status: list[Span] = [(f"HTTP {request.status}", "plain")] if request.status is not None else []
    heading = _join([(f"{glyph} {phase_label(request)}", tone), *status, (fmt.duration(request.duration_ms), "plain")])
    lines: list[Line] = []
    if request.error:
        error_tone: Tone = "muted" if request.outcome is Outcome.CANCELLED else "bad"
        lines.append(((fmt.one_line(request.error), error_tone),))
    if served := _served(request):
        lines.append(served)
    if request.tokens:
        lines.append(_spent(request))
    times = {"first byte": request.first_byte_ms, "first token": request.first_token_ms}
    known: list[Span] = [
        (f"{name} {fmt.duration(value)}", "muted") for name, value in times.items() if value is not None
    ]
    if request.bytes_out:
        known.append((f"{fmt.size(request.bytes_out)} relayed", "muted"))
    if known:
        lines.append(_join(known))
    return Block("end", tone, heading, tuple(lines))


def _spent(request: Interception) -> Line:
    used = request.tokens
    if used is None:
        return ()
    cached = f" ({fmt.tokens(used.cache_read_input)} from cache)" if used.cache_read_input else ""
    parts: list[Span] = [
        (f"in {fmt.tokens(tokens_in(request))}{cached}", "plain"),
        (f"out {fmt.tokens(used.output)}", "plain"),
    ]
    parts += [(f"{fmt.words(name)} {fmt.tokens(count)}", "muted") for name, count in used.extra.items() if count]
    if used.cost_usd is not None:
        parts.append((fmt.spent(used), "plain"))
    if used.partial:
        parts.append(("counted until it broke off", "warn"))
    return _join(parts)
