"""The whole of it: the day is played, a monitor looks, and its figures are set beside the record's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import orjson
import trio

from tests.support.day.figures import Figure, Looked, figures
from tests.support.day.play import PlayedDay, played

OPENED = "claude code 1"
"""Which session is opened in the reasoning view."""

ROOT = Path(__file__).resolve().parents[3]


async def compared(seed: int, longest: int) -> list[Figure]:
    """All figures, with what the record says of them. `longest` is how many turns the longest session has."""
    async with played(seed, longest) as day:
        return list(figures(day.record, await looked_at(day)))


async def looked_at(day: PlayedDay) -> Looked:
    """What a monitor that is opened now says in each view."""
    out = day.here.path / "looked.json"
    await trio.run_process(
        [sys.executable, "-P", "-m", "tests.support.day.look", str(day.here.socket), str(out), OPENED],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    looked: Looked = orjson.loads(await trio.Path(out).read_bytes())
    return looked
