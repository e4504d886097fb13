"""One readable line per event, for `clearspan tail` and for terminals without a dashboard.

Everything that came from outside is shown with its control characters made visible, so that no model, client or
provider can send commands to the reader's terminal.
"""

from __future__ import annotations

import math
from datetime import datetime
from functools import singledispatch

import orjson

from bridge.events.key_health import PoolHealth
from bridge.events.times import clock
from bridge.events.vocabulary import (
    AnswerDelta,
    AttemptFailed,
    AttemptStarted,
    BridgeStopping,
    CircuitChanged,
    ContextChanged,
    Event,
    EventsDropped,
    InterceptionEnded,
    InterceptionHeard,
    InterceptionSilent,
    InterceptionStarted,
    InterceptionWaiting,
    KeyChanged,
    KeyMoved,
    ModelServed,
    Noted,
    PoolChanged,
    PromptRecorded,
    RecordFailed,
    RecordRecovered,
    ResponseStarted,
    ServerChanged,
    ThoughtDelta,
    ThoughtRecorded,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
    ToolResultBrought,
)
from bridge.events.wire import Envelope
from bridge.terminal_text import TEXT_WIDTH
from bridge.terminal_text import visible_start as visible

CONTINUED = 24
"""Where a line goes on that a terminal is too narrow for: below the type, so that times stand alone."""


def describe(envelope: Envelope, caller: str = "") -> str:
    """The event as a line without newline: time, the interception's first eight characters, type, what happened.

    `caller` is what is known of who made the request, such as `Codex 2`; else the client is named where it asks.
    """
    event = envelope.event
    if isinstance(event, InterceptionStarted):
        text = f"{visible(caller or event.client)} {_describe(event)}"
    else:
        text = f"{visible(caller)}: {_describe(event)}" if caller else _describe(event)
    return line(envelope.at, getattr(event, "id", ""), event.type, text)


def line(at: datetime, request: str, kind: str, text: str) -> str:
    """What happened at a time, of a kind, in a request or in none; the text is one that can be shown."""
    clock = at.astimezone().strftime("%H:%M:%S.") + f"{at.microsecond // 1000:03}"
    return f"{clock}  {visible(request[:8]).ljust(8)}  {kind:<20}  {text}"


def block(text: str, characters: int | None = None) -> str:
    """A text on one line; of a longer one the beginning, and how many characters it has, which are more than those of
    `text` where that is only the beginning."""
    characters = len(text) if characters is None else characters
    size = f" ({characters:,} characters)" if characters > TEXT_WIDTH else ""
    return visible(text) + size


@singledispatch
def _describe(event: Event) -> str:
    return visible(str(event))


@_describe.register
def _(event: InterceptionStarted) -> str:
    form = "stream" if event.streaming else "blocking"
    return visible(f"asks {event.provider} {event.model or '?'} ({event.api}, {form})")


@_describe.register
def _(event: AttemptStarted) -> str:
    return f"attempt {event.attempt} with {visible(event.key)}"


@_describe.register
def _(event: AttemptFailed) -> str:
    cooldown = "" if event.cooldown_s is None else f"; the key cools down for {event.cooldown_s:g} s"
    status = "no answer" if event.status is None else event.status
    return f"attempt {event.attempt} with {visible(event.key)} failed: {status} {event.reason.value}{cooldown}"


@_describe.register
def _(event: InterceptionWaiting) -> str:
    until = f"{event.until.astimezone():%H:%M:%S}"
    return f"no key can be had; waiting until {until}, {event.lane} {event.place}"


@_describe.register
def _(event: InterceptionSilent) -> str:
    return f"silent ({event.kind.value}) since {event.since.astimezone():%H:%M:%S}"


@_describe.register
def _(event: InterceptionHeard) -> str:
    return f"heard again; it had been silent ({event.kind.value}) since {event.since.astimezone():%H:%M:%S}"


@_describe.register
def _(event: ResponseStarted) -> str:
    return visible(f"{event.status} from attempt {event.attempt} ({event.upstream_request_id or 'no request id'})")


@_describe.register
def _(event: PromptRecorded) -> str:
    return block(event.text)


@_describe.register
def _(event: ThoughtDelta) -> str:
    estimate = "" if event.estimated_tokens is None else f"~{event.estimated_tokens} tokens so far"
    return visible(f"#{event.index} {event.source.value}: {event.text or estimate}")


@_describe.register
def _(event: ThoughtRecorded) -> str:
    return block(f"#{event.index} {event.source.value}: {event.text}")


@_describe.register
def _(event: ThoughtWithheld) -> str:
    estimate = "" if event.estimated_tokens is None else f", ~{event.estimated_tokens} tokens"
    return f"#{event.index} withheld ({event.reason.value}, {event.bytes} bytes{estimate})"


@_describe.register
def _(event: AnswerDelta) -> str:
    return visible(event.text)


@_describe.register
def _(event: ToolCalled) -> str:
    return visible(f"{event.tool} {_in_json(event.arguments)}")


def _in_json(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # nested too deep, say
        return str(value)


@_describe.register
def _(event: ToolResultBrought) -> str:
    failed = ", an error" if event.is_error else ""
    return visible(f"{event.tool_call_id or 'a tool'} answered {event.bytes:,} bytes{failed}: {event.text}")


@_describe.register
def _(event: ContextChanged) -> str:
    told = [f"{event.messages} messages, {event.added} new, {event.removed} gone"]
    told += ["the system prompt is another"] * event.system_changed
    told += ["the tools are others"] * event.tools_changed
    return "; ".join(told)


@_describe.register
def _(event: ModelServed) -> str:
    asked, served = event.asked, [word for word in (event.model, event.service_tier, event.speed) if word]
    wanted = [word for word in (asked.model, asked.service_tier, asked.speed) if word and word not in served]
    return visible(" ".join(served) + (f" (asked for {' '.join(wanted)})" if wanted else ""))


@_describe.register
def _(event: Noted) -> str:
    return visible(f"{event.kind}: {event.text}" if event.text else event.kind)


@_describe.register
def _(event: TokensUsed) -> str:
    cached = f", {event.cache_read_input} from cache" if event.cache_read_input else ""
    cost = "" if event.cost_usd is None else f", {'~' if event.partial else ''}${event.cost_usd:.4f}"
    partial = " (counted so far)" if event.partial else ""
    return f"{event.input} in{cached}, {event.output} out{cost}{partial}"


@_describe.register
def _(event: InterceptionEnded) -> str:
    why = f": {visible(event.error)}" if event.error else ""
    status = "no answer" if event.status is None else event.status
    tries = f"{event.attempts} attempt{'' if event.attempts == 1 else 's'}"
    changed = [
        name for name, equal in (("request", event.request_equal), ("answer", event.answer_equal)) if equal is False
    ]
    proof = f"; NOT the same bytes on both sides: {' and '.join(changed)}" if changed else ""
    proof += f"; added: {', '.join(event.added)}" if event.added else ""
    return visible(f"{event.outcome.value} ({status}, {tries}, {event.duration_ms / 1000:.2f} s){proof}") + why


@_describe.register
def _(event: KeyChanged) -> str:
    until = "next check at" if event.source == "check" else "until"
    until = f" {until} {event.retry_at.astimezone():%H:%M:%S}" if event.retry_at else ""
    why = f" ({event.reason})" if event.reason else ""
    gauges = (("requests", event.limits.requests), ("tokens", event.limits.tokens))
    left = [f"{gauge.remaining}/{gauge.limit or '?'} {name}" for name, gauge in gauges if gauge.remaining is not None]
    room = f", {' and '.join(left)} left" if left else ""
    return visible(f"{event.provider} {event.key} is {event.state.value}{why}{until}{room}")


@_describe.register
def _(event: KeyMoved) -> str:
    whose = f"session {event.session_id}" if event.session_id else "a request"
    agent = f", agent {event.agent_id}," if event.agent_id else ""
    cost = f"; {event.cache_lost} tokens of cache are lost" if event.cache_lost else ""
    return visible(f"{whose}{agent} moved from {event.from_} to {event.to} ({event.cause.value}){cost}")


@_describe.register
def _(event: PoolChanged) -> str:
    return visible(f"{event.provider} {pool_in_words(event)}")


def pool_in_words(pool: PoolChanged) -> str:
    """How many of a provider's keys are in service, when the next one is, how long they last, and which share limits.

    An event that stands alone says nothing of what is left on each key: this counts those that nobody refused.
    """
    next_at = f", next at {_time(pool.next_at)}" if pool.next_at else ""
    return "".join(
        [f"{pool.valid} of {pool.total} keys serve{next_at}", *(f", {said}" for said in pool_prospects(pool))]
    )


def pool_prospects(pool: PoolChanged, now: datetime | None = None) -> list[str]:
    """How long a provider's keys last, and which of them share limits, as far as that is known.

    An end that has not come by `now`, though it was told, is not said.
    """
    sure = "" if pool.confidence == "headers" else "~"
    ends = pool.runway_until is not None and (now is None or pool.runway_until > now)
    lasts = [f"lasts till {sure}{_time(pool.runway_until)}"] if pool.runway_until and ends else []
    groups = "; ".join(" ".join(hints) for hints in pool.groups)
    return [*lasts, *([f"limits shared by {groups}"] if groups else [])]


def pool_health_in_words(pool: PoolHealth, now: datetime) -> str:
    """0 of 4 ready · next 8s …QxV7: keys with nothing left are not ready, whatever their state."""
    ready = f"{pool.ready} of {pool.total} ready"
    if pool.next is None or pool.next_at is None or pool.ready == pool.total:
        return ready
    seconds = math.ceil((pool.next_at - now).total_seconds())
    return f"{ready} · next {clock(seconds)} …{pool.next.key.rpartition('...')[2]}"


def _time(at: datetime) -> str:
    return f"{at.astimezone():%H:%M:%S}"


@_describe.register
def _(event: CircuitChanged) -> str:
    return visible(f"{event.provider} {event.endpoint} {event.model or ''} is {event.state}")


@_describe.register
def _(event: ServerChanged) -> str:
    why = f": {event.error}" if event.error else ""
    return visible(f"{event.server} is {event.state.value}, {event.tools} tools{why}")


@_describe.register(RecordFailed)
@_describe.register(RecordRecovered)
def _(event: RecordFailed | RecordRecovered) -> str:
    return visible(f"{event.error or 'writing again'} ({event.queued} waiting)")


@_describe.register
def _(event: EventsDropped) -> str:
    return f"{event.count} events were dropped: too slow"


@_describe.register
def _(event: BridgeStopping) -> str:
    return visible(event.reason)
