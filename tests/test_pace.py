"""What `scripts/pace.py` makes of its looks."""

from __future__ import annotations

import threading

import pytest

from scripts.pace import Pace


@pytest.mark.parametrize(
    ("since", "until", "slowed"),
    [(0.0, 3.0, 0.0), (4.0, 4.5, 1 / 3), (5.0, 6.0, 0.5), (0.0, 9.0, 0.2), (20.0, 30.0, 0.0)],
)
def test_what_part_of_a_time_was_slowed(since: float, until: float, slowed: float) -> None:
    """By a look each second, of which two, at 5 and at 6, took four times as long as all others."""
    pace = Pace()
    pace._at = [float(second) for second in range(10)]
    pace._took = [4.0 if second in {5, 6} else 1.0 for second in range(10)]
    assert pace.slowed(since, until) == pytest.approx(slowed)
    assert pace.kept(since, until) == (slowed == 0.0)


def test_a_processor_is_looked_at_meanwhile() -> None:
    pace, threads = Pace(), threading.active_count()
    with pace.watching():
        while len(pace._took) < 2:
            pass
    assert all(took > 0 for took in pace._took)
    assert threading.active_count() == threads
