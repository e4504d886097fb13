"""What holds for all tests: hypothesis looks for wrong answers, not for slow ones, and leaves no files."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "clearspan",
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # a busy machine is no fault of a test
)
settings.load_profile("clearspan")
