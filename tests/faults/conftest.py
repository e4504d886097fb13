"""What every test of faults needs: a home of its own, and an end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import Factory, define
from structlog.processors import format_exc_info
from structlog.testing import capture_logs

PATIENCE_S = 60.0
"""No test here takes nearly so long; a fault that is not contained may take for ever."""


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The record and what it knows of keys go to a directory of the test's own, not the user's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


@pytest.fixture(autouse=True)
async def in_time() -> AsyncIterator[None]:
    """Fails a test that hangs."""
    with trio.fail_after(PATIENCE_S):
        yield


@define
class Contained:
    """The faults of the bridge's own that a boundary had to contain, as they were logged."""

    logs: list[MutableMapping[str, Any]]
    expected: set[str] = Factory(set)

    def expect(self, event: str) -> None:
        """This one is provoked by the test, and must come."""
        self.expected.add(event)

    def events(self) -> set[str]:
        """What was contained."""
        return {
            line["event"]
            for line in self.logs
            if line["log_level"] == "error" or line["event"] == "a connection failed"
        }


@pytest.fixture(autouse=True)
def contained() -> Iterator[Contained]:
    """Fails a test in which a boundary had to contain anything but what the test provokes."""
    with capture_logs([format_exc_info]) as logs:
        yield (contained := Contained(logs))
    assert contained.events() == contained.expected, logs
