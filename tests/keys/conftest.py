"""What the pool's tests share."""

from __future__ import annotations

import pytest

from tests.keys.clocks import ALPHA, BRAVO, CHARLIE, Bench


@pytest.fixture
def bench() -> Bench:
    """A pool of three keys at noon."""
    return Bench.of(ALPHA, BRAVO, CHARLIE)
