"""A straight line through what was measured, and how far chance alone may have tilted it.

Memory goes up and down with what is under way, and a sample resembles the one before it. So the line's slope comes with
a standard error in which neighbours that resemble each other count for less than a sample each (by the lag-1
correlation of what the line leaves over). Growth is told where the slope is beyond the limit and more than two standard
errors above zero: the first alone may be noise, the second alone may be a growth too small to matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from attrs import frozen

FEWEST = 8


@frozen
class Slope:
    """Units an hour, and the standard error of that."""

    an_hour: float
    error: float

    def grows(self, limit: float) -> bool:
        """Whether it rises by so much an hour or more, and chance does not explain it."""
        return self.an_hour >= limit and self.an_hour > 2 * self.error

    def __str__(self) -> str:
        return f"{self.an_hour:+.2f} ± {2 * self.error:.2f}"


def slope(seconds: Sequence[float], values: Sequence[float]) -> Slope:
    """Least squares. Of too few samples nothing is known."""
    count = len(values)
    if count < FEWEST:
        return Slope(0.0, math.inf)
    middle, level = sum(seconds) / count, sum(values) / count
    spread = sum((at - middle) ** 2 for at in seconds)
    rise = sum((at - middle) * (value - level) for at, value in zip(seconds, values, strict=True)) / spread
    left = [value - level - rise * (at - middle) for at, value in zip(seconds, values, strict=True)]
    squares = sum(rest * rest for rest in left)
    if not squares:
        return Slope(rise * 3600, 0.0)
    alike = max(0.0, min(0.95, sum(first * second for first, second in pairwise(left)) / squares))
    samples = max(3.0, count * (1 - alike) / (1 + alike))
    return Slope(rise * 3600, math.sqrt(squares / (count - 2) / spread * count / samples) * 3600)
