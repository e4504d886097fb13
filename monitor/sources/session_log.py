"""A session as a log that can be played again, made of what the monitor holds of its requests.

Where the monitor has seen a request from its first event on, its trace has the times: a run of pieces of a text is
spread over the time that it took. Of what only a snapshot or the record tells, the beginning, the attempts and the end
are known; what lies between is spread over that time by the length of its texts, and counted as estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from attrs import evolve, frozen

from bridge.events.entries import Interception, Result, Thought, Tool
from bridge.events.picture import Picture
from bridge.events.vocabulary import (
    AnswerDelta,
    AttemptFailed,
    AttemptStarted,
    ContextChanged,
    Event,
    InterceptionEnded,
    InterceptionStarted,
    ModelServed,
    Noted,
    PromptRecorded,
    ResponseStarted,
    ThoughtDelta,
    ThoughtRecorded,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
    ToolResultBrought,
)
from bridge.events.wire import PROTOCOL, Envelope, Hello, Snapshot, encode
from monitor.sources.event_log import LogEntry
from monitor.state.trace import Trace, TraceEntry

PIECE_S = 0.1
"""Seconds between two pieces of a text: what is painted is not finer."""

PIECES = 20_000
"""Pieces of texts in a whole log, shared by its requests; each text has one at least."""

Moment = tuple[datetime, Event]


@frozen
class SessionLog:
    """What is to be played, and how many of its requests have times that are estimated."""

    entries: list[LogEntry]
    estimated: int


def session_log(requests: Sequence[Interception], trace: Callable[[str], Trace], now: datetime) -> SessionLog:
    """The log of requests, at least one, in the order in which they came; what still runs is over at `now`."""
    share = PIECES // len(requests)
    moments: list[Moment] = []
    estimated = 0
    for request in requests:
        known = trace(request.id)
        if known.whole and known.entries and not known.left_out:
            moments += _as_seen(request, known, share)
        else:
            moments += _estimated(request, share, now)
            estimated += 1
    moments.sort(key=lambda moment: moment[0])  # a stable one: what happened at one time stays in its order
    begin = moments[0][0]
    entries = [LogEntry(begin, Hello(PROTOCOL, "", 0, "", begin), 0)]
    entries.append(LogEntry(begin, encode(Snapshot.of(Picture(), 0, begin)), 0))
    entries += [LogEntry(at, Envelope(seq, at, event), seq) for seq, (at, event) in enumerate(moments, 1)]
    return SessionLog(entries, estimated)


def _as_seen(request: Interception, trace: Trace, share: int) -> Iterator[Moment]:
    """What was seen, with its texts whole again as far as the picture has them."""
    texts = _Texts(request)
    runs = sum(entry.kind in (ThoughtDelta.type, AnswerDelta.type) for entry in trace.entries)
    most = max(1, share // max(1, runs))
    tools, results = iter(request.tools), iter(request.results)
    for entry in trace.entries:
        match entry.event:
            case ThoughtDelta() | AnswerDelta():
                yield from texts.run(entry, most)
            case ThoughtRecorded(index=index):
                thought = texts.thoughts.get(index)
                yield entry.at, entry.event if thought is None else evolve(entry.event, text=thought.text)
            case InterceptionStarted():
                yield entry.at, request.started
            case PromptRecorded():
                yield entry.at, evolve(entry.event, text=request.prompt or entry.event.text)
            case ToolCalled():
                tool = next(tools, None)
                yield entry.at, entry.event if tool is None else _called(request, tool)
            case ToolResultBrought():
                result = next(results, None)
                yield entry.at, entry.event if result is None else _brought(request, result)
            case Event():
                yield entry.at, entry.event


class _Texts:
    """A request's texts, given out again in the pieces in which they came."""

    def __init__(self, request: Interception) -> None:
        self.thoughts: dict[int, Thought] = {thought.index: thought for thought in request.thoughts}
        self._answer = request.answer
        self._given: dict[int | None, int] = {}

    def run(self, entry: TraceEntry, most: int) -> Iterator[Moment]:
        """The pieces of one run, over the time that it took."""
        begins = self._given.get(entry.number, 0)
        self._given[entry.number] = begins + entry.size
        took = entry.until - entry.at
        match entry.event:
            case AnswerDelta() as event:
                for at, piece in _pieces(self._answer[begins : begins + entry.size], entry.at, took, most):
                    yield at, evolve(event, text=piece)
            case ThoughtDelta(index=index) as event:
                thought = self.thoughts.get(index)
                text = thought.text[begins : begins + entry.size] if thought is not None else ""
                for at, piece in _pieces(text, entry.at, took, most):
                    yield at, evolve(event, text=piece)
                if not entry.size and thought is not None:  # of one that is withheld, only a length was told
                    yield entry.until, evolve(event, estimated_tokens=thought.estimated_tokens)


def _pieces(text: str, at: datetime, took: timedelta, most: int) -> Iterator[tuple[datetime, str]]:
    """A text in equal pieces over that time, at most so many."""
    count = min(max(1, int(took.total_seconds() / PIECE_S)), most, len(text))
    for number in range(count):
        begin, end = (len(text) * place // count for place in (number, number + 1))
        yield at + took * number / max(1, count - 1), text[begin:end]


def _called(request: Interception, tool: Tool) -> ToolCalled:
    return ToolCalled(
        request.id, tool.response_id, tool.tool_call_id, tool.tool, tool.arguments,
        injected=tool.injected, server_url=tool.server_url, error=tool.error,
    )  # fmt: skip


def _brought(request: Interception, result: Result) -> ToolResultBrought:
    return ToolResultBrought(request.id, result.tool_call_id, result.bytes, result.is_error, result.text)


def _estimated(request: Interception, share: int, now: datetime) -> Iterator[Moment]:
    """What came of a request, with the times that are known and the others in between."""
    id_, begin = request.id, request.started_at
    end = max(begin, request.ended_at or now)
    yield begin, request.started
    if request.context is not None:
        context = request.context
        flags = context.system_changed, context.tools_changed
        yield begin, ContextChanged(id_, context.messages, context.added, context.removed, *flags)
    for result in request.results:
        yield begin, _brought(request, result)
    begun = [attempt.started_at for attempt in request.attempts]
    for attempt, following in zip(request.attempts, [*begun[1:], end], strict=False):
        at = min(max(attempt.started_at, begin), end)
        yield at, AttemptStarted(id_, attempt.attempt, attempt.key)
        over = min(max(following, at), end)
        if attempt.reason is not None:
            fate = attempt.status, attempt.reason, attempt.cooldown_s, attempt.cause_text
            yield over, AttemptFailed(id_, attempt.attempt, attempt.key, *fate)
        elif attempt.status is not None:
            head = begin + timedelta(milliseconds=request.first_byte_ms or 0)
            served = ResponseStarted(id_, attempt.attempt, attempt.status, request.upstream_request_id)
            yield min(max(head, at), over), served
    first = min(begin + timedelta(milliseconds=request.first_token_ms or request.first_byte_ms or 0), end)
    if request.prompt:
        yield first, PromptRecorded(id_, "", request.prompt)
    yield from _told(request, first, end, share)
    yield from _over(request, end)


def _told(request: Interception, first: datetime, end: datetime, share: int) -> Iterator[Moment]:
    """Thoughts, calls and the answer, each for as long as its text is."""
    id_ = request.id
    lengths = [len(thought.text) + 1 for thought in request.thoughts] + [1] * len(request.tools)
    lengths.append(len(request.answer) + 1)
    whole, at = sum(lengths), first
    most = max(1, share // len(lengths))
    takes = iter([(end - first) * length / whole for length in lengths])
    for thought in request.thoughts:
        took = next(takes)
        source = thought.source
        if source is not None:
            for moment, piece in _pieces(thought.text, at, took, most):
                yield moment, ThoughtDelta(id_, thought.index, source, piece)
        at += took
        if thought.withheld is not None:
            size = thought.bytes, thought.estimated_tokens
            yield at, ThoughtWithheld(id_, None, thought.index, thought.withheld, *size)
        elif thought.recorded and source is not None:
            yield at, ThoughtRecorded(id_, None, thought.index, source, thought.text)
    for tool in request.tools:
        at += next(takes)
        yield at, _called(request, tool)
    for moment, piece in _pieces(request.answer, at, next(takes), most):
        yield moment, AnswerDelta(id_, piece)


def _over(request: Interception, end: datetime) -> Iterator[Moment]:
    id_, served, used = request.id, request.served, request.tokens
    if served is not None:
        yield end, ModelServed(id_, served.model, served.service_tier, served.speed, served.asked)
    for note in request.notes:
        yield end, Noted(id_, note.kind, note.text)
    if used is not None:
        yield (
            end,
            TokensUsed(
                id_, None, input=used.input, output=used.output, cache_read_input=used.cache_read_input,
                cache_write_input=used.cache_write_input, extra=dict(used.extra), cost_usd=used.cost_usd,
                context_window=used.context_window, cache_saved_usd=used.cache_saved_usd, partial=used.partial,
            ),
        )  # fmt: skip
    if request.outcome is not None:
        yield (
            end,
            InterceptionEnded(
                id_, request.outcome, request.status, request.error, len(request.attempts),
                error_type=request.error_type, duration_ms=request.duration_ms or 0.0,
                first_byte_ms=request.first_byte_ms, first_token_ms=request.first_token_ms,
                bytes_in=request.bytes_in or 0, bytes_out=request.bytes_out or 0,
                request_equal=request.request_equal, answer_equal=request.answer_equal, added=request.added or [],
            ),
        )  # fmt: skip
