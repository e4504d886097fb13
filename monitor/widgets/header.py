"""The top line: which bridge, how the connection stands, and the totals."""

from __future__ import annotations

from datetime import datetime

from rich.cells import cell_len
from textual.strip import Strip

from monitor.lines import format as fmt
from monitor.lines.span import Line, Span
from monitor.lines.verdict import quiet
from monitor.state.state import MonitorState, Status
from monitor.state.usage import errors
from monitor.widgets.line_bar import LineBar
from monitor.widgets.paint import paint

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
        self._left: Line = ()
        self._right: Line = ()

    def show(self, state: MonitorState, url: str | None, now: datetime) -> None:
        """Takes over what is known; paints only what changed."""
        left, right = _left(state, url), _totals(state, now, roomy=self.size.width >= 110)
        if (left, right) != (self._left, self._right):
            self._left, self._right = left, right
            self.refresh()

    def render_line(self, y: int) -> Strip:
        return paint(self, self._fitted(self.size.width) if y == 0 else (), self.size.width)

    def _fitted(self, width: int) -> Line:
        left, right = _cells(self._left), _cells(self._right)
        if left + right + 2 > width:  # the connection's state matters more than the address
            return (*self._left[:1], (" ", "plain"), *self._left[-1:], ("  ", "plain"), *self._right)
        return (*self._left, (" " * (width - left - right), "plain"), *self._right)


def _left(state: MonitorState, url: str | None) -> Line:
    glyph, tone = CONNECTION[state.status]
    address = fmt.one_line(url, default="")
    return (
        (" Clearspan ", "strong"),
        (f" {address.removeprefix('http://')} " if address else "", "muted"),
        (f" {glyph} {state.status}", tone),
    )


def _totals(state: MonitorState, now: datetime, *, roomy: bool) -> Line:
    if state.hello is None:
        return ()
    totals = state.picture.totals
    used = totals.tokens
    running = [request for request in state.picture.interceptions.values() if request.live]
    live, silent = len(running), quiet(running, now)
    failed = errors(totals)
    tokens_in = fmt.tokens(used.total_input)
    spans: list[Span] = [(f"{live} live", "live" if live else "muted")]
    if silent is not None:
        spans.append(silent)
    if roomy:
        spans.append((fmt.plural(totals.interceptions, "request"), "plain"))
        spans.append((f"{tokens_in} in {fmt.tokens(used.output)} out", "plain"))
    else:
        spans.append((f"↑{tokens_in} ↓{fmt.tokens(used.output)}", "plain"))
    if used.cost_usd is not None:
        spans.append((fmt.spent(used), "plain"))
    failovers = fmt.plural(totals.failovers, "failover") if roomy else f"↻{totals.failovers}"
    spans.append((failovers, "warn" if totals.failovers else "muted"))
    spans.append((fmt.plural(failed, "error") if roomy else f"✗{failed}", "bad" if failed else "muted"))
    if state.dropped:
        spans.append((f"{state.dropped} dropped" if roomy else f"-{state.dropped}", "warn"))
    if state.bad_lines:
        spans.append((f"{state.bad_lines} unreadable" if roomy else f"?{state.bad_lines}", "warn"))
    line: list[Span] = []
    for span in spans:
        line += [span, ("  ", "plain")]
    return tuple(line)


def _cells(line: Line) -> int:
    return sum(cell_len(text) for text, _tone in line)
