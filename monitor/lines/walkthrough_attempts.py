"""The steps of a request between pool and provider: attempts, those that failed, waits for a key, and the rounds in
which a tool of the bridge's own was called. Pure: an interception becomes steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from attrs import evolve

from bridge.events.entries import Attempt, Interception, Tool
from bridge.events.values import FailureReason
from bridge.events.vocabulary import InterceptionWaiting, ToolCalled
from monitor.lines import format as fmt
from monitor.lines.span import Tone
from monitor.lines.tool_arguments import arguments
from monitor.lines.walkthrough_reasons import Kind
from monitor.lines.walkthrough_step import Place, WalkthroughStep
from monitor.state.trace import TraceEntry

LIMITED = {FailureReason.RATE_LIMITED, FailureReason.QUOTA_EXHAUSTED}
FOR_GOOD = {FailureReason.UNAUTHORIZED, FailureReason.FORBIDDEN}


def tried(request: Interception, entries: Sequence[TraceEntry]) -> Iterator[WalkthroughStep]:
    """The attempts; between them the waits, and the calls of tools of the bridge's own, as they came."""
    waits = [entry.at for entry in entries if entry.kind == InterceptionWaiting.type]
    calls = [entry.at for entry in entries if entry.kind == ToolCalled.type]
    told = 0
    before: Attempt | None = None
    for attempt in request.attempts:
        waited = sum(at <= attempt.started_at for at in waits)
        if before is not None and before.reason is None:
            yield from _own_tools(request, calls, before.started_at, attempt.started_at)
        for number in range(told, waited):
            yield _wait(number)
        kind: Kind = "back" if waited > told else "pool" if before is None else "next key"
        yield from _attempt(request, attempt, "next round" if before is not None and before.reason is None else kind)
        told, before = waited, attempt
    if before is not None:
        yield from _own_tools(request, calls, before.started_at, None)
    if request.waiting_until is not None:
        yield _wait(told)


def _own_tools(
    request: Interception, calls: Sequence[datetime], after: datetime, until: datetime | None
) -> Iterator[WalkthroughStep]:
    """Those that were run between two attempts; after the last one where nobody knows when."""
    for number, tool in enumerate(request.tools):
        at = calls[number] if number < len(calls) else None
        if tool.injected and (until is None if at is None else after < at and (until is None or at <= until)):
            yield tool_called(tool, number, request)


def _wait(number: int) -> WalkthroughStep:
    text = "Every key is cooling down. Rather than fail, the request waits for the first that is ready again."
    event = InterceptionWaiting.type
    return WalkthroughStep(f"waiting {number}", Place.POOL, "waiting", text, event, tone="warn", number=number)


def _attempt(request: Interception, attempt: Attempt, kind: Kind) -> Iterator[WalkthroughStep]:
    number, hint, provider = attempt.attempt, fmt.one_line(attempt.key), fmt.one_line(request.started.provider)
    if request.started.credential.kind != "byok":
        text = f"The pool of {provider} hands out the first key that is healthy: {hint}."
        if kind == "back":
            text = f"The wait is over, and {hint} may try again. The client has seen nothing yet."
        elif kind == "next round":
            text = f"The model is asked again, now with what the tool answered. The pool hands out {hint}."
        elif kind == "next key":
            text = f"The client has seen nothing yet, so the next healthy key may try: {hint}."
        yield WalkthroughStep(f"pool {number}", Place.POOL, kind, text, attempt=number, hint=hint)
    text = f"Attempt {number}: the request goes out as it came, byte for byte, with this key in its header."
    event = "attempt.started"
    step = WalkthroughStep(
        f"attempt {number}", Place.ATTEMPT, "attempt", text, event, attempt=number, hint=hint, number=number
    )
    yield with_tools(step) if any(tool.injected for tool in request.tools) or "tools" in (request.added or ()) else step
    if attempt.reason is not None:
        yield _failed(attempt, attempt.reason, hint, provider)
    elif attempt.status is not None:
        yield _answered(attempt, attempt.status, hint, provider)


def with_tools(step: WalkthroughStep) -> WalkthroughStep:
    """An attempt of a request into which tools of the bridge's own were put."""
    added = "the bridge's tools beside the client's own, and this key in its header"
    return evolve(step, kind="with tools", text=f"Attempt {step.attempt}: the request goes out with {added}.")


def _failed(attempt: Attempt, reason: FailureReason, hint: str, provider: str) -> WalkthroughStep:
    status = f"{attempt.status}, " if attempt.status is not None else ""
    then = ""
    kind: Kind = "provider failed" if attempt.status is not None else "no answer"
    if reason in FOR_GOOD:
        kind, then = "key refused", " This key is not tried again."
    elif reason in LIMITED:
        kind = "key limited"
    if attempt.cooldown_s:
        then = f" The key rests for {fmt.clock(attempt.cooldown_s)}."
    text = f"{provider} refuses: {status}{fmt.words(reason)}.{then}"
    number = attempt.attempt
    return WalkthroughStep(
        f"upstream {number}", Place.UPSTREAM, kind, text, "attempt.failed", "", "bad", number, hint, number
    )


def _answered(attempt: Attempt, status: int, hint: str, provider: str) -> WalkthroughStep:
    kind: Kind = "answered"
    tone: Tone = "good"
    number = attempt.attempt
    text = f"{provider} answers {status}. Once the client sees the first byte, no other key is tried."
    if status >= 400:
        kind, tone = "passed on", "warn"
        text = f"{provider} answers {status}. No other key would change that, so it is passed on as it is."
    return WalkthroughStep(
        f"upstream {number}", Place.UPSTREAM, kind, text, "response.started", "", tone, number, hint, number
    )


def tool_called(tool: Tool, number: int, request: Interception) -> WalkthroughStep:
    """A call of the client's tool, or of one of the bridge's own, which the bridge runs."""
    key, event, name = f"tool {number}", ToolCalled.type, fmt.one_line(tool.tool)
    quote = arguments(tool.arguments)[0]
    if not tool.injected:
        text = f"The model calls the client's tool {name}."
        return WalkthroughStep(key, Place.READER, "tool", text, event, quote, number=number)
    result = next((each for each in request.results if each.tool_call_id == tool.tool_call_id), None)
    text = f"The model calls {name}, a tool that the bridge offers. The bridge runs it at its MCP server."
    if result is not None:
        quote = f"{quote}\n→ {result.text}"
    tone: Tone = "live" if tool.error is None else "warn"
    return WalkthroughStep(key, Place.TOOLS, "own tool", text, event, quote, tone, hint=name, number=number)
