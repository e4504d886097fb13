"""The machinery of `scripts/bounds` with small loads: they are put on, and sizes hold. Delays are for the script."""

from __future__ import annotations

import pytest

from tests.faults.bounds.loads import LOADS, Bound, run_load

SIZE = 0.01


@pytest.mark.parametrize("load", LOADS)
async def test_a_small_load_holds(load: str) -> None:
    bounds = await run_load(load, SIZE)
    sizes = [bound for bound in bounds if bound.unit == "MiB"]
    assert [bound for bound in sizes if not bound.holds] == []
    assert sizes
    assert any("/healthz" in bound.name for bound in bounds)


async def test_what_is_beyond_its_bound_is_said() -> None:
    assert "VIOLATED" in str(Bound("memory", 200.0, "MiB", 150))
    assert "VIOLATED" not in str(Bound("memory", 100.0, "MiB", 150))
