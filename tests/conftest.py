"""What holds for all tests: hypothesis looks for wrong answers, not for slow ones, and leaves no files."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from trio.testing import MockClock

settings.register_profile(
    "clearspan",
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # a busy machine is no fault of a test
)
settings.load_profile("clearspan")


@pytest.fixture
def clock() -> MockClock:
    """Trio's time, for a test that lets it stand still (`tests/support/frozen_time.py`) or jump."""
    return MockClock(rate=1.0)
