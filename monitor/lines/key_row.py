"""A key as one line: its columns, and which of them there is room for. The countdown is never left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from attrs import frozen
from rich.cells import cell_len

from bridge.events.key_health import Health, KeyName, health, ready_at
from bridge.events.values import RateLimit
from bridge.events.vocabulary import KeyChanged
from monitor.lines import format as fmt
from monitor.lines import key_looks as looks
from monitor.lines.span import Line, Span
from monitor.state.names import Name
from monitor.state.state import MonitorState
from monitor.state.usage import USE_COUNT

HEAD = 25
"""Cells of mark, hint and state, which stand before all columns."""

LEFT = 6
"""Cells of a countdown."""

ROOMY = 100
"""Cells from which on bars are long, and stand in gauges."""

NAME = 12
"""Cells of a provider's name, at most."""

WHO = 44
"""Cells for who uses a key, at most."""


@frozen
class KeySheet:
    """What the rows of one table are drawn from."""

    state: MonitorState
    now: datetime
    users: dict[KeyName, list[Name]]
    columns: tuple[tuple[str, int], ...]
    """Those that are shown, with their cells."""
    bar: int
    """Cells of a cooldown's bar."""
    has_bars: bool
    """Whether a bar stands before what is left in numbers."""
    provider: int = 0
    """Cells of the provider's name, where each key has its own."""

    @property
    def until_cells(self) -> int:
        """Cells from the bar on to the end of what is said of a deadline."""
        widths = dict(self.columns)
        return self.bar + 1 + LEFT + sum(widths[name] + 1 for name in ("until", "source") if name in widths)


TITLES = {
    "until": "until",
    "source": "source",
    "requests": "requests",
    "tokens": "tokens",
    "5h": "5h used",
    "7d": "7d used",
    "course": "10 min",
    "uses": "uses",
    "failed": "fail",
    "cost": "today",
    "who": "now",
}
"""The columns behind the countdown, in their order, by their titles."""

DROPPED = ("cost", "tokens", "until", "course", "requests", "source", "7d", "5h", "who", "failed", "uses")
"""Which column goes first where there is no room for all."""

GAUGE, BAR = 10, 4
"""Cells that what is left takes at least in numbers, and those of the bar before them where the table is not narrow."""

FIXED = {"source": 7, "5h": 9, "7d": 9, "course": 10, "uses": 4, "failed": 4, "cost": 7, "who": 8}


def sheet(state: MonitorState, now: datetime, width: int, *, with_provider: bool = False) -> KeySheet:
    """Which columns the table of that width has: those that any key has something for, and that there is room for."""
    keys = state.picture.keys.values()
    bar = 8 if width >= ROOMY else 6 if width >= 50 else 3
    ends = [at for key in keys for at in [ready_at(key, now)] if at is not None]
    far = any(abs((end - now).total_seconds()) >= fmt.DATED_S for end in ends)
    told: dict[str, Callable[[KeyChanged], object]] = {
        "requests": lambda key: key.limits.requests.remaining is not None,
        "tokens": lambda key: key.limits.tokens.remaining is not None,
        "5h": lambda key: key.limits.five_hours,
        "7d": lambda key: key.limits.seven_days,
    }
    untold = {name for name, tells in told.items() if not any(map(tells, keys))}
    bar_cells = BAR + 1 if width >= ROOMY else 0
    gauges = {name: bar_cells + _widest(name, state, now) for name in ("requests", "tokens")}
    cells = {**FIXED, **gauges, "until": 16 if far else 8}
    widths = {name: cells[name] for name in TITLES if name not in untold}
    named = min(NAME, max((cell_len(key.provider) for key in keys), default=0)) + 1 if with_provider else 0
    room = width - HEAD - named - bar - 1 - LEFT
    for name in DROPPED:
        if sum(each + 1 for each in widths.values()) <= room:
            break
        widths.pop(name, None)
    if "who" in widths:
        widths["who"] = min(WHO, widths["who"] + room - sum(each + 1 for each in widths.values()))
    return KeySheet(state, now, looks.users(state), tuple(widths.items()), bar, bool(bar_cells), named)


def _widest(name: str, state: MonitorState, now: datetime) -> int:
    """Cells for what is left of that limit in numbers, of all keys."""
    limits: Iterator[RateLimit] = (getattr(key.limits, name) for key in state.picture.keys.values())
    numbers = (looks.gauge(limit, now, 0) for limit in limits)
    return max([GAUGE, *(sum(len(text) for text, _tone in spans) for spans in numbers)])


def titles(page: KeySheet) -> Line:
    """The line above all keys."""
    named = fmt.fit("provider", page.provider)
    head = (
        fmt.fit("   key", 16)
        + named
        + fmt.fit("state", HEAD - 16)
        + fmt.fit("ready in", page.bar + 1 + LEFT, right=True)
    )
    names = (fmt.fit(TITLES[name], cells, right=name in RIGHT) for name, cells in page.columns)
    return ((head + "".join(f" {name}" for name in names), "title"),)


RIGHT = ("uses", "failed", "cost")
"""Columns of numbers, which end where the column ends."""


def row(key: KeyChanged, page: KeySheet, *, marked: bool) -> Line:
    """The key's line, which fills its columns exactly."""
    state = health(key, page.now)
    glyph, tone = looks.LOOK[state]
    spans: list[Span] = [
        ("▌" if marked else " ", "live"),
        (f"{glyph} ", tone),
        (f"{fmt.fit(fmt.one_line(key.key), 11)}  ", "plain"),
        (fmt.fit(fmt.one_line(key.provider), page.provider - 1) + " " if page.provider else "", "muted"),
        (fmt.fit(looks.state_word(key, page.now), HEAD - 17), tone),
        (" ", "plain"),
    ]
    spans += looks.fitted(_deadline(key, state, page), page.until_cells)
    uses = _uses(key, page)
    for name, cells in page.columns:
        if name in USES:
            spans += [(" ", "plain"), USES[name](*uses, cells)]
        elif name not in ("until", "source"):
            spans += [(" ", "plain"), *looks.fitted(_cell(name, cells, key, page), cells)]
    return tuple(spans)


def _deadline(key: KeyChanged, state: Health, page: KeySheet) -> Iterator[Span]:
    """How long it rests: a bar that runs down, the time that is left, and when that ends; of a dead key, its future."""
    now, widths = page.now, dict(page.columns)
    at = ready_at(key, now)
    if state is Health.DEAD:
        yield _future(key, page)
    elif state is Health.OFF:
        yield fmt.words(key.reason) if key.reason else _since(key, page), "muted"
    elif at is None:
        until = looks.lasts_till(key, page.state, now)
        if state is Health.SPENT:
            yield "nothing left", "warn"
        elif until:
            text = f"lasts till {until}"
            yield text if len(text) <= page.until_cells else f"till {until}", "muted"
    else:
        yield from looks.cooldown(key, at, page.state, now, page.bar)
        yield fmt.fit(looks.countdown(now, at), LEFT + 1, right=True), "warn" if state is Health.SPENT else "plain"
        if "until" in widths:
            yield f" {fmt.fit(fmt.moment(at, now), widths['until'])}", "muted"
        if "source" in widths:
            yield f" {fmt.one_line(key.source if state is Health.COOLING else 'limits', default='')}", "muted"


def _since(key: KeyChanged, page: KeySheet) -> str:
    began = page.state.ledger.since.get(looks.key_place(key))
    return f"since {fmt.minute(began, page.now)}" if began else ""


def _future(key: KeyChanged, page: KeySheet) -> Span:
    """Since when it is dead and when it is checked, in as many words as there is room for."""
    since = _since(key, page)
    since += " · " if since else ""
    check = looks.countdown(page.now, key.retry_at) if key.retry_at is not None else ""
    texts = [f"{since}next check {check}", f"{since}check {check}", f"next check {check}", f"check {check}", check]
    if not check:
        texts = [since.removesuffix(" · "), ""]
    return next((text for text in texts if len(text) <= page.until_cells), ""), "muted"


def _cell(name: str, cells: int, key: KeyChanged, page: KeySheet) -> list[Span]:
    now, limits = page.now, key.limits
    match name:
        case "requests" | "tokens":
            limit: RateLimit = getattr(limits, name)
            return looks.gauge(limit, now, BAR if page.has_bars else 0)
        case "5h" | "7d":
            return looks.window_gauge(limits.five_hours if name == "5h" else limits.seven_days, now, 4)
        case "cost":
            spent = page.state.usage.key_tokens(looks.key_place(key), now)
            return [(fmt.fit(fmt.spent(spent), cells, right=True), "plain" if spent else "muted")]
        case _:
            return [(looks.who(page.users.get(looks.key_place(key), []), cells), "live")]


def _uses(key: KeyChanged, page: KeySheet) -> tuple[list[float], int]:
    """Its uses over the last ten minutes, and how many of them failed."""
    buckets = page.state.usage.keys.get(looks.key_place(key))
    counted = [] if buckets is None else buckets.last(page.now, USE_COUNT)
    return [float(uses.tried) if uses else 0.0 for uses in counted], sum(uses.failed for uses in counted if uses)


def _course(tried: list[float], _failed: int, cells: int) -> Span:
    return fmt.sparkline(tried, cells) if tried else " " * cells, "live"


def _count(tried: list[float], _failed: int, cells: int) -> Span:
    return fmt.fit(fmt.tokens(int(sum(tried))), cells, right=True), "plain" if any(tried) else "muted"


def _failures(_tried: list[float], failed: int, cells: int) -> Span:
    return fmt.fit(f"{fmt.tokens(failed)}✗" if failed else "", cells, right=True), "bad"


USES: dict[str, Callable[[list[float], int, int], Span]] = {"course": _course, "uses": _count, "failed": _failures}
"""The columns that tell of its uses."""
