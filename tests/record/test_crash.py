"""What is in the record after the worst: `kill -9` amid fifty streams, and a disk that is full for a while."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.support.record_desk import rows
from tests.support.served import Served, served, stop
from tests.support.until import until
from tests.support.world import HELLO, STREAM, Asked, Reply, ask, provider, say_hello, sse

STREAMS = 50
LOSES_AT_MOST = timedelta(milliseconds=250)


def check(path: Path) -> None:
    """The file is sound."""
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    database.close()


async def think_for_ever(_: Asked, reply: Reply) -> None:
    """A stream of whole thoughts that does not end."""
    await reply.head(200, STREAM)
    await reply.chunk(HELLO[0])
    number = 0
    while True:
        item = {"type": "reasoning", "id": f"rs_{number}", "summary": [{"type": "summary_text", "text": f"{number}"}]}
        await reply.chunk(sse("response.output_item.done", output_index=number, item=item))
        number += 1
        await trio.sleep(0.04)


def traces(path: Path) -> set[tuple[Any, ...]]:
    """What events have left, in the words of `trace`."""
    return (
        {("interception.started", row["id"]) for row in rows(path, "interceptions")}
        | {("attempt.started", row["interception_id"], row["attempt"]) for row in rows(path, "attempts")}
        | {("thought.recorded", row["interception_id"], row["index"]) for row in rows(path, "thoughts")}
    )


def trace(event: dict[str, Any]) -> tuple[Any, ...]:
    """What an event must have left."""
    return (event["type"], event["id"], *(event[name] for name in ("attempt", "index") if name in event))


async def test_kill_9_amid_fifty_streams(tmp_path: Path) -> None:
    path = tmp_path / "clearspan.db"
    async with provider(think_for_ever) as url, trio.open_nursery() as clients:
        async with served(tmp_path, url.removesuffix("/v1")) as bridge:
            for _ in range(STREAMS):
                clients.start_soon(listen, bridge.port)
            await bridge.until("attempt.started", STREAMS)
            await bridge.until("thought.recorded", 10 * STREAMS)
            behind = max([await until_current(bridge, path) for _ in range(5)])
            bridge.process.kill()
            await bridge.process.wait()
        told = bridge.of_type("interception.started", "attempt.started", "thought.recorded")
        left = traces(path)
        check(path)
        assert len({event["id"] for event in told}) == STREAMS
        # What was written is the beginning of what happened: nothing is missing in its middle.
        missing = [event for event in told if trace(event) not in left]
        written_up_to = max(event["seq"] for event in told if trace(event) in left)
        assert all(event["seq"] > written_up_to for event in missing)
        # No event is missing that was older than 250 ms, or than a busy machine makes of them.
        at_most = max(LOSES_AT_MOST, 2 * behind)
        last = datetime.fromisoformat(told[-1]["at"])
        assert [event for event in missing if last - datetime.fromisoformat(event["at"]) > at_most] == []
        assert {row["outcome"] for row in rows(path, "interceptions")} == {None}
        async with served(tmp_path, url.removesuffix("/v1")) as again:
            ends = [(row["outcome"], row["error"]) for row in rows(path, "interceptions")]
            assert ends == [("failed", "bridge stopped")] * STREAMS
            await stop(again)
        clients.cancel_scope.cancel()
    check(path)


async def listen(port: int) -> None:
    """A client that takes what comes, and does not mind how it ends."""
    with contextlib.suppress(AssertionError, OSError, trio.BrokenResourceError):
        await ask(port)


async def until_current(bridge: Served, path: Path) -> timedelta:
    """Waits until the record has what the subscriber has heard by now. Returns how long that took."""
    began = trio.current_time()
    seen = [trace(event) for event in bridge.of_type("thought.recorded")]
    await until(lambda: traces(path).issuperset(seen))
    return timedelta(seconds=trio.current_time() - began)


@pytest.mark.skipif(sys.platform != "linux", reason="the limits of another process can be set on Linux only")
async def test_a_full_disk_harms_no_request_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "clearspan.db"
    async with provider(say_hello) as url, served(tmp_path, url.removesuffix("/v1")) as bridge:
        assert (await ask(bridge.port)).body == b"".join(HELLO)
        await bridge.until("interception.ended")
        limit_files(bridge, 4096)
        for _ in range(10):
            answer = await ask(bridge.port)
            assert (answer.status, answer.body, answer.complete) == (200, b"".join(HELLO), True)
        failed = await bridge.until("record.failed")
        assert "clearspan.db" in failed["error"]
        await bridge.until("interception.ended", 11)
        limit_files(bridge, resource.RLIM_INFINITY)
        recovered = await bridge.until("record.recovered")
        assert recovered["error"] is None
        await stop(bridge)
    assert len(bridge.of_type("record.failed", "record.recovered")) == 2
    assert [row["outcome"] for row in rows(path, "interceptions")] == ["completed"] * 11
    assert len(rows(path, "token_usages")) == len(rows(path, "attempts")) == len(rows(path, "prompts")) == 11
    check(path)


def limit_files(bridge: Served, size: int) -> None:
    """No file may grow beyond that many bytes, as on a disk that is full."""
    resource.prlimit(bridge.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
