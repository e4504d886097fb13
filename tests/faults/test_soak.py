"""The machinery of `scripts/soak` for a few seconds, without its verdict on memory; and that verdict, by itself."""

from __future__ import annotations

import math
import random

import pytest

from tests.faults.soak.run import run_soak
from tests.faults.soak.slope import slope

EVERY_S = 5.0


async def test_the_work_goes_well() -> None:
    soak = await run_soak(seconds=5.0, seed=1, sample_s=0.5)
    assert soak.wrong == []
    assert soak.samples
    assert soak.done["stream"]
    assert soak.done["reload"]


def measured(an_hour: float, noise: float, minutes: float = 10.0) -> tuple[list[float], list[float]]:
    """Memory that rises by so much an hour, and goes up and down besides."""
    chance = random.Random(1)  # noqa: S311
    seconds = [EVERY_S * number for number in range(int(minutes * 60 / EVERY_S))]
    return seconds, [60 + an_hour * at / 3600 + chance.uniform(-noise, noise) for at in seconds]


@pytest.mark.parametrize(
    ("an_hour", "noise", "grows"),
    [(0.0, 0.0, False), (0.5, 0.0, False), (2.0, 0.0, True), (0.0, 5.0, False), (60.0, 1.0, True), (-60.0, 1.0, False)],
)
async def test_growth_is_told_from_noise(an_hour: float, noise: float, *, grows: bool) -> None:
    found = slope(*measured(an_hour, noise))
    assert found.grows(1.0) == grows
    assert abs(found.an_hour - an_hour) <= max(1e-6, 3 * found.error)


async def test_a_saw_is_no_growth() -> None:
    """What is taken and given back again and again: neighbours resemble each other, and prove less."""
    seconds = [EVERY_S * number for number in range(120)]
    assert not slope(seconds, [60 + number % 50 / 10 for number in range(120)]).grows(1.0)


async def test_of_few_samples_nothing_is_known() -> None:
    found = slope([0, 5, 10], [60, 70, 80])
    assert found.error == math.inf
    assert not found.grows(1.0)
