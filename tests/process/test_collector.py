"""What lives as long as the process is out of the collector's sight."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest
import trio

from bridge.process.collector import THRESHOLDS, tend_garbage


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


async def test_what_was_loaded_is_not_looked_through_again(
    autojump_clock: trio.abc.Clock,  # noqa: ARG001  # it is enough to be asked for
) -> None:
    loaded = {"module": sys.modules}
    assert any(kept is loaded for kept in gc.get_objects())
    await tend_garbage()
    assert gc.get_threshold() == THRESHOLDS
    assert not any(kept is loaded for kept in gc.get_objects())
    assert gc.isenabled()
