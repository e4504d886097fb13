"""`clearspan prove FOLDER`: captured requests once through a bridge, and for each agent whether all of it crossed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click
import trio

from bridge.cli.paper import PrintedColumn, paper, table
from bridge.errors import ClearspanError
from bridge.observe import logs
from bridge.proving.captures import NotACapture, captures
from bridge.proving.trial import Tried, trial
from bridge.terminal_text import visible_start as visible

MOST_FAULTS = 50
"""So many are printed one by one."""


def prove(folder: Path) -> int:
    """Replays what is in the folder and prints what became of it; returns 0 where all is as it should be."""
    logs.configure("error", "text")
    found = trio.run(trial, captures(folder))
    tried = [result for result in found if isinstance(result, Tried)]
    if not tried and not found:
        raise ClearspanError(f"{folder}: no captured request is in there; they are *.json, *.req.txt and *.har")
    for line in _table(tried):
        click.echo(line)
    faults = [
        visible(fault)
        for result in found
        for fault in (
            [f"left out: {result}"]
            if isinstance(result, NotACapture)
            else [f"{result.name}: {fault}" for fault in result.faults]
        )
    ]
    if faults:
        click.echo()
    for fault in faults[:MOST_FAULTS]:
        click.echo(fault)
    if len(faults) > MOST_FAULTS:
        click.echo(f"… and {len(faults) - MOST_FAULTS} more")
    if not any(result.faults for result in tried) and tried:
        click.echo(f"\nAll {len(tried)} crossed byte for byte{_but(tried)}.")
    return 1 if faults else 0


def _but(tried: list[Tried]) -> str:
    changed = sum(bool(result.added) for result in tried)
    return f", {changed} of them with the usage that the bridge asks for" if changed else ""


TRIED = (
    PrintedColumn("AGENT", least=12),
    *(
        PrintedColumn(title)
        for title in ("REQUESTS", "SERVED", "REQUEST BODIES EQUAL", "ANSWERS EQUAL", "HEADERS KEPT")
    ),
)


def _table(tried: list[Tried]) -> Iterator[str]:
    by_agent: dict[str, list[Tried]] = defaultdict(list)
    for result in tried:
        by_agent[result.agent].append(result)
    rows = [_row(agent, by_agent[agent]) for agent in sorted(by_agent)]
    return table(TRIED, rows, paper())


def _row(agent: str, mine: list[Tried]) -> tuple[str, ...]:
    served = sum(result.served for result in mine)
    counts = [_share([getattr(result, name) for result in mine]) for name in ("request", "answer", "headers")]
    return visible(agent), str(len(mine)), f"{served} of {len(mine)}", *counts


def _share(values: list[bool | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known)} of {len(known)}" if known else "-"
