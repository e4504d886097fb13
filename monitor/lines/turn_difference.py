"""What a request changed of the one before of the same agent, as far as events tell it: lines that go, and that come.

The bridge compares whole conversations and tells counts (`context.changed`); of texts it tells the last prompt, what
the turn before answered and called, and the beginnings of results (`tool.result`). So lines that go are known where a
prompt or a setting was replaced; what else went is counted, and what is not recorded is called so.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from bridge.events.entries import Interception, Result, Tool
from bridge.events.values import Outcome, is_beside
from monitor.lines import format as fmt
from monitor.lines.blocks import Block
from monitor.lines.marks import compacted
from monitor.lines.span import Line, Span
from monitor.lines.tool_arguments import arguments, difference

SETTINGS = (
    *("provider", "api", "method", "path", "query", "model", "streaming", "client", "user_agent", "session_id"),
    *("request_class", "agent_type", "initiator"),
)
"""What a request says of itself, in `interception.started`, that may be another than before."""

NOT_TOLD = (
    "texts of the system prompt and of tools",
    "texts of messages that went; images and files",
    "thoughts that the agent sent back",
)


@frozen
class TurnPair:
    """A turn of an agent and the one that it is compared with; turns are counted from 1."""

    request: Interception
    turn: int
    before: Interception | None = None
    turn_before: int = 0


def pair(requests: list[Interception], place: int, earlier: int = 0) -> TurnPair:
    """The turn at that place, and the last one before it that was of the conversation too: titles and summaries are no
    part of it. `earlier` turns come before the first of these."""
    turn = place + 1 + earlier
    for other in range(place - 1, -1, -1):
        if not is_beside(requests[other].started.request_class):
            return TurnPair(requests[place], turn, requests[other], other + 1 + earlier)
    return TurnPair(requests[place], turn)


def compare(turns: TurnPair) -> list[Block]:
    """The difference as blocks: counts, settings, what went, what came, what is not recorded."""
    request, before = turns.request, turns.before
    if before is None:
        why = "the turn before is not known here: u loads older ones" if turns.turn > 1 else "it is the first turn"
        return [_note("counts", ((why, "muted"),))]
    blocks = [_counts(request), *_settings(request, before)]
    changed = [*_gone(request, before), *_come(turns, before)]
    return [*blocks, *changed, _not_told(request, before, bool(changed))]


def _note(key: str, *lines: Line, heading: Line = ()) -> Block:
    return Block(key, "muted", heading or (("Conversation", "strong"),), lines)


def _counts(request: Interception) -> Block:
    context = request.context
    if is_beside(request.started.request_class):
        kind = fmt.one_line(request.started.request_class)
        return _note("counts", ((f"a request of class {kind} is no part of it", "muted"),))
    if context is None:
        return _note("counts", (("the bridge has compared it with none before", "muted"),))
    line: list[Span] = [(f"{context.messages} messages", "plain")]
    if context.added:
        line.append((f"  +{context.added}", "good"))
    if context.removed:
        line.append((f"  -{context.removed}", "bad"))
    if not context.added and not context.removed:
        line.append(("  the same as before", "muted"))
    if compacted(request):
        line.append(("  ⧉ compacted", "warn"))
    lines: list[Line] = [tuple(line)]
    for changed, what in ((context.system_changed, "another system prompt"), (context.tools_changed, "other tools")):
        if changed:
            lines.append((("± ", "warn"), (what, "warn")))
    return _note("counts", *lines)


def _settings(request: Interception, before: Interception) -> Iterator[Block]:
    lines: list[str] = []
    for name in SETTINGS:
        old, new = getattr(before.started, name), getattr(request.started, name)
        if old != new:
            lines += [f"-{name}: {_value(old)}"] if old is not None else []
            lines += [f"+{name}: {_value(new)}"] if new is not None else []
    if lines:
        yield Block("settings", "muted", (("Request", "strong"),), text="\n".join(lines), form="diff")


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else fmt.one_line(str(value))


def _gone(request: Interception, before: Interception) -> Iterator[Block]:
    """What is there no more, as far as it can be told: the prompt, where another one stands in its place."""
    removed = request.context.removed if request.context else 0
    if _is_replaced(request, before):
        lines = difference(before.prompt or "", request.prompt or "")
        yield Block(
            "prompt", "prompt", (("Prompt", "prompt"), ("  replaced", "muted")), text="\n".join(lines), form="diff"
        )
        removed -= 1
    if removed > 0:
        yield Block(
            "removed", "bad", ((f"-{fmt.plural(removed, 'message')}", "bad"), ("  not recorded which", "muted"))
        )


def _is_replaced(request: Interception, before: Interception) -> bool:
    """Whether the prompt before is gone, and not only followed by another: then no more came than went."""
    context = request.context
    if context is None or not request.prompt or not before.prompt or request.prompt == before.prompt:
        return False
    return context.removed > 0 and context.added <= context.removed and not compacted(request)


def _come(turns: TurnPair, before: Interception) -> Iterator[Block]:
    """What came: what the turn before said and called, what its tools answered, what a person asked."""
    request, context = turns.request, turns.request.context
    asked = bool(request.prompt and request.prompt != before.prompt)
    grew = context is not None and context.added > asked and not compacted(request)
    if grew and before.outcome is Outcome.COMPLETED:
        if before.answer:
            heading: Line = (("Answer", "answer"), ("  of the turn before", "muted"))
            yield Block("answer", "answer", heading, text=_added(before.answer), form="diff", folds=True)
        for number, tool in enumerate(before.tools):
            if not tool.injected:
                yield _call(number, tool)
    calls = {tool.tool_call_id: tool.tool for tool in before.tools if tool.tool_call_id}
    for number, result in enumerate(request.results):
        yield _result(number, result, calls)
    if request.prompt and asked and not _is_replaced(request, before):
        yield Block("prompt", "prompt", (("Prompt", "prompt"),), text=_added(request.prompt), form="diff")


def _call(number: int, tool: Tool) -> Block:
    text, _ = arguments(tool.arguments)
    heading: Line = (
        ("Tool ", "tool"),
        (fmt.one_line(tool.tool), "strong"),
        ("  called by the turn before", "muted"),
    )
    return Block(f"tool {number}", "tool", heading, text=_added(text) if text else "", form="diff", folds=True)


def _result(number: int, result: Result, calls: dict[str, str]) -> Block:
    tool = calls.get(result.tool_call_id or "")
    heading: list[Span] = [("Failed" if result.is_error else "Result", "bad" if result.is_error else "muted")]
    if tool:
        heading.append((f" of {fmt.one_line(tool)}", "plain"))
    shown = len(result.text.encode(errors="replace"))
    cut = f", the first {fmt.size(shown)} of it" if shown < result.bytes else ""
    heading.append((f"  {fmt.size(result.bytes)}{cut}", "muted"))
    text = _added(result.text) if result.text else ""
    return Block(f"result {number}", "muted", tuple(heading), text=text, form="diff", folds=True)


def _added(text: str) -> str:
    return "\n".join(f"+{line}" for line in text.splitlines())


def _not_told(request: Interception, before: Interception, changed: bool) -> Block:
    lines: list[str] = []
    context = request.context
    if not changed and context is not None and not context.removed:
        grown = "of what came, nothing is recorded" if context.added else "no text that is recorded changed"
        lines.append(grown)
    turns = (("this turn", request), ("the turn before", before))
    if unknown := [whose for whose, turn in turns if turn.prompt is None]:
        lines.append(f"the prompt of {' and of '.join(unknown)}")
    lines += NOT_TOLD
    return _note("not told", *(((line, "muted"),) for line in lines), heading=(("Not recorded", "muted"),))
