"""A short run of the chaos; `scripts/chaos` is for long ones."""

from __future__ import annotations

from tests.faults.chaos import run_chaos


async def test_every_promise_holds() -> None:
    report = await run_chaos(connections=300, seed=1, concurrency=100)
    assert report.violations == []
