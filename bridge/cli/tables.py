"""How the short commands print: tables for people, JSON for programs. All text is safe for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from bridge.events.values import Asked, cost_mark, served_otherwise
from bridge.terminal_text import visible_start as visible

RecordRow = dict[str, Any]
"""A row of the record, by the names of `bridge.record.history`."""

OTHERWISE = "≠"
"""Before what answered in the place of what was asked for."""

PROMPT_WIDTH = 48


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows in aligned columns, under their names."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def interception_table(rows: Iterable[RecordRow]) -> Iterator[str]:
    """Interceptions, one a line."""
    head = ("ID", "STARTED", "CLIENT", "MODEL", "OUTCOME", "STATUS", "TRIES", "TIME", "IN", "OUT", "COST", "PROMPT")
    return table(head, (_interception_row(interception) for interception in rows))


def _interception_row(interception: RecordRow) -> tuple[str, ...]:
    prompt = interception["prompt"] or ("" if interception["error"] is None else f"! {interception['error']}")
    cells = (
        interception["id"][:8],
        local_time(interception["started_at"]),
        interception["client"],
        _model(interception),
        interception["outcome"] or "running",
        str(interception["status"] or "-"),
        str(interception["attempts"] or "-"),
        seconds(interception["duration_ms"]),
        count(_input_tokens(interception)),
        count(interception["output"]),
        _cost(interception),
        textwrap.shorten(prompt, PROMPT_WIDTH, placeholder="…"),
    )
    return tuple(visible(cell) for cell in cells)


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


def totals_table(group: str, rows: Iterable[RecordRow]) -> Iterator[str]:
    """Sums, one group a line."""
    by = ("DAY", "ASKED", "SERVED") if group == "served" else (group.upper(),)
    head = (*by, "REQUESTS", "FAILED", "INPUT", "CACHE READ", "CACHE WRITE", "OUTPUT", "COST")
    names = ("interceptions", "failed", "input", "cache_read_input", "cache_write_input", "output")
    cells = ((*_summed_by(group, sums), *(f"{sums[name]:,}" for name in names), _cost(sums)) for sums in rows)
    return table(head, cells)


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


def local_time(stamp: str) -> str:
    """A time of the record where we are."""
    return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")
