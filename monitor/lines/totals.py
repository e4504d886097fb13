"""The totals view as lines: what was used in the last minute, the last ten, today, and since the bridge started.

The last column is the bridge's own count; the others are counted here, from when on the title says. The header shows
the bridge's, or that of today where more is known of it. `in` is all that a model read, with what came from a cache or
went into one. The same by name stands in `monitor/lines/breakdown.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from attrs import frozen

from bridge.events.entries import Totals
from monitor.lines import format as fmt
from monitor.lines.span import Line, Span, Tone
from monitor.state.breakdown import Breakdown, errors
from monitor.state.state import MonitorState
from monitor.state.usage import LONG_COUNT, LONG_S, SHORT_COUNT, SHORT_S, UsageHistory

HOUR_S = 3_600


@frozen
class Window:
    """A stretch of time until now; `seconds` is None for today."""

    title: str
    seconds: int | None


WINDOWS = (Window("1 min", 60), Window("10 min", 600), Window("today", None))


@frozen
class TotalsRow:
    """A number that is counted: how to take it from the sums, how to show it, its tone where there is any."""

    title: str
    take: Callable[[Totals], float | None]
    show: Callable[..., str]
    tone: Tone = "plain"
    minor: bool = False
    """Left out where there is little room."""

    mark: Callable[[Totals], str] | None = None
    """What `show` puts before a number that is not exact; then it takes that too."""

    def shown(self, sums: Totals) -> str:
        """The number in these sums."""
        value = self.take(sums)
        return self.show(value) if self.mark is None else self.show(value, self.mark(sums))


def count(value: float | None) -> str:
    """A number as short as tokens are."""
    return fmt.tokens(None if value is None else int(value))


def _cached(sums: Totals) -> float | None:
    """Which share of the input came from a cache."""
    return sums.tokens.cache_read_input / sums.tokens.total_input if sums.tokens.total_input else None


def _share(value: float | None) -> str:
    return fmt.UNKNOWN if value is None else f"{value:.0%}"


def _reasoning(sums: Totals) -> float:
    """Tokens thought: the providers count them under names of their own, and within the output."""
    return sum(count for name, count in sums.tokens.extra.items() if "reasoning" in name)


ROWS = (
    TotalsRow("requests", lambda sums: sums.interceptions, count),
    TotalsRow("in", lambda sums: sums.tokens.total_input, count),
    TotalsRow("from cache", lambda sums: sums.tokens.cache_read_input, count),
    TotalsRow("cached", _cached, _share),
    TotalsRow("into cache", lambda sums: sums.tokens.cache_write_input, count, minor=True),
    TotalsRow("out", lambda sums: sums.tokens.output, count),
    TotalsRow("reasoning", _reasoning, count, minor=True),
    TotalsRow("cost", lambda sums: sums.tokens.cost_usd, fmt.cost, mark=lambda sums: sums.tokens.cost_mark),
    TotalsRow("cache saved", lambda sums: sums.tokens.cache_saved_usd, fmt.cost, "good", minor=True),
    TotalsRow("failovers", lambda sums: sums.failovers, count, "warn"),
    TotalsRow("errors", errors, count, "bad"),
    TotalsRow("cancelled", lambda sums: sums.cancelled, count, "muted", minor=True),
)

TITLE, NUMBER, GAP = 13, 8, 2
PEAK = 15
"""Cells for the highest rate beside a course."""

WIDE = 130
"""From which width on the day has a sparkline too."""

LOW = 34
"""Lines of the terminal below which minor rows are left out."""


@frozen
class Curve:
    """Sums over time, the oldest first: `seconds` each, as a sparkline of so many cells, with the highest rate in it.

    `window` buckets make the time that the rate is about, `per`.
    """

    title: str
    buckets: list[Totals | None]
    seconds: int
    cells: int
    window: int
    per: str

    @property
    def has_peak(self) -> bool:
        """Whether there is room for a rate."""
        return self.cells >= 2 * PEAK

    def spans(self, row: TotalsRow) -> Line:
        """A row's course."""
        if row.show is _share:  # shares do not add up
            return ((" " * (GAP + self.cells), "plain"),)
        values = [(row.take(sums) or 0.0) if sums else 0.0 for sums in self.buckets]
        tone = row.tone if row.tone != "plain" else "live"
        if not self.has_peak:
            return (" " * GAP, "plain"), (fmt.sparkline(values, self.cells), tone)
        peak = f" max {row.show(self._peak(values))}/{self.per}" if any(values) else ""
        drawn = fmt.sparkline(values, self.cells - PEAK)
        return (" " * GAP, "plain"), (drawn, tone), (fmt.fit(peak, PEAK), "muted")

    def _peak(self, values: list[float]) -> float:
        """The most within `window` buckets that follow each other."""
        sums = [0.0]
        for value in values:
            sums.append(sums[-1] + value)
        ends = range(self.window, len(sums))
        return max((sums[end] - sums[end - self.window] for end in ends), default=sums[-1])

    def axis(self) -> str:
        """Since when, and where half of it is over, below the sparkline."""
        cells = self.cells - PEAK if self.has_peak else self.cells
        per_cell = max(1, -(-len(self.buckets) // max(1, cells)))
        used = -(-len(self.buckets) // per_cell)
        whole = len(self.buckets) * self.seconds
        begin, middle, end = (f"-{fmt.age(whole)}", f"-{fmt.age(whole / 2)}", "now")
        if used < 13:
            return " " * (GAP + self.cells)
        text = fmt.fit(begin, used // 2) + middle
        text = fmt.fit(text, used - len(end)) + end
        return " " * GAP + text.rjust(cells).ljust(self.cells)


def breakdown(usage: UsageHistory, window: Window, now: datetime) -> Breakdown:
    """The sums over a window."""
    return usage.on(now) if window.seconds is None else usage.over(now, window.seconds)


def table(state: MonitorState, now: datetime, width: int, *, low: bool = False) -> list[Line]:
    """All numbers in all windows, each with its course; where it is `low`, without the minor ones."""
    usage, began = state.usage, state.hello.started_at if state.hello else None
    sums = [*(breakdown(usage, window, now).whole for window in WINDOWS), state.picture.totals]
    spans = [*(watched_s(usage, window, now, began) for window in WINDOWS), _bridge_s(state, now)]
    courses = _courses(usage, now, width, width - TITLE - len(sums) * NUMBER)
    heads = "".join(fmt.fit(title, NUMBER, right=True) for title in (*(window.title for window in WINDOWS), "bridge"))
    head = " " * TITLE + heads
    lines: list[Line] = [((head + "".join(" " * GAP + fmt.fit(each.title, each.cells) for each in courses), "title"),)]
    for row in ROWS:
        if low and row.minor:
            continue
        line: list[Span] = [(fmt.fit(row.title, TITLE), "muted")]
        line += [number(row, total) for total in sums]
        for course in courses:
            line += course.spans(row)
        lines.append(tuple(line))
        if row.title == "requests":
            lines.append(_rates("a minute", [(total.interceptions, span / 60) for total, span in pairs(sums, spans)]))
        if row.title == "cost":
            lines.append(_burn(sums, spans))
    lines.append(((" " * len(head) + "".join(course.axis() for course in courses), "faint"),))
    return lines


def pairs(sums: list[Totals], spans: list[float]) -> list[tuple[Totals, float]]:
    """Sums with the seconds that they are about."""
    return list(zip(sums, spans, strict=True))


def _courses(usage: UsageHistory, now: datetime, width: int, room: int) -> list[Curve]:
    def whole(buckets: list[Breakdown | None]) -> list[Totals | None]:
        return [each.whole if each else None for each in buckets]

    short, day = whole(usage.short.last(now, SHORT_COUNT)), whole(usage.long.last(now, LONG_COUNT))
    a_minute, an_hour = 60 // SHORT_S, HOUR_S // LONG_S
    if width < WIDE:
        cells = min(max(0, room - GAP), 60 + PEAK)
        return [Curve("last 10 minutes", short, SHORT_S, cells, a_minute, "min")]
    half = (room - 2 * GAP) // 2
    return [
        Curve("last 10 minutes", short, SHORT_S, min(half, 60 + PEAK), a_minute, "min"),
        Curve("last 24 hours", day, LONG_S, min(half, LONG_COUNT + PEAK), an_hour, "h"),
    ]


def number(row: TotalsRow, sums: Totals) -> Span:
    """One number as a cell."""
    value = row.take(sums)
    return fmt.fit(row.shown(sums), NUMBER, right=True), row.tone if value else "muted"


def _rates(title: str, counts: list[tuple[float, float]]) -> Line:
    """How much in each unit of time: pairs of a count and how many units it is about, which are at least one."""
    line: list[Span] = [(fmt.fit(title, TITLE), "muted")]
    for counted, units in counts:
        rate = counted / max(1.0, units)
        line.append((fmt.fit(f"{rate:.1f}" if rate < 100 else count(rate), NUMBER, right=True), "muted"))
    return tuple(line)


def _burn(sums: list[Totals], spans: list[float]) -> Line:
    """Dollars an hour, at the pace of each window. Less than a minute is taken for one: it says little of an hour."""
    line: list[Span] = [(fmt.fit("burn $/h", TITLE), "muted")]
    for total, span in pairs(sums, spans):
        dollars = total.tokens.cost_usd
        pace = None if dollars is None else dollars / (max(60.0, span) / HOUR_S)
        line.append((fmt.fit(fmt.cost(pace, total.tokens.cost_mark), NUMBER, right=True), "muted"))
    return tuple(line)


def watched_s(usage: UsageHistory, window: Window, now: datetime, bridge_since: datetime | None) -> float:
    """Seconds of a window in which a bridge is known to have run: from its first request on, or from when on this one
    does. Rates of a morning are not thinned out by the night before it."""
    midnight = now.astimezone(usage.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    begins = [at for at in (usage.first, bridge_since) if at is not None]
    begin = max(min(begins, default=now), usage.since or now)
    watched = fmt.seconds_between(begin, now)
    return min(watched, fmt.seconds_between(midnight, now) if window.seconds is None else window.seconds)


def _bridge_s(state: MonitorState, now: datetime) -> float:
    return 0.0 if state.hello is None else fmt.seconds_between(state.hello.started_at, now)


def since(state: MonitorState, now: datetime) -> str:
    """What the title adds: since when there is anything to count, here and in the bridge, and what of it is known."""
    parts = []
    usage, totals = state.usage, state.picture.totals
    if usage.since is not None and usage.since.astimezone(usage.zone).date() == now.astimezone(usage.zone).date():
        parts.append(f"today since {_moment(usage.since, now, usage)}")
    if state.hello is not None:
        parts.append(f"the bridge since {_moment(state.hello.started_at, now, usage)}")
    if totals.forgotten:
        known = totals.interceptions - totals.forgotten
        parts.append(f"{known:,} of its {fmt.plural(totals.interceptions, 'request')} here")
    return "".join(f" · {part}" for part in parts)


def _moment(when: datetime, now: datetime, usage: UsageHistory) -> str:
    there = when.astimezone(usage.zone)
    return f"{there:%H:%M}" if there.date() == now.astimezone(usage.zone).date() else f"{there:%a %d %b %H:%M}"
