"""A short day, as `scripts/day` plays long ones: each figure on each view of a monitor opened at its end is recorded.

What is played besides has to be in the record, or the comparison would say nothing of it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from tests.support.day.compare import looked_at
from tests.support.day.figures import Figure, Looked, figures
from tests.support.day.plan import LONG_THOUGHT, turns
from tests.support.day.play import played

SEED, LONGEST = 3, 30


async def test_every_figure_of_every_view_is_the_records() -> None:
    async with played(SEED, LONGEST) as day:
        looked = await looked_at(day)
        found = list(figures(day.record, looked))
        differing = [figure for figure in found if figure.differs]
        assert differing == [], differing[0]
        assert len(found) > 250
        assert {figure.view for figure in found} >= {"totals, today", "totals, by session", "keys", "live", "request"}
        _is_a_day(day.record)
        wrong = _wrong_without_one(day.record, looked)
        assert wrong
        assert all(figure.differs for figure in wrong)  # so each of these can fail


def _is_a_day(record: Path) -> None:
    with contextlib.closing(sqlite3.connect(record)) as database:

        def count(sql: str) -> int:
            return int(database.execute(sql).fetchone()[0])

        assert count("SELECT count(DISTINCT run) FROM interceptions") == 3
        assert count("SELECT count(DISTINCT session_id) FROM interceptions WHERE agent_id IS NOT NULL") == 3
        assert count("SELECT count(*) FROM interceptions WHERE served_model != model") > 0
        assert count("SELECT count(*) FROM notes WHERE kind = 'compaction'") > 0
        assert count("SELECT max(length(text)) FROM thoughts") == LONG_THOUGHT
        assert count("SELECT count(*) FROM interceptions WHERE outcome IS NULL") == 1  # the stream that does not move
        assert count("SELECT count(*) FROM interceptions WHERE error = 'bridge stopped'") > 0  # it was killed
        assert count("SELECT count(*) FROM attempts WHERE reason IS NOT NULL") > 0


def _wrong_without_one(record: Path, looked: Looked) -> list[Figure]:
    """The figures of sums, had the monitor overlooked the last request that is over."""
    copy = record.with_name("short.db")
    with contextlib.closing(sqlite3.connect(record)) as whole, contextlib.closing(sqlite3.connect(copy)) as short:
        whole.backup(short)
        short.execute("PRAGMA foreign_keys = ON")
        last = "SELECT id FROM interceptions WHERE outcome = 'completed' AND run = 1 ORDER BY started_at DESC LIMIT 1"
        (id_,) = short.execute(last).fetchone()
        (model,) = short.execute("SELECT model FROM interceptions WHERE id = ?", (id_,)).fetchone()
        short.execute("DELETE FROM interceptions WHERE id = ?", (id_,))
        short.commit()
    changed = [figure for figure in figures(copy, looked) if figure.what in ("requests", f"{model}: requests")]
    return [figure for figure in changed if figure.view in ("totals, today", "totals, by model")]


def test_the_same_seed_plays_the_same_day() -> None:
    assert turns(SEED, LONGEST) == turns(SEED, LONGEST)
    assert turns(SEED, LONGEST) != turns(SEED + 1, LONGEST)
    day = turns(SEED, 300)
    assert len({turn.session for turn in day}) == 12
    assert max(sum(turn.session == each.session for turn in day) for each in day) == 300
    assert {turn.part for turn in day} == {0, 1, 2}
