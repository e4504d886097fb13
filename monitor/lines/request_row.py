"""The columns of the requests table: what each says of a request, and how they share the width there is.

The more room, the more columns; those that answer "who, with which key, how fast" are there first.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from attrs import frozen

from bridge.events.entries import Interception
from monitor.lines import format as fmt
from monitor.lines import names
from monitor.lines.agent_tree import own_name
from monitor.lines.marks import marks
from monitor.lines.span import Line, Span, Tone
from monitor.lines.verdict import mark, verdict
from monitor.state.names import Name
from monitor.state.request_list import Listing, text_of
from monitor.state.state import MonitorState

GAP = 1


@frozen
class Column:
    """One column. `room` is the width of the table from which on it is shown; `most` lets it grow up to that."""

    title: str
    width: int
    cell: Callable[[Interception, MonitorState, datetime], Span]
    room: int = 0
    most: int = 0
    right: bool = False


def _stands(request: Interception, now: datetime) -> Span:
    stands = verdict(request, now)
    return stands.short, stands.tone


def tokens_in(request: Interception) -> int | None:
    """All tokens of the prompt, those from a cache too."""
    return None if request.tokens is None else request.tokens.total_input


def tokens_per_second(request: Interception, state: MonitorState) -> float | None:
    """Output tokens over the time from the first token to the end; only known once it has ended."""
    first = state.first_token_ms(request)
    if request.tokens is None or first is None or request.duration_ms is None or request.duration_ms - first < 1:
        return None
    return request.tokens.output / (request.duration_ms - first) * 1000


def _session_name(request: Interception, state: MonitorState) -> Name | None:
    """What its session is called, of before this bridge too, where anything tells of it."""
    name, session_id = state.roster.name(request.id), request.started.session_id
    return name if name or not session_id else state.roster.called(request.started.client, session_id)


def _name(request: Interception, state: MonitorState) -> Span:
    name = _session_name(request, state)
    return fmt.one_line(request.started.client) if name is None else names.short(name), "plain"


def _about(request: Interception, state: MonitorState) -> Span:
    agent = state.roster.agent(request.id)
    if agent is not None and agent.agent_id is not None:
        return f"└ {own_name(agent)}", "muted"
    name = _session_name(request, state)
    if name is not None and (name.asked or not request.prompt):
        return names.about(name), "muted"
    return fmt.one_line(" ".join((request.prompt or "")[:200].split())), "muted"  # of before this bridge: no session


def _key(request: Interception) -> Span:
    if request.attempts:
        failed = request.attempts[-1].reason is not None
        return fmt.one_line(request.attempts[-1].key), "warn" if failed else "plain"
    return fmt.one_line(request.started.credential.hint), "muted"


def _marks(request: Interception) -> Span:
    """What is out of the ordinary; the worst of it gives the tone."""
    found = marks(request)
    tones = {tone for _text, tone in found}
    worst: Tone = "bad" if "bad" in tones else "warn" if "warn" in tones else "withheld"
    return "".join(text for text, _tone in found), worst


def _time(request: Interception, now: datetime) -> Span:
    if request.duration_ms is not None:
        return fmt.duration(request.duration_ms), "plain"
    return fmt.clock(fmt.seconds_between(request.started_at, now)), "live"


def _speed(request: Interception, state: MonitorState, now: datetime) -> Span:
    pace = state.paces.get(request.id)
    if request.live and pace is not None:
        return f"~{fmt.tokens(round(pace.rate(now)))}", "muted"
    return fmt.tokens(None if (speed := tokens_per_second(request, state)) is None else round(speed)), "muted"


def _out(request: Interception, state: MonitorState) -> Span:
    count, estimated = state.written(request)
    return f"{'~' if estimated else ''}{fmt.tokens(count)}", "plain"


def _subject(request: Interception) -> Span:
    """The model, marked where the bridge asked for its thoughts; a request that names none is known by its path."""
    badge = "⊕ " if request.added and "thoughts" in request.added else ""
    name = fmt.one_line(request.started.model or request.started.path)
    return badge + name, "plain" if request.started.model else "muted"


NAMED = "agent"

COLUMNS = (
    Column("", 1, lambda request, _state, now: mark(request, now)),
    Column("state", 11, lambda request, _state, now: _stands(request, now), room=77),
    Column(NAMED, 13, lambda request, state, _now: _name(request, state), most=18),
    Column("model", 13, lambda request, _state, _now: _subject(request), most=28),
    Column("about", 10, lambda request, state, _now: _about(request, state), room=112, most=names.WORDS),
    Column("key", 11, lambda request, _state, _now: _key(request), room=55),
    Column("", 5, lambda request, _state, _now: _marks(request)),
    Column(
        "first",
        6,
        lambda request, state, _now: (fmt.duration(state.first_token_ms(request)), "plain"),
        room=97,
        right=True,
    ),
    Column("in", 6, lambda request, _state, _now: (fmt.tokens(tokens_in(request)), "plain"), room=90, right=True),
    Column(
        "out",
        6,
        lambda request, state, _now: _out(request, state),
        room=69,
        right=True,
    ),
    Column("tok/s", 6, _speed, room=106, right=True),
    Column(
        "cost",
        7,
        lambda request, _state, _now: (fmt.spent(request.tokens), "plain"),
        room=120,
        right=True,
    ),
    Column("time", 6, lambda request, _state, now: _time(request, now), right=True),
    Column(
        "age",
        3,
        lambda request, _state, now: (fmt.age(fmt.seconds_between(request.started_at, now)), "muted"),
        room=72,
        right=True,
    ),
)


def shown(width: int) -> list[tuple[Column, int]]:
    """The columns for a table of that many cells, with the width of each; what is left over goes to the flexible."""
    columns = [column for column in COLUMNS if column.room <= width]
    spare = width - sum(column.width for column in columns) - GAP * (len(columns) - 1)
    widths = [column.width for column in columns]
    while spare > 0:
        growing = [i for i, column in enumerate(columns) if widths[i] < column.most]
        if not growing:
            break
        for i in growing[:spare]:
            widths[i] += 1
        spare -= len(growing[:spare])
    return list(zip(columns, widths, strict=True))


def header(layout: list[tuple[Column, int]]) -> Line:
    """The line of titles."""
    return ((" ".join(fmt.fit(column.title, width, right=column.right) for column, width in layout), "title"),)


def row(
    request: Interception,
    state: MonitorState,
    now: datetime,
    layout: list[tuple[Column, int]],
    *,
    hidden: int = 0,
    past: bool = False,
) -> Line:
    """One request as a line of the table; `hidden` others are folded into it. What is past is dim."""
    spans: list[Span] = []
    for column, width in layout:
        text, tone = column.cell(request, state, now)
        if hidden and column.title == NAMED:
            more = f" ▸{hidden}"
            text = fmt.fit(text, width - len(more)).rstrip() + more
        if past:
            tone = "faint"
        spans.append((fmt.fit(text, width, right=column.right), tone))
        spans.append((" " * GAP, "plain"))
    return tuple(spans[:-1])


def title(listing: Listing) -> str:
    """What stands above the table: Requests  202 of 3,912 · rest in the record · following its agent."""
    searched, counted = bool(listing.filter.query.strip()), listing.of_today or listing.total + listing.forgotten
    listed = len(listing.rows) - listing.before + sum(listing.hidden.values()) + listing.before_today
    in_all = listing.total + listing.in_past * bool(listing.of_today) if searched else counted
    today = " today" if listing.of_today and not searched else ""
    parts = [f"Requests  {listed}" + (f" of {in_all:,}{today}" if listed != in_all else "")]
    if searched and listing.found is not None:
        parts.append(f"{listing.found}{'+' * listing.found_more} more in the record")
    elif searched and text_of(listing.filter.query):
        parts.append("searching the record …" if listing.searching else "⏎ searches the record")
    elif counted > listing.total + listing.in_past * bool(listing.of_today):
        parts.append("rest in the record")
    if listing.slowest_first:
        parts.append("slowest first")
    if listing.selection.follow:
        parts.append("following its agent")
    return " · ".join(parts)
