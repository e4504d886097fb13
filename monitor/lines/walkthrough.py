"""One request as the steps it took across the bridge, each told in a sentence. Pure: an interception becomes steps.

The steps are what events said, in the order in which a person understands them: the way to the provider, with every
key that failed; the way back; what the reader found in its copy; how it ended.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.events.entries import Attempt, Interception, Thought
from bridge.events.values import Outcome, ThoughtSource
from monitor.lines import format as fmt
from monitor.lines.request_row import tokens_in
from monitor.lines.request_story import WITHHELD
from monitor.lines.span import Tone
from monitor.lines.walkthrough_attempts import tool_called, tried
from monitor.lines.walkthrough_reasons import Kind
from monitor.lines.walkthrough_step import Place, WalkthroughStep
from monitor.state.trace import Trace

TURNED_AWAY = {401, 403}
"""Statuses of requests that the guard did not let in."""


THINKS = {
    ThoughtSource.REASONING_SUMMARY: "The provider lets out a summary of what the model thinks.",
    ThoughtSource.COMMENTARY: "The model comments on its work, for whoever watches.",
    ThoughtSource.THINKING: "The model thinks aloud.",
}


def steps(request: Interception, trace: Trace | None = None) -> list[WalkthroughStep]:
    """All that has happened to it so far, at least one step. Of waits that are over only its trace knows."""
    return [
        _request(request),
        _let_in(request),
        *tried(request, [] if trace is None else trace.entries),
        *_relayed(request),
        *(() if _under_way(request) else _found(request)),
        *_ended(request),
    ]


def _request(request: Interception) -> WalkthroughStep:
    started = request.started
    how = "to be streamed" if started.streaming else "in one piece"
    what = f"an answer of {fmt.one_line(started.model)}, {how}" if started.model else f"an answer {how}"
    text = (
        f"{fmt.one_line(started.client)} asks for {what}: {fmt.one_line(started.method)} {fmt.one_line(started.path)}."
    )
    return WalkthroughStep("asked", Place.CLIENT, "asked", text, "interception.started")


def _let_in(request: Interception) -> WalkthroughStep:
    checked = "The guard checks that the request comes from this machine and from no web page."
    if request.outcome is Outcome.REJECTED and not request.attempts and (request.status or 0) in TURNED_AWAY:
        return WalkthroughStep("guard", Place.GUARD, "guard", checked, tone="warn")
    kind: Kind = "guard"
    if request.started.credential.kind == "byok":
        kind = "own key"
        whose = "It brings a key of its own, so it goes with that one alone, and the pool is left out of it."
    elif request.started.initiator:
        whose = f"The token is {fmt.one_line(request.started.initiator)}'s, who may use the pool of keys."
    else:
        whose = "It brings no key of its own, so it may use the pool of keys."
    return WalkthroughStep("guard", Place.GUARD, kind, f"{checked} {whose}")


def _serving(request: Interception) -> Attempt | None:
    last = request.attempts[-1] if request.attempts else None
    return last if last is not None and last.status is not None and last.reason is None else None


def _under_way(request: Interception) -> bool:
    """Whether an attempt is not answered yet. What rounds before it brought is then told after it."""
    last = request.attempts[-1] if request.attempts else None
    return request.live and last is not None and last.status is None and last.reason is None


def _relayed(request: Interception) -> Iterator[WalkthroughStep]:
    if _serving(request) is None:
        return
    first = (
        f" The first byte came after {fmt.duration(request.first_byte_ms)}."
        if request.first_byte_ms is not None
        else ""
    )
    text = f"The relay passes each piece on the moment it arrives, untouched.{first}"
    if any(tool.injected for tool in request.tools):
        text = f"The relay passes each round on as it comes, as one answer, without the calls of its own tools.{first}"
    yield WalkthroughStep("relay", Place.RELAY, "relay", text)


def _found(request: Interception) -> Iterator[WalkthroughStep]:
    """What the reader read in its copy, and where that goes."""
    found: list[WalkthroughStep] = []
    if request.prompt:
        text = "It finds what was asked."
        found.append(WalkthroughStep("prompt", Place.READER, "prompt", text, "prompt.recorded", request.prompt))
    found.extend(_thought(thought) for thought in request.thoughts)
    found.extend(tool_called(tool, number, request) for number, tool in enumerate(request.tools) if not tool.injected)
    if request.answer:
        text = "The model answers."
        found.append(WalkthroughStep("answer", Place.READER, "answer", text, "answer.delta", request.answer))
    if request.tokens is not None:
        used = f"{fmt.tokens(tokens_in(request))} tokens in, {fmt.tokens(request.tokens.output)} out"
        price = f", {fmt.spent(request.tokens)}" if request.tokens.cost_usd is not None else ""
        text = f"It ends with what was used: {used}{price}."
        found.append(WalkthroughStep("tokens", Place.READER, "tokens", text, "tokens.used"))
    if not found:
        return
    text = (
        "A copy of every piece goes to the reader, beside the relay: whatever it does, the client never waits for it."
    )
    yield WalkthroughStep("copy", Place.READER, "copy", text)
    yield from found
    text = "All that was found are events. The monitor, the record and the metrics hear them; who is slow slows nobody."
    yield WalkthroughStep("events", Place.EVENTS, "events", text)


def _thought(thought: Thought) -> WalkthroughStep:
    key = f"thought {thought.index}"
    if thought.withheld is not None:
        text = f"The model thinks, but there is nothing to read: {WITHHELD[thought.withheld]}."
        return WalkthroughStep(
            key, Place.READER, "withheld", text, "thought.withheld", thought.text, "warn", number=thought.index
        )
    event = "thought.recorded" if thought.recorded else "thought.delta"
    text = THINKS[thought.source] if thought.source else "The model thinks."
    return WalkthroughStep(key, Place.READER, "thought", text, event, thought.text, number=thought.index)


def _ended(request: Interception) -> Iterator[WalkthroughStep]:
    if request.outcome is None:
        return
    took = fmt.duration(request.duration_ms)
    error = f": {fmt.one_line(request.error)}" if request.error else ""
    place = Place.CLIENT
    tone: Tone = "warn"
    kind: Kind = "ended"
    match request.outcome:
        case Outcome.COMPLETED if (request.status or 200) >= 400:
            text = f"The client has its answer, {request.status}, after {took}."
        case Outcome.COMPLETED:
            amount = f"{fmt.size(request.bytes_out)} in " if request.bytes_out else ""
            text, tone = f"The client has its whole answer: {amount}{took}.", "good"
        case Outcome.FAILED:
            kind = "failed"
            text, tone = f"It failed after {took}{error}. The client is told in its own API's words.", "bad"
        case Outcome.CANCELLED:
            kind = "cancelled"
            stopped = "Upstream is stopped at once: nothing is paid that nobody reads."
            text = f"It was cancelled after {took}{error}. {stopped}"
        case Outcome.REJECTED:
            place, kind = (Place.POOL, "no key") if request.attempts else (Place.GUARD, "rejected")
            text = f"The bridge answers by itself, with {request.status or 'an error'}{error}."
    yield WalkthroughStep("ended", place, kind, text, "interception.ended", tone=tone)
