"""The bridge's own tool by itself: how long it may take, and that who calls it does not wait for a slow disk."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import pytest
import trio

from bridge.events.hub import Hub
from bridge.record import own_usage
from bridge.record.database import RecordError
from bridge.record.own_usage import OwnUsage
from bridge.tools.server import CALL_S
from bridge.tools.session_usage import session_usage
from tests.support.until import until


async def test_a_call_takes_no_longer_than_any_other(autojump_clock: trio.testing.MockClock) -> None:
    async def never(_: str | None) -> dict[str, Any]:
        await trio.sleep_forever()
        raise AssertionError

    result = await session_usage(never, "s-1")
    assert (result.error, trio.current_time()) == ("no answer within 60 s", CALL_S)
    assert autojump_clock


async def test_a_client_that_leaves_does_not_wait_for_a_slow_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, go_on = trio.Event(), Event()
    token = trio.lowlevel.current_trio_token()

    def slow(_: Path) -> Any:
        token.run_sync_soon(opened.set)
        assert go_on.wait(30)
        raise RecordError("too late")

    monkeypatch.setattr(own_usage, "open_for_reading", slow)
    usage = OwnUsage(Hub(), tmp_path / "record.db")
    try:
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(session_usage, usage.whole, "s-1")
                await opened.wait()
                nursery.cancel_scope.cancel()
    finally:
        go_on.set()
    await until(lambda: usage._turn.borrowed_tokens == 0)  # its thread has ended, too
