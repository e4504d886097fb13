"""Keep-alives at the very beginning of a stream; `test_relay` and `test_apis` have those between events."""

from __future__ import annotations

import pytest
import trio

from bridge.interception import first_look, relay
from tests.support.dialects import DIALECTS, raw
from tests.support.world import STREAM, Asked, Reply, ask

FIRST = b'event: x\ndata: {"type":"x"}\n\n'
SILENCES = 30


@pytest.mark.parametrize("api", DIALECTS)
async def test_no_event_comes_before_the_streams_first(monkeypatch: pytest.MonkeyPatch, api: str) -> None:
    """A ping before `message_start` would be an event in a message that has not begun; a comment is none."""
    monkeypatch.setattr(relay, "SILENCE_S", 0.01)
    monkeypatch.setattr(first_look, "HOLD_S", 0.01)

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await trio.sleep(SILENCES * 0.01)
        await reply.chunk(FIRST)
        await reply.end()

    dialect = DIALECTS[api]
    async with raw(dialect, handle) as port:
        answer = await ask(port, {"model": "m", "stream": True, **dialect.asking}, path=dialect.path)
    before, found, _ = answer.body.partition(FIRST)
    assert found
    assert [line for line in before.split(b"\n") if line and not line.startswith(b":")] == []
