"""One request as the steps it took across the bridge, each told in a sentence. Pure: an interception becomes steps.

The steps are what events said, in the order in which a person understands them: the way to the provider, with every
key that failed; the way back; what the reader found in its copy; how it ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from attrs import frozen

from bridge.events.entries import Attempt, Interception, Thought
from bridge.events.values import FailureReason, Outcome, ThoughtSource
from monitor.lines import format as fmt
from monitor.lines.request_row import tokens_in
from monitor.lines.request_story import WITHHELD
from monitor.lines.span import Tone
from monitor.lines.tool_arguments import arguments


class Place(StrEnum):
    """Where in the bridge, or beside it, a step happens."""

    CLIENT = "client"
    GUARD = "guard"
    POOL = "pool"
    ATTEMPT = "attempt"
    UPSTREAM = "upstream"
    RELAY = "relay"
    READER = "reader"
    EVENTS = "events"


@frozen
class WalkthroughStep:
    """One step. `key` names it within its request; `event` is what a subscriber hears of it; `quote` is text from
    outside, raw. `attempt` and `hint` say which try of which key is under way."""

    key: str
    place: Place
    text: str
    event: str = ""
    quote: str = ""
    tone: Tone = "live"
    attempt: int = 0
    hint: str = ""


FOR_GOOD = {FailureReason.UNAUTHORIZED, FailureReason.FORBIDDEN}

THINKS = {
    ThoughtSource.REASONING_SUMMARY: "The provider lets out a summary of what the model thinks.",
    ThoughtSource.COMMENTARY: "The model comments on its work, for whoever watches.",
    ThoughtSource.THINKING: "The model thinks aloud.",
}


def steps(request: Interception) -> list[WalkthroughStep]:
    """All that has happened to it so far, at least one step."""
    return [
        _request(request),
        _let_in(request),
        *_tried(request),
        *_relayed(request),
        *_found(request),
        *_ended(request),
    ]


def _request(request: Interception) -> WalkthroughStep:
    started = request.started
    how = "to be streamed" if started.streaming else "in one piece"
    what = f"an answer of {fmt.one_line(started.model)}, {how}" if started.model else f"an answer {how}"
    text = (
        f"{fmt.one_line(started.client)} asks for {what}: {fmt.one_line(started.method)} {fmt.one_line(started.path)}."
    )
    return WalkthroughStep("asked", Place.CLIENT, text, "interception.started")


def _let_in(request: Interception) -> WalkthroughStep:
    checked = "The guard checks that the request comes from this machine and from no web page."
    if request.outcome is Outcome.REJECTED and not request.attempts:
        return WalkthroughStep("guard", Place.GUARD, checked, tone="warn")
    if request.started.credential.kind == "byok":
        whose = "It brings a key of its own, so it goes with that one alone, and the pool is left out of it."
    elif request.started.initiator:
        whose = f"The token is {fmt.one_line(request.started.initiator)}'s, who may use the pool of keys."
    else:
        whose = "It brings no key of its own, so it may use the pool of keys."
    return WalkthroughStep("guard", Place.GUARD, f"{checked} {whose}")


def _tried(request: Interception) -> Iterator[WalkthroughStep]:
    for attempt in request.attempts:
        yield from _attempt(request, attempt)
    if request.waiting_until is not None:
        text = "Every key is cooling down. Rather than fail, the request waits for the first that is ready again."
        yield WalkthroughStep("waiting", Place.POOL, text, "interception.waiting", tone="warn")


def _attempt(request: Interception, attempt: Attempt) -> Iterator[WalkthroughStep]:
    number, hint, provider = attempt.attempt, fmt.one_line(attempt.key), fmt.one_line(request.started.provider)
    if request.started.credential.kind != "byok":
        text = f"The pool of {provider} hands out the first key that is healthy: {hint}."
        if number > 1:
            text = f"The client has seen nothing yet, so the next healthy key may try: {hint}."
        yield WalkthroughStep(f"pool {number}", Place.POOL, text, attempt=number, hint=hint)
    text = f"Attempt {number}: the request goes out as it came, byte for byte, with this key in its header."
    yield WalkthroughStep(f"attempt {number}", Place.ATTEMPT, text, "attempt.started", attempt=number, hint=hint)
    answer = WalkthroughStep(f"upstream {number}", Place.UPSTREAM, "", attempt=number, hint=hint)
    if attempt.reason is not None:
        yield _failed(answer, attempt, provider)
    elif attempt.status is not None:
        yield _answered(answer, attempt, provider)


def _failed(answer: WalkthroughStep, attempt: Attempt, provider: str) -> WalkthroughStep:
    status = f"{attempt.status}, " if attempt.status is not None else ""
    then = ""
    if attempt.reason in FOR_GOOD:
        then = " This key is not tried again."
    elif attempt.cooldown_s:
        then = f" The key rests for {fmt.clock(attempt.cooldown_s)}."
    text = f"{provider} refuses: {status}{fmt.words(attempt.reason or '')}.{then}"
    return _evolved(answer, text, "attempt.failed", "bad")


def _answered(answer: WalkthroughStep, attempt: Attempt, provider: str) -> WalkthroughStep:
    if (attempt.status or 0) < 400:
        text = f"{provider} answers {attempt.status}. Once the client sees the first byte, no other key is tried."
        return _evolved(answer, text, "response.started", "good")
    text = f"{provider} answers {attempt.status}. No other key would change that, so it is passed on as it is."
    return _evolved(answer, text, "response.started", "warn")


def _evolved(step: WalkthroughStep, text: str, event: str, tone: Tone) -> WalkthroughStep:
    return WalkthroughStep(step.key, step.place, text, event, "", tone, step.attempt, step.hint)


def _serving(request: Interception) -> Attempt | None:
    last = request.attempts[-1] if request.attempts else None
    return last if last is not None and last.status is not None and last.reason is None else None


def _relayed(request: Interception) -> Iterator[WalkthroughStep]:
    if _serving(request) is None:
        return
    first = (
        f" The first byte came after {fmt.duration(request.first_byte_ms)}."
        if request.first_byte_ms is not None
        else ""
    )
    yield WalkthroughStep(
        "relay", Place.RELAY, f"The relay passes each piece on the moment it arrives, untouched.{first}"
    )


def _found(request: Interception) -> Iterator[WalkthroughStep]:
    """What the reader read in its copy, and where that goes."""
    found: list[WalkthroughStep] = []
    if request.prompt:
        found.append(
            WalkthroughStep("prompt", Place.READER, "It finds what was asked.", "prompt.recorded", request.prompt)
        )
    found.extend(_thought(thought) for thought in request.thoughts)
    for number, tool in enumerate(request.tools):
        text = f"The model calls the client's tool {fmt.one_line(tool.tool)}."
        if tool.injected:
            text = f"The model calls {fmt.one_line(tool.tool)}, a tool that the bridge offers and runs."
        found.append(WalkthroughStep(f"tool {number}", Place.READER, text, "tool.called", arguments(tool.arguments)[0]))
    if request.answer:
        found.append(WalkthroughStep("answer", Place.READER, "The model answers.", "answer.delta", request.answer))
    if request.tokens is not None:
        used = f"{fmt.tokens(tokens_in(request))} tokens in, {fmt.tokens(request.tokens.output)} out"
        price = f", {fmt.spent(request.tokens)}" if request.tokens.cost_usd is not None else ""
        found.append(
            WalkthroughStep("tokens", Place.READER, f"It ends with what was used: {used}{price}.", "tokens.used")
        )
    if not found:
        return
    text = (
        "A copy of every piece goes to the reader, beside the relay: whatever it does, the client never waits for it."
    )
    yield WalkthroughStep("copy", Place.READER, text)
    yield from found
    text = "All that was found are events. The monitor, the record and the metrics hear them; who is slow slows nobody."
    yield WalkthroughStep("events", Place.EVENTS, text)


def _thought(thought: Thought) -> WalkthroughStep:
    key = f"thought {thought.index}"
    if thought.withheld is not None:
        text = f"The model thinks, but there is nothing to read: {WITHHELD[thought.withheld]}."
        return WalkthroughStep(key, Place.READER, text, "thought.withheld", thought.text, "warn")
    event = "thought.recorded" if thought.recorded else "thought.delta"
    text = THINKS[thought.source] if thought.source else "The model thinks."
    return WalkthroughStep(key, Place.READER, text, event, thought.text)


def _ended(request: Interception) -> Iterator[WalkthroughStep]:
    if request.outcome is None:
        return
    took = fmt.duration(request.duration_ms)
    error = f": {fmt.one_line(request.error)}" if request.error else ""
    place = Place.CLIENT
    tone: Tone = "good"
    match request.outcome:
        case Outcome.COMPLETED:
            amount = f"{fmt.size(request.bytes_out)} in " if request.bytes_out else ""
            text = f"The client has its whole answer: {amount}{took}."
            if (request.status or 200) >= 400:
                text, tone = f"The client has its answer, {request.status}, after {took}.", "warn"
        case Outcome.FAILED:
            text, tone = f"It failed after {took}{error}. The client is told in its own API's words.", "bad"
        case Outcome.CANCELLED:
            text = (
                f"It was cancelled after {took}{error}. Upstream is stopped at once: nothing is paid that nobody reads."
            )
            tone = "warn"
        case Outcome.REJECTED:
            place = Place.POOL if request.attempts else Place.GUARD
            text, tone = f"The bridge answers by itself, with {request.status or 'an error'}{error}.", "warn"
    yield WalkthroughStep("ended", place, text, "interception.ended", tone=tone)
