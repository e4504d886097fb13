"""How the short commands print: tables for people, JSON for programs. All text is safe for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from bridge.cli.paper import Colour, Paper, PrintedCell, PrintedColumn, table
from bridge.events.times import parse_time
from bridge.events.values import Asked, cost_mark, served_otherwise
from bridge.terminal_text import visible_start as visible

RecordRow = dict[str, Any]
"""A row of the record, by the names of `bridge.record.history`."""

OTHERWISE = "≠"
"""Before what answered in the place of what was asked for."""

PROMPT_WIDTH = 48

AGO_S = 20 * 3_600

HISTORY = (
    PrintedColumn("ID"),
    PrintedColumn("STARTED"),
    PrintedColumn("SESSION", goes=4, least=8),
    PrintedColumn("MODEL", goes=5, least=12),
    PrintedColumn("OUTCOME"),
    PrintedColumn("STATUS", right=True, goes=9),
    PrintedColumn("TRIES", right=True, goes=10),
    PrintedColumn("TIME", right=True, goes=6),
    PrintedColumn("IN", right=True, goes=8),
    PrintedColumn("OUT", right=True, goes=7),
    PrintedColumn("COST", right=True, goes=3),
    PrintedColumn("PROMPT", goes=2, least=16),
)

OUTCOMES: dict[str, Colour] = {"failed": "red", "rejected": "yellow", "cancelled": "bright_black"}


def interception_table(
    rows: Iterable[RecordRow], on: Paper, now: datetime, session: Callable[[RecordRow], PrintedCell]
) -> Iterator[str]:
    """Interceptions, one a line. A person reads how long ago they were, a program when; `session` says what the session
    of each is called."""
    return table(HISTORY, (_interception_row(each, on, now, session(each)) for each in rows), on)


def _interception_row(interception: RecordRow, on: Paper, now: datetime, session: PrintedCell) -> list[PrintedCell]:
    prompt = interception["prompt"] or ("" if interception["error"] is None else f"! {interception['error']}")
    started, outcome = interception["started_at"], interception["outcome"] or "running"
    tone = OUTCOMES.get(outcome)
    return [
        visible(interception["id"][:8]),
        ago(started, now) if on.is_terminal else local_time(started),
        session,
        visible(_model(interception)),
        (outcome, tone) if tone else outcome,
        str(interception["status"] or "-"),
        str(interception["attempts"] or "-"),
        seconds(interception["duration_ms"]),
        count(_input_tokens(interception)),
        count(interception["output"]),
        _cost(interception),
        visible(textwrap.shorten(prompt, on.width or PROMPT_WIDTH, placeholder="…")),
    ]


def _model(interception: RecordRow) -> str:
    """Which model was asked for, and what is not as in most requests: another one answered, or we added something."""
    served = served_by(interception) if interception_served_otherwise(interception) else ""
    added = " +thoughts" if "thoughts" in interception["added"] else ""
    return (interception["model"] or "-") + (f" {OTHERWISE} {served}" if served else "") + added


def served_by(interception: RecordRow) -> str:
    """What really answered: model, tier and speed as far as they are known."""
    return ", ".join(interception[name] for name in ("served_model", "service_tier", "speed") if interception[name])


def interception_served_otherwise(interception: RecordRow) -> bool:
    """Whether something else answered than was asked for."""
    asked = Asked(interception["model"], interception["asked_service_tier"], interception["asked_speed"])
    served = (interception["served_model"], interception["service_tier"], interception["speed"])
    return served_otherwise(asked, *served)


def _input_tokens(interception: RecordRow) -> int:
    return sum(interception[name] or 0 for name in ("input", "cache_read_input", "cache_write_input"))


SUMMED = ("interceptions", "failed", "input", "cache_read_input", "cache_write_input", "output")

TOTAL = "total"

LEAST_NAMES = {"DAY": 10, "KEY": 11, "ASKED": 12, "SERVED": 12}
"""Cells that a name keeps where there is little room: those of one kind have to be told apart. A key's hint, which
differs at its end, takes eleven."""


def totals_table(group: str, rows: Iterable[RecordRow], on: Paper) -> Iterator[str]:
    """Sums, one group a line, and all of them together under these."""
    by = ("DAY", "ASKED", "SERVED") if group == "served" else (group.upper(),)
    columns = (
        *(PrintedColumn(title, least=LEAST_NAMES.get(title, 16)) for title in by),
        PrintedColumn("REQUESTS", right=True),
        PrintedColumn("FAILED", right=True, goes=2),
        PrintedColumn("INPUT", right=True, goes=3),
        PrintedColumn("CACHE READ", right=True, goes=4),
        PrintedColumn("CACHE WRITE", right=True, goes=5),
        PrintedColumn("OUTPUT", right=True, goes=1),
        PrintedColumn("COST", right=True),
    )
    groups = list(rows)
    lines = [(_summed_by(group, sums), sums) for sums in groups]
    if len(groups) > 1:
        lines.append(((TOTAL, *("" for _ in by[1:])), _together(groups)))
    return table(columns, ((*names, *_sums(sums)) for names, sums in lines), on)


def _together(groups: list[RecordRow]) -> RecordRow:
    costs = [sums["cost_usd"] for sums in groups if sums["cost_usd"] is not None]
    return {
        **{name: sum(sums[name] for sums in groups) for name in (*SUMMED, "unpriced")},
        "partial": any(sums["partial"] for sums in groups),
        "cost_usd": sum(costs) if costs else None,
    }


def _sums(sums: RecordRow) -> tuple[PrintedCell, ...]:
    numbers: list[PrintedCell] = [f"{sums[name]:,}" for name in SUMMED]
    if sums["failed"]:
        numbers[SUMMED.index("failed")] = (f"{sums['failed']:,}", "red")
    return (*numbers, _cost(sums))


def _summed_by(group: str, sums: RecordRow) -> tuple[str, ...]:
    if group != "served":
        return (visible(sums["name"] or "-"),)
    asked = ", ".join(value for value in sums["asked"].values() if value) or "-"
    served = ", ".join(sums[name] for name in ("name", "service_tier", "speed") if sums[name]) or "-"
    mark = f"{OTHERWISE} " if sums["served_otherwise"] else ""
    return sums["day"], visible(asked), visible(mark + served)


def seconds(milliseconds: float | None) -> str:
    """A time as people read it, e.g. `1.25 s`."""
    return "-" if milliseconds is None else f"{milliseconds / 1000:.2f} s"


def count(number: int | None) -> str:
    """Tokens in a narrow column, e.g. `12.3k`."""
    if not number:
        return "-"
    if number < 1000:
        return str(number)
    return f"{number / 1000:.1f}k" if number < 1_000_000 else f"{number / 1_000_000:.2f}M"


def dollars(cost: float | None, mark: str = "") -> str:
    """US dollars, with a mark before them where they are not exact; `-` where the price is not known."""
    return "-" if cost is None else f"{mark}${cost:.4f}"


def _cost(sums: RecordRow) -> str:
    return dollars(sums["cost_usd"], cost_mark(sums["unpriced"], partial=sums["partial"]))


def ago(stamp: str, now: datetime) -> str:
    """How long ago a time of the record was, e.g. `12s ago`; from twenty hours on the time itself."""
    at = parse_time(stamp)
    if at is None:
        return visible(str(stamp))
    seconds = max(0, int((now - at).total_seconds()))
    if seconds >= AGO_S:
        return at.astimezone().strftime("%d %b %H:%M")
    for size, unit in ((3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit} ago"
    return f"{seconds}s ago"


def local_time(stamp: str) -> str:
    """A time of the record where we are; what is none as it is written."""
    at = parse_time(stamp)
    return visible(str(stamp)) if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
