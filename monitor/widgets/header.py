"""The top line: which bridge, how the connection stands, which keys are ready, and the totals."""

from __future__ import annotations

from datetime import datetime

from rich.cells import cell_len

from bridge.events.key_health import PoolHealth, by_provider
from monitor.lines import format as fmt
from monitor.lines import key_looks as looks
from monitor.lines.span import Line, Span, Tone
from monitor.lines.verdict import quiet
from monitor.state.breakdown import errors
from monitor.state.counted import counted
from monitor.state.state import MonitorState, Status
from monitor.widgets.line_bar import LineBar

CONNECTION: dict[Status, Span] = {
    Status.CONNECTING: ("◌", "warn"),
    Status.LIVE: ("●", "good"),
    Status.STOPPING: ("◍", "warn"),
    Status.LOST: ("✗", "bad"),
    Status.REPLAY: ("▷", "live"),
}


class HeaderBar(LineBar):
    """One line; says more where there is more room."""

    def __init__(self) -> None:
        super().__init__()
        self._known: tuple[MonitorState, datetime, datetime, str | None] | None = None

    def show(self, state: MonitorState, then: datetime, now: datetime, url: str | None) -> None:
        """Takes over what is known, paints what changed. `then` is the time for what runs, `now` for what cools."""
        self._known = (state, then, now, url)
        self.put(line(state, then, now, url, self.size.width))

    def on_resize(self) -> None:
        if self._known is not None:
            self.put(line(*self._known, self.size.width))


def line(state: MonitorState, then: datetime, now: datetime, url: str | None, width: int) -> Line:
    """The header for that width. Where there is no room for all, what says least about the next minutes goes first."""
    keys = _keys(state, now)
    parts = [*_left(state, url), *keys, *_totals(state, then, in_words=True)]
    # Keys that begin to cool, and a countdown that gets shorter, must not make another line of it each time.
    spare = max(0, LONGEST_KEYS - _cells(keys)) if keys else 0
    if _cells(parts) + spare > width:
        parts = [*_left(state, url), *keys, *_totals(state, then, in_words=False)]
    for name in DROPPED:
        if _cells(parts) <= width:
            break
        parts = [part for part in parts if part[0] != name]
    left = [part[1] for part in parts if part[0] in LEFT]
    right = [part[1] for part in parts if part[0] not in LEFT]
    spans = [span for said in right for span in (said, GAP)]
    between = width - _cells(parts) + (len(GAP[0]) if right else 0)
    return (*left, (" " * max(1, between), "plain"), *spans)


Said = tuple[str, Span]
"""Something that the header says, under a name of its own."""

GAP: Span = ("  ", "plain")

LEFT = ("name", "address", "status")

LONGEST_KEYS = len("keys 46/50 · next 59m59s") + 4
"""Cells that keys may come to take at any moment, with what stands around them."""

DROPPED = ("tokens", "requests", "address", "name", "unreadable", "dropped", "failovers", "errors", "cost", "live")
"""What is left out first; the connection's state, who is quiet and the keys always stay."""


def _left(state: MonitorState, url: str | None) -> list[Said]:
    glyph, tone = CONNECTION[state.status]
    address = fmt.one_line(url, default="")
    parts: list[Said] = [("name", (" Clearspan ", "strong"))]
    if address:
        parts.append(("address", (f" {address.removeprefix('http://')} ", "muted")))
    return [*parts, ("status", (f" {glyph} {state.status}", tone))]


def _keys(state: MonitorState, now: datetime) -> list[Said]:
    """How many keys are ready, and when the next one is."""
    pools = [PoolHealth.of(keys, now) for keys in by_provider(state.picture.keys.values()).values()]
    if not pools:
        return []
    whole = PoolHealth.together(pools)
    tone: Tone = "bad" if any(pool.is_out for pool in pools) else "warn" if whole.ready * 2 <= whole.total else "good"
    soon = f" · next {looks.countdown(now, whole.next_at)}" if whole.next_at and whole.ready < whole.total else ""
    return [("keys", (f"keys {whole.ready}/{whole.total}{soon}", tone))]


def _totals(state: MonitorState, now: datetime, *, in_words: bool) -> list[Said]:
    if state.hello is None:
        return []
    known = counted(state, now)
    totals = known.totals
    used = totals.tokens
    running = [request for request in state.picture.interceptions.values() if request.live]
    live, silent = len(running), quiet(running, now)
    failed = errors(totals)
    tokens_in = fmt.tokens(used.total_input)
    parts: list[Said] = [("live", (f"{live} live", "live" if live else "muted"))]
    if silent is not None:
        parts.append(("quiet", silent))
    if in_words:
        parts.append(("requests", (fmt.plural(totals.interceptions, "request") + " today" * known.is_today, "plain")))
        parts.append(("tokens", (f"{tokens_in} in {fmt.tokens(used.output)} out", "plain")))
    else:
        parts.append(("tokens", (f"↑{tokens_in} ↓{fmt.tokens(used.output)}", "plain")))
    if used.cost_usd is not None:
        parts.append(("cost", (fmt.spent(used), "plain")))
    failovers = fmt.plural(totals.failovers, "failover") if in_words else f"↻{totals.failovers}"
    parts.append(("failovers", (failovers, "warn" if totals.failovers else "muted")))
    parts.append(("errors", (fmt.plural(failed, "error") if in_words else f"✗{failed}", "bad" if failed else "muted")))
    if state.dropped:
        parts.append(("dropped", (f"{state.dropped} dropped" if in_words else f"-{state.dropped}", "warn")))
    if state.bad_lines:
        parts.append(("unreadable", (f"{state.bad_lines} unreadable" if in_words else f"?{state.bad_lines}", "warn")))
    return parts


def _cells(parts: list[Said]) -> int:
    """Cells that the parts take, with what stands behind each on the right, and before all of these."""
    right = sum(name not in LEFT for name, _span in parts)
    return sum(cell_len(text) for _name, (text, _tone) in parts) + 2 * right + (2 if right else 0)
