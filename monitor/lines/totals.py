"""The totals view as lines: what was used in the last minute, the last ten, and today; then the same by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from attrs import frozen

from bridge.events.entries import Totals
from monitor.lines import format as fmt
from monitor.lines.span import Line, Span, Tone
from monitor.state.usage import LONG_COUNT, SHORT_COUNT, Breakdown, UsageHistory, errors

By = Literal["models", "clients"]


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
    mark: Callable[[Totals], str] | None = None
    """What `show` puts before a number that is not exact; then it takes that too."""

    def shown(self, sums: Totals) -> str:
        """The number in these sums."""
        value = self.take(sums)
        return self.show(value) if self.mark is None else self.show(value, self.mark(sums))


def _count(value: float | None) -> str:
    return fmt.tokens(None if value is None else int(value))


def _reasoning(sums: Totals) -> float:
    """Tokens thought: the providers count them under names of their own, and within the output."""
    return sum(count for name, count in sums.tokens.extra.items() if "reasoning" in name)


ROWS = (
    TotalsRow("requests", lambda sums: sums.interceptions, _count),
    TotalsRow("input", lambda sums: sums.tokens.input, _count),
    TotalsRow("from cache", lambda sums: sums.tokens.cache_read_input, _count),
    TotalsRow("into cache", lambda sums: sums.tokens.cache_write_input, _count),
    TotalsRow("output", lambda sums: sums.tokens.output, _count),
    TotalsRow("reasoning", _reasoning, _count),
    TotalsRow("cost", lambda sums: sums.tokens.cost_usd, fmt.cost, mark=lambda sums: sums.tokens.cost_mark),
    TotalsRow("failovers", lambda sums: sums.failovers, _count, "warn"),
    TotalsRow("errors", errors, _count, "bad"),
    TotalsRow("cancelled", lambda sums: sums.cancelled, _count, "muted"),
)

TITLE, NUMBER, GAP = 13, 8, 2
WIDE = 130
"""From which width on the day has a sparkline too."""


def breakdown(usage: UsageHistory, window: Window, now: datetime) -> Breakdown:
    """The sums over a window."""
    return usage.on(now) if window.seconds is None else usage.over(now, window.seconds)


def table(usage: UsageHistory, now: datetime, width: int) -> list[Line]:
    """All numbers in all windows, each with its course."""
    sums = [breakdown(usage, window, now) for window in WINDOWS]
    short, day = usage.short.last(now, SHORT_COUNT), usage.long.last(now, LONG_COUNT)
    room = max(0, width - TITLE - len(WINDOWS) * NUMBER - GAP)
    courses = [("last 10 minutes", short, min(room, 60))]
    if width >= WIDE:
        courses = [("last 10 minutes", short, 60), ("last 24 hours", day, min(LONG_COUNT, room - 60 - GAP))]
    head = " " * TITLE + "".join(fmt.fit(window.title, NUMBER, right=True) for window in WINDOWS)
    lines: list[Line] = [((head + "".join(" " * GAP + fmt.fit(name, room) for name, _c, room in courses), "title"),)]
    for row in ROWS:
        line: list[Span] = [(fmt.fit(row.title, TITLE), "muted")]
        line += [_number(row, total.whole) for total in sums]
        for _name, buckets, cells in courses:
            line += [(" " * GAP, "plain"), _course(row, [each.whole if each else None for each in buckets], cells)]
        lines.append(tuple(line))
        if row.title == "requests":
            lines.append(_rates(usage, sums, now))
    return lines


def _number(row: TotalsRow, sums: Totals) -> Span:
    value = row.take(sums)
    return fmt.fit(row.shown(sums), NUMBER, right=True), row.tone if value else "muted"


def _course(row: TotalsRow, tallies: list[Totals | None], cells: int) -> Span:
    values = [(row.take(sums) or 0.0) if sums else 0.0 for sums in tallies]
    return fmt.sparkline(values, cells), row.tone if row.tone != "plain" else "live"


def _rates(usage: UsageHistory, sums: list[Breakdown], now: datetime) -> Line:
    line: list[Span] = [(fmt.fit("a minute", TITLE), "muted")]
    for window, total in zip(WINDOWS, sums, strict=True):
        seconds = window.seconds if window.seconds is not None else _day_s(usage, now)
        rate = total.whole.interceptions / max(1.0, seconds / 60)
        line.append((fmt.fit(f"{rate:.1f}" if rate < 100 else _count(rate), NUMBER, right=True), "muted"))
    return tuple(line)


def _day_s(usage: UsageHistory, now: datetime) -> float:
    """Seconds of today that are accounted for."""
    midnight = now.astimezone(usage.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return fmt.seconds_between(max(midnight, usage.since or now), now)


def since(usage: UsageHistory, now: datetime) -> str:
    """What the title adds: today begins where the monitor, or what the bridge still knew, began."""
    if usage.since is None:
        return ""
    began = usage.since.astimezone(usage.zone)
    if began.date() != now.astimezone(usage.zone).date():
        return ""
    return f" · today since {began:%H:%M}"


NAMED = (
    TotalsRow("requests", lambda sums: sums.interceptions, _count),
    TotalsRow("in", lambda sums: sums.tokens.total_input, _count),
    TotalsRow("out", lambda sums: sums.tokens.output, _count),
    TotalsRow("cost", lambda sums: sums.tokens.cost_usd, fmt.cost, mark=lambda sums: sums.tokens.cost_mark),
    TotalsRow("failed", errors, _count, "bad"),
)


def by_name(usage: UsageHistory, by: By, window: Window, now: datetime, width: int) -> list[Line]:
    """A line for each model or client: its sums in the window, and the course of its requests."""
    named: dict[str, Totals] = getattr(breakdown(usage, window, now), by)
    numbers = len(NAMED) * NUMBER
    course = min(30, width - numbers - 24) if width >= numbers + 24 + 10 else 0
    room = min(28, width - numbers - (course + GAP if course else 0))
    head = fmt.fit(by[:-1], room) + "".join(fmt.fit(row.title, NUMBER, right=True) for row in NAMED)
    lines: list[Line] = [((head, "title"),)]
    order = sorted(named.items(), key=lambda item: (-item[1].tokens.total_input - item[1].tokens.output, item[0]))
    day = window.seconds is None
    buckets = usage.long.last(now, LONG_COUNT) if day else usage.short.last(now, SHORT_COUNT)
    for name, sums in order:
        line: list[Span] = [(fmt.fit(fmt.one_line(name), room), "plain")]
        line += [_number(row, sums) for row in NAMED]
        if course:
            tallies = [getattr(each, by).get(name) if each else None for each in buckets]
            line += [(" " * GAP, "plain"), _course(NAMED[0], tallies, course)]
        lines.append(tuple(line))
    if not order:
        lines.append((("nothing in this time", "muted"),))
    return lines
