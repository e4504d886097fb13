"""A request on a time axis: what it waited for, and how long each part took. Pure; bars first, then lines of cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from attrs import frozen

from bridge.events.entries import Interception
from bridge.events.vocabulary import (
    AnswerDelta,
    AttemptFailed,
    AttemptStarted,
    InterceptionWaiting,
    ResponseStarted,
    ThoughtDelta,
    ThoughtRecorded,
    ThoughtWithheld,
    ToolCalled,
)
from monitor.lines import format as fmt
from monitor.lines.request_story import SOURCES, TONES
from monitor.lines.span import Line, Tone
from monitor.lines.verdict import mark
from monitor.state.phase import phase_label, running_ms
from monitor.state.trace import Trace, TraceEntry

POINT = "◆"
LABEL = (26, 30)
"""Cells for what a bar is, in a narrow place and in a wide one."""

STEPS = (1, 2, 5)

THOUGHT = (ThoughtDelta.type, ThoughtRecorded.type, ThoughtWithheld.type)

Clock = Callable[[datetime], float]
"""From a time to milliseconds since the request began."""


@frozen
class Bar:
    """A part of the request's life in milliseconds from its beginning; a point in time where `end` is None."""

    label: str
    begin: float
    end: float | None
    tone: Tone


def bars(request: Interception, trace: Trace, now: datetime) -> list[Bar]:
    """The parts in the order in which they began, from accepted to the end."""
    return [
        Bar("accepted", 0.0, None, "muted"),
        *sorted(_parts(request, trace, now), key=lambda bar: bar.begin),
        *_end(request),
    ]


def _parts(request: Interception, trace: Trace, now: datetime) -> Iterator[Bar]:
    total = running_ms(request, now)

    def ms(at: datetime) -> float:
        return min(fmt.seconds_between(request.started_at, at) * 1000, total)

    yield from _waits(trace, ms(now) if request.live else total, ms)
    for attempt in request.attempts:
        begin = ms(attempt.started_at)
        failed = _at(trace, AttemptFailed.type, attempt.attempt)
        headers = _at(trace, ResponseStarted.type, attempt.attempt)
        outcome = fmt.words(attempt.reason) if attempt.reason else ""
        label = f"{attempt.attempt} {fmt.one_line(attempt.key)} {outcome or attempt.status or ''}".strip()
        until = failed or headers
        served = attempt.reason is None and attempt is request.attempts[-1]
        end = ms(until) if until else request.first_byte_ms if served and request.first_byte_ms is not None else None
        if end is None and request.live and served:
            end = total
        tone: Tone = "bad" if attempt.reason else "good" if attempt.status is not None else "live"
        yield Bar(label, begin, begin if end is None else max(begin, end), tone)
        if headers is not None and failed is None:
            yield Bar(f"headers {attempt.status or ''}".strip(), ms(headers), None, "good")
    token = request.first_token_ms
    spoke = trace.first(
        ThoughtDelta.type, ThoughtRecorded.type, ThoughtWithheld.type, AnswerDelta.type, ToolCalled.type
    )
    if token is not None or spoke is not None:
        yield Bar("first token", token if token is not None else ms(spoke or now), None, "live")
    yield from _response_bars(request, trace, ms)


def _waits(trace: Trace, total: float, ms: Clock) -> Iterator[Bar]:
    for index, entry in enumerate(trace.entries):
        if entry.kind == InterceptionWaiting.type:
            later = (each.at for each in trace.entries[index + 1 :] if each.kind == AttemptStarted.type)
            end = next(later, None)
            yield Bar("waiting for a key", ms(entry.at), total if end is None else ms(end), "warn")


def _response_bars(request: Interception, trace: Trace, ms: Clock) -> Iterator[Bar]:
    for thought in request.thoughts:
        found = [entry for entry in trace.entries if entry.kind in THOUGHT and entry.number == thought.index]
        if found:
            source = "withheld" if thought.withheld else SOURCES[thought.source] if thought.source else ""
            tone: Tone = "withheld" if thought.withheld else TONES[thought.source]
            yield _span(f"thought, {source}", ms(found[0].at), ms(found[-1].until), tone)
    for entry in trace.entries:
        if entry.kind == ToolCalled.type:
            yield Bar(f"tool {fmt.one_line(entry.text).partition(' ')[0]}", ms(entry.at), None, "tool")
    answer = [entry for entry in trace.entries if entry.kind == AnswerDelta.type]
    if answer:
        yield _span("answer", ms(answer[0].at), ms(answer[-1].until), "answer")


def _span(label: str, begin: float, end: float, tone: Tone) -> Bar:
    """What came in one piece is a point."""
    return Bar(label, begin, end if end > begin else None, tone)


def _at(trace: Trace, kind: str, number: int) -> datetime | None:
    return next((entry.at for entry in trace.entries if entry.kind == kind and entry.number == number), None)


def _end(request: Interception) -> list[Bar]:
    if request.live or request.duration_ms is None:
        return []
    glyph_tone = mark(request)[1]
    return [Bar(phase_label(request), request.duration_ms, None, glyph_tone)]


def lines(shown: list[Bar], total: float, width: int) -> list[Line]:
    """The axis, and each bar under it, as lines of `width` cells."""
    label = LABEL[width >= 100]
    room = max(10, width - label - 16)
    drawn: list[Line] = [((" " * (label + 1), "plain"), (axis(total, room), "title"), ("  begins   took", "title"))]
    for bar in shown:
        took = "" if bar.end is None else fmt.duration(bar.end - bar.begin)
        tail = f" {fmt.fit('+' + fmt.duration(bar.begin), 7, right=True)} {fmt.fit(took, 6, right=True)}"
        drawn.append(((f"{fmt.fit(bar.label, label)} ", "plain"), *_cells(bar, total, room), (tail, "muted")))
    return drawn


def _cells(bar: Bar, total: float, room: int) -> Line:
    def cell(ms: float) -> int:
        return min(room - 1, int(ms / total * room)) if total > 0 else 0

    begin = cell(bar.begin)
    if bar.end is None:
        return ((" " * begin, "plain"), (POINT, bar.tone), (" " * (room - begin - 1), "plain"))
    length = max(1, cell(bar.end) - begin + 1)
    return ((" " * begin, "plain"), ("━" * length, bar.tone), (" " * (room - begin - length), "plain"))


def axis(total: float, room: int) -> str:
    """Round times where they lie, as many as there is room for; `total` is in milliseconds."""
    step = next(size for size in _round_sizes() if total / size <= max(1, room // 12)) if total > 0 else 1.0
    text = [" "] * room
    at = 0.0
    while total > 0 and at <= total:
        place = int(at / total * room)
        name = "0" if at == 0 else fmt.duration(at)
        if place + len(name) <= room:
            text[place : place + len(name)] = name
        at += step
    return "".join(text)


def _round_sizes() -> Iterator[float]:
    """1, 2, 5, 10, … milliseconds; from a minute on, minutes."""
    for power in range(5):
        for size in STEPS:
            if size * 10**power < 60_000:
                yield float(size * 10**power)
    minutes = 1.0
    while True:
        yield minutes * 60_000
        minutes *= 2


def entry_line(entry: TraceEntry, began: datetime) -> Line:
    """An event as a line: when, what, and what it says."""
    offset = fmt.duration(fmt.seconds_between(began, entry.at) * 1000)
    number = "" if entry.number is None else f" {entry.number}"
    many = f" ×{entry.count}" if entry.count > 1 else ""  # noqa: RUF001  the sign for times
    size = f" {fmt.size(entry.size)}" if entry.size else ""
    return (
        (f"{fmt.fit('+' + offset, 7, right=True)} ", "muted"),
        (fmt.fit(f"{entry.kind}{number}", 23), "plain"),
        (f"{many}{size}  ".lstrip() if many or size else "", "muted"),
        (fmt.one_line(entry.text, default=""), "muted"),
    )
