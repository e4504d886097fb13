"""An agent as one story to read: each turn a divider, then what was asked, thought, called and answered.

What a tool answered stands below its call, though it is the next request that brings it.

What the single request's story tells of attempts and routes is left out where all went well: here one reads.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import datetime

from attrs import Factory, define, evolve, frozen

from bridge.events.entries import Interception, Result
from bridge.terminal_text import symbols
from monitor.lines import format as fmt
from monitor.lines.blocks import Block
from monitor.lines.marks import compacted, served_other
from monitor.lines.prose import bare
from monitor.lines.request_row import tokens_in
from monitor.lines.request_story import NO_ANSWERS, SEPARATOR, lacks_answer, story_blocks
from monitor.lines.retries import collapse_attempts, collapsed, runs
from monitor.lines.span import Line, Span, Tone
from monitor.lines.verdict import mark, verdict
from monitor.lines.withheld import ThoughtPlace, in_short, with_advice
from monitor.state.phase import running_ms
from monitor.state.sessions import SessionAgent

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


@frozen
class CallAnswer:
    """What came of a tool call: the result that a later request brought, and how long the tool took, if told."""

    result: Result | None
    took_ms: float | None


Answers = dict[str, CallAnswer]
"""By the id of the call."""


Circumstances = tuple[int, ThoughtPlace | None, list[CallAnswer | None], bool]
"""What the blocks of a request depend on beside itself: its number among the turns, which of its thoughts is explained,
what came of its calls, and whether its time has a date."""


@define
class StoryReader:
    """Makes stories. The blocks of a request that has ended change only by what its calls came to, and are kept."""

    _ended: dict[str, tuple[Circumstances, list[Block]]] = Factory(dict)

    def read(
        self, agent: SessionAgent, now: datetime, earlier: int = 0, explained: ThoughtPlace | None = None
    ) -> list[Block]:
        """The whole story of an agent, in reading order; `earlier` turns are known of, but not there. The thought at
        `explained` says why it is withheld, and what to do about it; all others only that they are."""
        blocks: list[Block] = [_not_there(earlier)] if earlier else []
        prompt: str | None = None
        answers = _answers(agent.requests)
        for run in runs(agent.requests, 1 + earlier):
            first = run.requests[0]
            if run.repeated:
                blocks += _marked([collapsed(run, now)], first)
                asked = next((request for request in run.requests if request.prompt), None)
                if asked is not None and asked.prompt != prompt:
                    blocks += _marked([block for block in story_blocks(asked, now) if block.key == "prompt"], asked)
                    prompt = asked.prompt
                continue
            place = explained if explained is not None and explained.request == first.id else None
            came = [answers.get(tool.tool_call_id or "") for tool in first.tools]
            dated = (now - first.started_at).total_seconds() >= fmt.DATED_S
            said = (run.first, place, came, dated)
            known = self._ended.get(first.id)
            if known is not None and known[0] == said and not first.live:
                chapter = known[1]
            else:
                chapter = _chapter(first, run.first, now, last_prompt=prompt, answers=came, explained=place)
                if not first.live:
                    self._ended[first.id] = said, chapter
            blocks += chapter
            prompt = first.prompt or prompt
        return blocks

    def forget(self, known: Container[str]) -> None:
        """Lets go of requests that are not there any more."""
        for id_ in [id_ for id_ in self._ended if id_ not in known]:
            del self._ended[id_]


def _answers(requests: list[Interception]) -> Answers:
    """What is known of the calls, each by the request that brings its result back to the model."""
    calls = {tool.tool_call_id: tool.tool for request in requests for tool in request.tools if tool.tool_call_id}
    answers: Answers = {}
    for request in requests:
        times = request.started.previous_tool_ms or {}
        brought: dict[str, Result | None] = {}
        if request.started.correlating_tool_call_id:
            brought[request.started.correlating_tool_call_id] = None
        brought.update({result.tool_call_id: result for result in request.results if result.tool_call_id})
        for call, result in brought.items():
            if call in calls:
                answers[call] = CallAnswer(result, times.get(call) or times.get(calls[call]))
    return answers


def _chapter(
    request: Interception,
    turn: int,
    now: datetime,
    *,
    last_prompt: str | None,
    answers: list[CallAnswer | None],
    explained: ThoughtPlace | None,
) -> list[Block]:
    blocks = [divider(request, turn, now)]
    withheld = {f"thought {thought.index}": thought for thought in request.thoughts if thought.withheld is not None}
    for told in story_blocks(request, now):
        block, (kind, _, number) = told, told.key.partition(" ")
        if kind == "attempts":
            block = collapse_attempts(block, request)
        if told.key in withheld:
            thought = withheld[told.key]
            is_explained = explained is not None and explained.index == thought.index
            block = with_advice(block, thought, request) if is_explained else in_short(block, thought)
        repeated = kind == "prompt" and request.prompt == last_prompt  # agents send the same prompt with every result
        trouble = {"attempts": _troubled(request), "end": request.error is not None or mark(request)[1] == "bad"}
        if trouble.get(kind, kind in READ and not repeated):
            blocks.append(block)
        if kind == "tool" and (answer := answers[int(number)]) is not None:
            blocks.append(_result(int(number), answer))
    return _marked(blocks, request)


def _marked(blocks: list[Block], request: Interception) -> list[Block]:
    """With the request that they belong to in their keys."""
    return [evolve(block, key=f"{block.key}{MARK}{request.id}") for block in blocks]


def _not_there(turns: int) -> Block:
    heading: Line = ((f"▲ {fmt.plural(turns, 'earlier turn')} · ", "muted"), ("u", "key"), (" loads 50", "muted"))
    return Block("earlier", "faint", heading, rule=True)


def _troubled(request: Interception) -> bool:
    return request.waiting_until is not None or any(attempt.reason for attempt in request.attempts)


def divider(request: Interception, turn: int, now: datetime) -> Block:
    """What stands above a turn: its number, how it went, what it cost, and what was new in its conversation."""
    stands, (glyph, tone) = verdict(request, now), mark(request, now)
    time = fmt.clock(running_ms(request, now) / 1000) if request.live else fmt.duration(request.duration_ms)
    parts: list[Span] = [(fmt.moment(request.started_at, now), "plain")]
    asked: Span = (fmt.one_line(request.started.model or request.started.path), "muted")
    parts.append(served_other(request) or asked)  # what matters is not at the end, where it would be cut
    if request.started.request_class:
        parts.append((fmt.one_line(request.started.request_class), "muted"))
    word = stands.whole if stands.quiet_s is not None else f"{stands.word} {time}"
    parts.append((word, tone if request.live or tone == "bad" else "muted"))
    if request.tokens:
        parts.append((f"{fmt.tokens(tokens_in(request))} in {fmt.tokens(request.tokens.output)} out", "muted"))
    parts += _changes(request)
    line: list[Span] = [(f"{glyph} ", tone), (f"turn {turn}", "strong")]
    for part in parts:
        line += [SEPARATOR, part]
    return Block("request", "faint", tuple(line), rule=True, turns=1)


def outline(request: Interception, turn: int, now: datetime) -> Line:
    """A turn in one line: how it went, and the first words of what was thought, called or answered."""
    stands, (glyph, tone) = verdict(request, now), mark(request, now)
    thought = next((thought.text for thought in request.thoughts if thought.text), "")
    words = fmt.one_line(bare((thought or request.answer)[:400]), default="")
    tools = ", ".join(fmt.one_line(tool.tool) for tool in request.tools[:3])
    started = fmt.moment(request.started_at, now)
    line: list[Span] = [(f"{turn:>4} ", "strong"), (f"{glyph} ", tone), (started, "muted")]
    unheard: Span | None = (NO_ANSWERS, "muted") if lacks_answer(request) and not words else None
    for part in ((stands.word, "muted") if tone != "good" else None, (tools, "tool"), (words, "plain"), unheard):
        if part is not None and part[0]:
            line += [SEPARATOR, part]
    return tuple(line)


def _changes(request: Interception) -> Iterator[Span]:
    """+3 messages · system changed, against the turn before."""
    context = request.context
    if context is None:
        return
    if context.added or context.removed:
        counts = [f"{sign}{count}" for sign, count in (("+", context.added), ("-", context.removed)) if count]
        noun = "message" if counts in (["+1"], ["-1"]) else "messages"
        yield f"{' '.join(counts)} {noun}", "warn" if compacted(request) else "muted"
    if compacted(request):
        yield "⧉ compacted", "warn"
    for changed, what in ((context.system_changed, "system"), (context.tools_changed, "tools")):
        if changed:
            yield f"{what} changed", "warn"


def _result(number: int, answer: CallAnswer) -> Block:
    """What a tool answered: its beginning, and how long it is in all."""
    result = answer.result
    failed = result is not None and result.is_error
    tone: Tone = "bad" if failed else "muted"
    heading: list[Span] = [("Failed" if failed else "Result", tone)]
    if result is not None:
        shown = len(result.text.encode(errors="replace"))
        cut = f", the first {fmt.size(shown)} of it" if shown < result.bytes else ""
        heading.append((f"  {fmt.size(result.bytes)}{cut}", "muted"))
    if answer.took_ms is not None:
        heading.append((f"  after {fmt.duration(answer.took_ms)}", "muted"))
    return Block(f"result {number}", tone, tuple(heading), text=result.text if result else "", folds=True)


def plain(blocks: list[Block]) -> str:
    """Blocks as text to copy: harmless, and whole."""
    parts = []
    for block in blocks:
        lines = ["".join(text for text, _tone in line) for line in (block.heading, *block.lines, *block.hidden)]
        parts.append("\n".join([*lines, symbols(block.text.rstrip("\n"))] if block.text else lines))
    return "\n\n".join(parts) + "\n"
