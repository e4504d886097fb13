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
from monitor.lines.prose import TextPlace
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
    prompt_before: str | None = None
    """The last prompt that was told before it: a request that brings results has none of its own."""


def pair(requests: list[Interception], place: int, earlier: int = 0) -> TurnPair:
    """The turn at that place, and the last one before it that was of the conversation too: titles and summaries are no
    part of it. `earlier` turns come before the first of these."""
    request, turn = requests[place], place + 1 + earlier
    known = [other for other in range(place) if not is_beside(requests[other].started.request_class)]
    if not known:
        return TurnPair(request, turn)
    prompt = next((requests[other].prompt for other in reversed(known) if requests[other].prompt), None)
    return TurnPair(request, turn, requests[known[-1]], known[-1] + 1 + earlier, prompt)


def compare(turns: TurnPair) -> list[Block]:
    """The difference as blocks: counts, settings, what went, what came, what is not recorded."""
    request, before = turns.request, turns.before
    if before is None:
        why = "the turn before is not known here: u loads older ones" if turns.turn > 1 else "it is the first turn"
        return [_note("counts", ((why, "muted"),))]
    blocks = [_counts(request), *_settings(request, before)]
    changed = [*_gone(turns), *_come(turns, before)]
    return [*blocks, *changed, _not_told(turns, bool(changed))]


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


def _gone(turns: TurnPair) -> Iterator[Block]:
    """What is there no more, as far as it can be told: the prompt, where another one stands in its place."""
    request = turns.request
    removed = request.context.removed if request.context else 0
    if _is_replaced(turns):
        lines = difference(turns.prompt_before or "", request.prompt or "")
        heading: Line = (("Prompt", "prompt"), ("  replaced", "muted"))
        yield Block("prompt", "prompt", heading, text="\n".join(lines), form="diff")
        removed -= 1
    if removed > 0:
        count = fmt.plural(removed, "message")
        yield Block("removed", "bad", ((f"-{count}", "bad"), ("  not recorded which", "muted")))


def _asks_anew(turns: TurnPair) -> bool:
    return bool(turns.request.prompt) and turns.request.prompt != turns.prompt_before


def _is_replaced(turns: TurnPair) -> bool:
    """Whether the prompt before is gone, and not only followed by another: then no more came than went."""
    context = turns.request.context
    if context is None or turns.prompt_before is None or not _asks_anew(turns):
        return False
    return context.removed > 0 and context.added <= context.removed and not compacted(turns.request)


def _come(turns: TurnPair, before: Interception) -> Iterator[Block]:
    """What came: what the turn before said and called, what its tools answered, what a person asked."""
    request, context = turns.request, turns.request.context
    asked = _asks_anew(turns)
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
    if request.prompt and asked and not _is_replaced(turns):
        yield Block("prompt", "prompt", (("Prompt", "prompt"),), text=_added(request.prompt), form="diff")


def _call(number: int, tool: Tool) -> Block:
    text, form = arguments(tool.arguments)
    heading: Line = (
        ("Tool ", "tool"),
        (fmt.one_line(tool.tool), "strong"),
        ("  called by the turn before", "muted"),
    )
    return Block(
        f"tool {number}", "tool", heading, text=text if form == "diff" else _added(text), form="diff", folds=True
    )


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
    """All of it as added. What is a change already has its own signs, and stays as it is."""
    lines, place = [], TextPlace()
    for line in text.splitlines():
        after = place.after("prose", line)
        lines.append(line if place.is_diff and after.is_diff else f"+{line}")
        place = after
    return "\n".join(lines)


def _not_told(turns: TurnPair, changed: bool) -> Block:
    request, context = turns.request, turns.request.context
    lines: list[str] = []
    if not changed and context is not None and not context.removed:
        lines.append("of what came, nothing is recorded" if context.added else "no text that is recorded changed")
    if request.prompt is None and not request.results:
        lines.append("its prompt")
    lines += NOT_TOLD
    return _note("not told", *(((line, "muted"),) for line in lines), heading=(("Not recorded", "muted"),))
