"""The line under a pane's title: how its agent stands, how fast it writes, how full its context is, what it cost.

Made for three widths; what matters most is there at each. Estimates carry `~`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from attrs import frozen
from rich.cells import cell_len

from bridge.events.entries import Interception, Tokens
from monitor.lines import format as fmt
from monitor.lines.marks import compacted, served_other
from monitor.lines.span import Line, Span, Tone
from monitor.lines.verdict import mark, verdict
from monitor.state.pace import SLOTS, WritingPace
from monitor.state.phase import running_ms

WIDE, MIDDLE = 110, 66
BAR = 8

Pieces = tuple[Span, ...]


@frozen
class VitalsSubject:
    """Whose vitals: an agent's requests, at least one, the newest last; the pace of that one; its session's sums."""

    requests: Sequence[Interception]
    pace: WritingPace | None
    session: Tokens | None

    @property
    def last(self) -> Interception:
        """Its newest request."""
        return self.requests[-1]

    @property
    def counted(self) -> Interception | None:
        """Its newest request whose tokens are known."""
        return next((request for request in reversed(self.requests) if request.tokens), None)


def line(subject: VitalsSubject, now: datetime, width: int) -> Line:
    """All of it that has room."""
    wide, middle = width >= WIDE, width >= MIDDLE
    between: Span = (" · ", "faint") if wide else ("  ", "plain")
    spans: list[Span] = []
    used = 0
    for pieces in _parts(subject, now, wide=wide, middle=middle):
        cells = sum(cell_len(text) for text, _tone in pieces) + (len(between[0]) if spans else 0)
        if used + cells > width:
            break
        spans += [between, *pieces] if spans else pieces
        used += cells
    return tuple(spans)


def _parts(subject: VitalsSubject, now: datetime, *, wide: bool, middle: bool) -> Iterator[Pieces]:
    yield _state(subject.last, now, middle=middle)
    other = served_other(subject.last)
    if other is not None:
        yield ((other if middle else ("≠", "bad")),)
    speed = _speed(subject.last, subject.pace, now, wide=wide, middle=middle)
    if speed:
        yield speed
    context = _context(subject, wide=wide, middle=middle)
    if context:
        yield context
    counted = subject.counted
    if middle and counted is not None and counted.tokens is not None and counted.tokens.total_input:
        share = counted.tokens.cache_read_input / counted.tokens.total_input
        yield ("cache ", "muted"), (f"{share:.0%}", "plain")
    if wide and counted is not None and counted.tokens is not None and counted.tokens.cost_usd is not None:
        yield ("turn ", "muted"), (fmt.spent(counted.tokens), "plain")
    if subject.session is not None and subject.session.cost_usd is not None:
        yield (*((("session ", "muted"),) if wide else ()), (fmt.spent(subject.session), "plain"))
    if middle and not (subject.last.live and subject.last.silence):  # a silence has said for how long already
        yield _last_byte(subject, now, wide=wide)


def _state(request: Interception, now: datetime, *, middle: bool) -> Pieces:
    glyph, _tone = mark(request, now)
    stands = verdict(request, now)
    tone: Tone = stands.tone
    if stands.quiet_s is not None:
        return ((f"{glyph} {stands.whole if middle else stands.short}", tone),)
    time = minutes(running_ms(request, now) / 1000)
    return ((f"{glyph} {stands.word} {time}" if middle else f"{glyph} {time}", tone),)


def minutes(seconds: float) -> str:
    """0:21, 12:05, 1:02:03."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3_600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def _speed(request: Interception, pace: WritingPace | None, now: datetime, *, wide: bool, middle: bool) -> Pieces:
    if not request.live or pace is None:
        return ()
    rate = f"~{fmt.tokens(round(pace.rate(now)))}"
    if not middle:
        return ((f"{rate}t/s", "plain"),)
    course: Pieces = ((f" {fmt.sparkline(pace.course(now), SLOTS)}", "live"),) if wide else ()
    return (rate, "plain"), (" tok/s" if wide else " t/s", "muted"), *course


def context_tone(share: float) -> Tone:
    """How full a context is: from 70 % on one should know, from 85 % on one should act, from 95 % on it is late."""
    if share >= 0.95:
        return "found"
    return "bad" if share >= 0.85 else "warn" if share >= 0.7 else "live"


def _context(subject: VitalsSubject, *, wide: bool, middle: bool) -> Pieces:
    counted = subject.counted
    if counted is None or counted.tokens is None:
        return ()
    used, window = counted.tokens.total_input, counted.tokens.context_window
    label: Pieces = (("ctx ", "muted"),) if middle else ()
    times = sum(map(compacted, subject.requests))
    folds: Pieces = ((f" ⧉{times}", "muted"),) if times and middle else ()
    if not window:
        return *label, (fmt.tokens(used), "plain"), *folds
    tone = context_tone(used / window)
    if not wide:
        return *label, (f"{used / window:.0%}", tone if tone != "live" else "plain"), *folds
    full, empty = fmt.bar(used / window if used * 2 * BAR >= window else 0.0, BAR)
    return *label, (full, tone), (empty, "faint"), (f" {thousands(used)}/{thousands(window)}", "plain"), *folds


def thousands(count: int) -> str:
    """86k, 200k, 1.0M: as exact as a bar is."""
    return str(count) if count < 1_000 else f"{count / 1_000:.0f}k" if count < 999_500 else f"{count / 1_000_000:.1f}M"


def _last_byte(subject: VitalsSubject, now: datetime, *, wide: bool) -> Pieces:
    request = subject.last
    if not request.live:
        ago = fmt.age(fmt.seconds_between(request.ended_at or now, now))
        return ("ended ", "muted"), (f"{ago} ago" if wide else ago, "muted")
    since = subject.pace.last_at if subject.pace else None
    if since is None:
        heard = any(attempt.status is not None and attempt.reason is None for attempt in request.attempts)
        unknown = f"last byte {fmt.UNKNOWN}" if heard else "no byte yet"  # who came later can't know when it was
        return ((unknown if wide else fmt.UNKNOWN, "muted"),)
    seconds = fmt.seconds_between(since, now)
    return *((("last byte ", "muted"),) if wide else ()), (fmt.age(seconds), "muted")
