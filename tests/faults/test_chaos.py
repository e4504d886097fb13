"""A short run of the chaos; `scripts/chaos` is for long ones."""

from __future__ import annotations

import pytest

from tests.faults.chaos import run_chaos


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_promise_holds(seed: int) -> None:
    report = await run_chaos(connections=200, seed=seed, concurrency=50)
    assert report.violations == []
