"""A session's turns as bars: was it the model that took so long, or the tools? Pure.

The axis counts the time in which the model or a tool ran; what the person took is left out of it, and said in words.
"""

from __future__ import annotations

from attrs import frozen

from monitor.lines import format as fmt
from monitor.lines.span import Line, Span
from monitor.lines.verdict import mark
from monitor.lines.waterfall import axis
from monitor.state.turn_times import TurnTime

MODEL, TOOLS = "━", "░"

NUMBER, WHAT, TIME = 4, (16, 24), 7
"""Cells for a turn's number, for what came of it (in a narrow place and in a wide one), and for a time."""

PAUSE_MS = 10_000.0
"""A pause of less is not worth a word."""


@frozen
class TurnBars:
    """The lines, of which the first is an axis, and the line of the turn at hand."""

    lines: list[Line]
    here: int


def turn_bars(times: list[TurnTime], at: int, width: int, height: int) -> TurnBars:
    """As many turns as `height` has room for, the one at hand among them, on one axis."""
    room = max(1, height - 1)
    first = min(max(0, at - room // 2), max(0, len(times) - room))
    shown = times[first : first + room]
    total = sum(turn.model_ms + turn.tools_ms for turn in shown)
    what = WHAT[width >= 100]
    cells = max(10, width - NUMBER - 3 - what - 1 - 2 * (TIME + 1))
    heads = f" {fmt.fit('model', TIME, right=True)} {fmt.fit('tools', TIME, right=True)}"
    label = NUMBER + 3 + what
    lines: list[Line] = [((" " * (label + 1), "plain"), (axis(total, cells), "title"), (heads, "title"))]
    gone = 0.0
    for number, turn in enumerate(shown, first + 1):
        lines.append(_line(number, turn, gone, total, (what, cells)))
        gone += turn.model_ms + turn.tools_ms
    return TurnBars(lines, at - first + 1)


def _line(number: int, turn: TurnTime, gone: float, total: float, widths: tuple[int, int]) -> Line:
    what, cells = widths
    glyph, tone = mark(turn.request)
    begin = _cell(gone, total, cells - 1)
    model = max(begin + 1, _cell(gone + turn.model_ms, total, cells))
    end = max(model + (turn.tools_ms > 0), _cell(gone + turn.model_ms + turn.tools_ms, total, cells))
    end = min(end, cells)
    before, after = _pauses(turn.idle_ms, begin, cells - end)
    bar: list[Span] = [
        (fmt.fit(before, begin, right=True), "muted"),
        (MODEL * (model - begin), "live" if turn.request.live else "answer" if tone == "good" else tone),
        (TOOLS * (end - model), "tool"),
        (fmt.fit(after, cells - end), "muted"),
    ]
    tools = fmt.duration(turn.tools_ms) if turn.tools_ms else ""
    return (
        (fmt.fit(str(number), NUMBER, right=True), "muted"),
        (f" {glyph} ", tone),
        (fmt.fit(_what(turn), what) + " ", "plain"),
        *bar,
        (f" {fmt.fit(fmt.duration(turn.model_ms), TIME, right=True)}", "plain"),
        (f" {fmt.fit(tools, TIME, right=True)}", "tool"),
    )


def _pauses(idle_ms: float, before: int, after: int) -> tuple[str, str]:
    """How long nothing happened after a turn: behind its bar, or before it where there is more room."""
    pause = f" pause {fmt.clock(idle_ms / 1000)}"
    if idle_ms < PAUSE_MS or len(pause) <= after:
        return "", pause if idle_ms >= PAUSE_MS else ""
    pause = f"then a pause of {fmt.clock(idle_ms / 1000)} "
    return pause if len(pause) <= before else "", ""


def _cell(ms: float, total: float, cells: int) -> int:
    return min(cells, int(ms / total * cells)) if total > 0 else 0


def _what(turn: TurnTime) -> str:
    """What the turn called, or else did."""
    called = [fmt.one_line(tool.tool) for tool in turn.request.tools]
    if called:
        return ", ".join(dict.fromkeys(called))
    return "answer" if turn.request.answer else "thought" if turn.request.thoughts else ""


def title(times: list[TurnTime], at: int, session: str) -> str:
    """What stands above: Turn 3 of 12 · Codex 019a4c1e · model 3m12s · tools 1m04s (25%) · paused 12m."""
    model, tools = sum(turn.model_ms for turn in times), sum(turn.tools_ms for turn in times)
    idle = sum(turn.idle_ms for turn in times)
    parts = [f"Turn {at + 1} of {len(times)}", session, f"model {fmt.duration(model)}"]
    if tools:
        parts.append(f"tools {fmt.duration(tools)} ({tools / (model + tools):.0%})")
    if idle >= PAUSE_MS:
        parts.append(f"paused {fmt.clock(idle / 1000)}")
    return " · ".join(parts)
