"""Every figure of every view beside what the record says, added up anew from its tables.

Figures are compared as they are shown, rounded and marked: what a person reads is what must be right.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from bridge.events.values import cost_mark
from monitor.lines import format as fmt
from monitor.state.past import BEFORE

MEMORY = 120_000_000
"""Bytes that the monitor may take."""

Looked = dict[str, Any]
"""What `look` wrote down."""

RecordedRow = dict[str, Any]


@frozen
class Figure:
    """One figure: where it stands, what it is, what is shown, and what the record says."""

    view: str
    what: str
    shown: str
    recorded: str

    @property
    def differs(self) -> bool:
        """Whether the view is wrong."""
        return self.shown != self.recorded


NUMBER = r" +([~≥]?\$?\d[\d.,]*[kM]?|–)"  # noqa: RUF001  the dash is what is shown where nothing is known
ROW = re.compile(rf" *(\S.*?){NUMBER * 5}(?= |$)")
"""A line of a table by name."""

REQUESTS = """
    SELECT i.*, coalesce(i.model, i.path) AS name, coalesce(i.session_id, '') AS session,
           (SELECT key FROM attempts WHERE interception_id = i.id ORDER BY attempt DESC LIMIT 1) AS key,
           (SELECT count(*) FROM attempts AS a JOIN attempts AS b
            ON b.interception_id = a.interception_id AND b.attempt = a.attempt - 1
            WHERE a.interception_id = i.id AND b.reason IS NOT NULL) AS failovers,
           count(t.rowid) AS answers, coalesce(sum(t.input), 0) AS input, coalesce(sum(t.output), 0) AS output,
           coalesce(sum(t.cache_read_input), 0) AS cached, coalesce(sum(t.cache_write_input), 0) AS written,
           sum(t.cost_usd) AS cost, sum(t.cache_saved_usd) AS saved, coalesce(max(t.partial), 0) AS partial
    FROM interceptions AS i LEFT JOIN token_usages AS t ON t.interception_id = i.id GROUP BY i.rowid
"""
ATTEMPTS = """
    SELECT i.provider, a.key, count(*) AS tries, count(a.reason) AS failed FROM attempts AS a
    JOIN interceptions AS i ON i.id = a.interception_id GROUP BY 1, 2
"""
FAILURES = """
    SELECT i.provider, a.key, a.status, a.reason, a.cause_text FROM attempts AS a
    JOIN interceptions AS i ON i.id = a.interception_id WHERE a.reason IS NOT NULL
"""
UNPRICED = "SELECT interception_id, count(*) - count(cost_usd) AS unpriced FROM token_usages GROUP BY 1"


@frozen
class RecordedFigures:
    """What is in the record."""

    requests: list[RecordedRow]
    attempts: list[RecordedRow]
    failures: list[RecordedRow]

    @classmethod
    def read(cls, record: Path) -> RecordedFigures:
        """All of it. The bridge may go on writing."""
        database = sqlite3.connect(f"file:{record}?mode=ro", uri=True)
        database.row_factory = sqlite3.Row
        try:
            found = [[dict(row) for row in database.execute(sql)] for sql in (REQUESTS, ATTEMPTS, FAILURES, UNPRICED)]
        finally:
            database.close()
        unpriced = {row["interception_id"]: row["unpriced"] for row in found[3]}
        return cls([{**row, "unpriced": unpriced.get(row["id"], 0)} for row in found[0]], found[1], found[2])


def figures(record: Path, looked: Looked) -> Iterator[Figure]:
    """All that can be compared."""
    recorded = RecordedFigures.read(record)
    last = [row for row in recorded.requests if row["run"] == max(row["run"] for row in recorded.requests)]
    yield from _header(recorded.requests, looked["shown"])
    yield from _totals(recorded.requests, last, looked["shown"]["totals as text"])
    for by, name in (("model", "name"), ("client", "client"), ("session", "session")):
        yield from _by(by, name, recorded.requests, looked)
    yield from _keys(recorded, looked)
    yield from _ledgers(recorded, looked["ledgers"])
    yield from _live(recorded.requests, last, looked["shown"]["live"])
    yield from _request(recorded, looked)
    taken = looked["memory"] / 1e6
    yield Figure("process", f"memory of {taken:.0f} MB is below 120 MB", str(looked["memory"] < MEMORY), "True")


def _header(rows: list[RecordedRow], shown: dict[str, str]) -> Iterator[Figure]:
    expected = {
        "live": f"{sum(row['outcome'] is None for row in rows)} live",
        "requests": f"{len(rows)} requests today",
        "tokens": f"{fmt.tokens(_input(rows))} in {fmt.tokens(_sum(rows, 'output'))} out",
        "cost": _cost(rows),
        "failovers": fmt.plural(_sum(rows, "failovers"), "failover"),
        "errors": fmt.plural(_errors(rows), "error"),
    }
    for view in ("live", "keys", "totals", "reasoning", "request"):
        header = shown[view].split("\n")[0]
        for what, text in expected.items():
            yield Figure(f"{view}, header", what, text if f"  {text}  " in f"{header}  " else header.strip(), text)


def _totals(rows: list[RecordedRow], last: list[RecordedRow], text: str) -> Iterator[Figure]:
    lines = {line[:13].strip(): line[13:].split() for line in text.split("\n")}
    for column, counted in ((2, rows), (3, last)):
        cached, whole = _sum(counted, "cached"), _input(counted)
        expected = {
            "requests": fmt.tokens(len(counted)),
            "in": fmt.tokens(whole),
            "from cache": fmt.tokens(cached),
            "cached": f"{cached / whole:.0%}",
            "into cache": fmt.tokens(_sum(counted, "written")),
            "out": fmt.tokens(_sum(counted, "output")),
            "cost": _cost(counted),
            "cache saved": fmt.cost(sum(row["saved"] or 0.0 for row in counted)),
            "failovers": fmt.tokens(_sum(counted, "failovers")),
            "errors": fmt.tokens(_errors(counted)),
            "cancelled": fmt.tokens(sum(row["outcome"] == "cancelled" for row in counted)),
        }
        for what, recorded in expected.items():
            yield Figure(f"totals, {('today', 'bridge')[column - 2]}", what, lines[what][column], recorded)


def _by(by: str, name: str, rows: list[RecordedRow], looked: Looked) -> Iterator[Figure]:
    groups: dict[str, list[RecordedRow]] = {}
    for row in rows:
        label = looked["called"].get(f"{row['client']} {row['session']}") if by == "session" else row[name]
        groups.setdefault(label or "a session without a name", []).append(row)
    shown = _table(looked["shown"]["totals"], by)
    for label, counted in groups.items():
        numbers = (fmt.tokens(len(counted)), *_used(counted), fmt.tokens(_errors(counted)))
        yield from _compared(f"totals, by {by}", label, shown, numbers)
    for label in shown.keys() - groups.keys():
        yield Figure(f"totals, by {by}", label, "is there", "is not")


def _keys(recorded: RecordedFigures, looked: Looked) -> Iterator[Figure]:
    shown, rows = _table(looked["shown"]["totals"], "key"), _key_rows(looked["shown"]["keys"])
    for tried in recorded.attempts:
        name = (tried["provider"], tried["key"])
        own = [row for row in recorded.requests if (row["provider"], row["key"]) == name]
        numbers = (fmt.tokens(tried["tries"]), *_used(own), fmt.tokens(tried["failed"]))
        yield from _compared("totals, by key", " ".join(name), shown, numbers)
        cells = rows.get(tried["key"], "")
        failed = f"{tried['failed']}✗ " if tried["failed"] else ""
        wanted = f" {tried['tries']} {failed}{_used(own)[2]} "
        there = wanted if wanted in re.sub(r" +", " ", f"{cells} ") else cells
        yield Figure("keys", f"{name[1]} uses, failures, today", there.strip(), wanted.strip())


def _ledgers(recorded: RecordedFigures, ledgers: dict[str, str]) -> Iterator[Figure]:
    """Each failure is told, with its status; a ledger keeps so many."""
    for name, told in ledgers.items():
        own = [row for row in recorded.failures if f"{row['provider']} {row['key']}" == name]
        for status in sorted({row["status"] for row in own if row["status"]}):
            count = sum(row["status"] == status for row in own)
            shown = len(re.findall(rf"^\S+ +{status} ", told, re.MULTILINE))
            yield Figure("keys, ledger", f"{name} failures with {status}", str(shown), str(count))


def _live(rows: list[RecordedRow], last: list[RecordedRow], text: str) -> Iterator[Figure]:
    titles = re.findall(r"Requests  (\d[\d,]*(?: of [\d,]+)?)", text)
    known = min(len(last), 200 + sum(row["outcome"] is None for row in last))
    if known == len(last):  # those before this bridge stand below
        known += min(BEFORE, len(rows) - len(last))
    wanted = f"{known} of {len(rows):,}" if known < len(rows) else f"{len(rows)}"
    yield Figure("live", "requests", titles[0] if titles else "none", wanted)


def _request(recorded: RecordedFigures, looked: Looked) -> Iterator[Figure]:
    """The facts of one request."""
    row = next(row for row in recorded.requests if row["id"] == looked["request"])
    text = re.sub(r" +", " ", looked["shown"]["request"])
    facts = {
        "input": f" input {row['input']:,} ",
        "from cache": f" from cache {row['cached']:,} ",
        "output": f" output {row['output']:,} ",
        "dollars": f" dollars {fmt.cost(row['cost'])} ",
        "request bytes": f" request {row['bytes_in']:,} B in = out ✓ ",
        "answer bytes": f" answer {row['bytes_out']:,} B in = out ✓ ",
    }
    for what, wanted in facts.items():
        line = next((line for line in text.split("\n") if wanted.split()[0] in line.split()), "nothing")
        yield Figure("request", what, wanted.strip() if wanted in text else line.strip(), wanted.strip())


def _compared(view: str, label: str, shown: dict[str, list[str]], numbers: tuple[str, ...]) -> Iterator[Figure]:
    cells = shown.get(label, ["no row"] * len(numbers))
    for what, cell, wanted in zip(("requests", "in", "out", "cost", "failed"), cells, numbers, strict=False):
        yield Figure(view, f"{label}: {what}", cell, wanted)


def _table(screen: str, by: str) -> dict[str, list[str]]:
    """The rows of a table by name: five numbers behind each name. Tables stand two beside two."""
    half = len(screen.split("\n", maxsplit=1)[0]) // 2
    halves = [line[start : start + half] for start in (0, half) for line in screen.split("\n")]
    rows: dict[str, list[str]] = {}
    inside = False
    for line in halves:
        if "─By " in line or line.lstrip().startswith("─"):
            inside = f"─By {by} ·" in line
        elif inside and (found := ROW.match(line)):
            name, *numbers = found.groups()
            rows[name] = numbers
    return rows


def _key_rows(screen: str) -> dict[str, str]:
    return {found[1]: line for line in screen.split("\n") if (found := re.search(r"[●◔◐✗○] (\S+\.\.\.\S+) ", line))}


def _used(rows: list[RecordedRow]) -> tuple[str, str, str]:
    return fmt.tokens(_input(rows)), fmt.tokens(_sum(rows, "output")), _cost(rows)


def _sum(rows: list[RecordedRow], name: str) -> int:
    return sum(row[name] for row in rows)


def _input(rows: list[RecordedRow]) -> int:
    return sum(_sum(rows, name) for name in ("input", "cached", "written"))


def _errors(rows: list[RecordedRow]) -> int:
    return sum(row["outcome"] in ("failed", "rejected") for row in rows)


def _cost(rows: list[RecordedRow]) -> str:
    costs = [row["cost"] for row in rows if row["cost"] is not None]
    mark = cost_mark(_sum(rows, "unpriced"), partial=any(row["partial"] for row in rows))
    return fmt.cost(sum(costs) if costs else None, mark)
