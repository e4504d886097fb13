"""What was used, by model, client, session or key: a line for each, those that used most first.

A row stays the same while its name does, wherever it stands; `query` says which requests it is about, as one would type
it in the live view.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, cast

from attrs import Factory, frozen
from rich.cells import cell_len

from bridge.events.entries import Totals
from monitor.lines import format as fmt
from monitor.lines.names import called
from monitor.lines.span import Line, Span
from monitor.lines.totals import GAP, NUMBER, TotalsRow, Window, breakdown, count, number
from monitor.state.breakdown import LONGEST_NAME, OTHER_PAIRS, OTHERS, errors
from monitor.state.names import Roster
from monitor.state.request_list import exactly
from monitor.state.usage import LONG_COUNT, SHORT_COUNT, UsageHistory

By = Literal["models", "clients", "sessions", "keys"]

RowName = str | tuple[str, str]
"""A model's or a client's; a session's client and id; a key's provider and hint."""

COLUMNS = (
    TotalsRow("requests", lambda sums: sums.interceptions, count),
    TotalsRow("in", lambda sums: sums.tokens.total_input, count),
    TotalsRow("out", lambda sums: sums.tokens.output, count),
    TotalsRow("cost", lambda sums: sums.tokens.cost_usd, fmt.cost, mark=lambda sums: sums.tokens.cost_mark),
    TotalsRow("failed", errors, count, "bad"),
)

NAME, SESSION, COURSE = 28, 42, 30
"""Cells that a name, one of a session, and a course take at most."""

LEAST_COURSE = 10


@frozen
class NamedSums:
    """The lines, and whose they are: the first is a head."""

    lines: list[Line] = Factory(list)
    names: list[RowName] = Factory(list)

    def place(self, name: RowName | None) -> range:
        """The lines of that name."""
        if name not in self.names:
            return range(0)
        index = self.names.index(name) + 1
        return range(index, index + 1)


def table(usage: UsageHistory, roster: Roster, by: By, window: Window, now: datetime, width: int) -> NamedSums:
    """The sums in the window, and the course of requests."""
    named: dict[RowName, Totals] = getattr(breakdown(usage, window, now), by)
    numbers = len(COLUMNS) * NUMBER
    longest = SESSION if by == "sessions" else NAME
    fits = width >= numbers + NAME - 4 + LEAST_COURSE
    course = min(COURSE, max(LEAST_COURSE, width - numbers - longest + 4)) if fits else 0
    room = min(max(longest, width - numbers - course - GAP), width - numbers - (course + GAP if course else 0))
    titles = ["tries" if by == "keys" and row.title == "requests" else row.title for row in COLUMNS]
    head = fmt.fit(by[:-1], room) + "".join(fmt.fit(title, NUMBER, right=True) for title in titles)
    lines: list[Line] = [((head, "title"),)]
    order = sorted(named, key=lambda name: (_rank(named[name]), name))
    day = window.seconds is None
    buckets = usage.long.last(now, LONG_COUNT) if day else usage.short.last(now, SHORT_COUNT)
    for name in order:
        line: list[Span] = [(fmt.fit(label(by, name, roster, room), room), "plain")]
        line += [number(row, named[name]) for row in COLUMNS]
        if course:
            each_of = [getattr(each, by).get(name) if each else None for each in buckets]
            values = [float(sums.interceptions) if sums else 0.0 for sums in each_of]
            line += [(" " * GAP, "plain"), (fmt.sparkline(values, course), "live")]
        lines.append(tuple(line))
    if not order:
        lines.append((("nothing in this time", "muted"),))
    return NamedSums(lines, order)


def _rank(sums: Totals) -> tuple[int, int]:
    return -sums.tokens.total_input - sums.tokens.output, -sums.interceptions


def label(by: By, name: RowName, roster: Roster, room: int) -> str:
    """What a row is called, where there is so much room."""
    if isinstance(name, str):
        return fmt.one_line(name)
    if name == OTHER_PAIRS:
        return OTHERS
    first, second = map(fmt.one_line, name)
    if by == "keys":
        whole = f"{first} {second}"  # where it is cut, the end of the key stays: only that tells it from others
        return whole if cell_len(whole) <= room else f"{fmt.fit(first, max(1, room - cell_len(second) - 2))} {second}"
    return called(roster, *name, room) if name[1] else f"{first}, no session"


def query(by: By, name: RowName) -> str | None:
    """The filter that lists a row's requests; None where no filter says that."""
    texts = (name,) if isinstance(name, str) else name
    cut_off = any(len(text) >= LONGEST_NAME for text in texts)
    if name in (OTHERS, OTHER_PAIRS) or cut_off or not texts[-1]:
        return None
    words = list(_words(by, name))
    return None if None in words else " ".join(cast("list[str]", words))


def _words(by: By, name: RowName) -> Iterator[str | None]:
    match by, name:
        case "models", str(model):
            yield exactly("model", model)
        case "clients", str(client):
            yield exactly("client", client)
        case "sessions", (client, session):
            yield exactly("client", client)
            yield exactly("session", session)
        case "keys", (provider, key):
            yield exactly("model", provider)
            yield exactly("key", key)
