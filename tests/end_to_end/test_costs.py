"""The first answer after a start has its price, though the list is loaded while it is under way."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from trio.testing import wait_all_tasks_blocked

from tests.support.served import served, stop
from tests.support.slow_list import SlowList
from tests.support.world import HELLO, ask, provider, say_hello, world

pytest.importorskip("genai_prices")

REQUEST = {"model": "gpt-5", "input": "hello", "stream": True}
DOLLARS = (12 * 1.25 + 3 * 10) / 1_000_000
"""What HELLO costs."""


async def test_the_client_has_its_answer_before_the_list_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowList(monkeypatch)
    async with provider(say_hello) as url, world(url) as here:
        answered = await ask(here.port, REQUEST)
        assert answered.complete
        assert answered.body == b"".join(HELLO)
        await wait_all_tasks_blocked()
        assert not here.events("tokens.used", "interception.ended")
        slow.may_end.set()
        used, ended = await here.event("tokens.used"), await here.event("interception.ended")
    assert used.cost_usd == pytest.approx(DOLLARS)
    assert used.context_window == 400_000
    assert ended.outcome == "completed"


async def test_a_stop_loses_nothing_of_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowList(monkeypatch)
    async with provider(say_hello) as url, world(url) as here:
        await ask(here.port, REQUEST)
        here.bridge.stop("the test says so")
        await here.event("bridge.stopping")
        slow.may_end.set()
    types = [envelope.event.type for envelope in here.envelopes]
    assert types.index("tokens.used") < types.index("interception.ended")


async def test_the_first_answer_of_a_process_costs_what_it_costs(tmp_path: Path) -> None:
    async with provider(say_hello) as url, served(tmp_path, url.removesuffix("/v1")) as bridge:
        await ask(bridge.port, REQUEST)
        used = await bridge.until("tokens.used")
        await bridge.until("interception.ended")
        await stop(bridge)
    assert used["cost_usd"] == pytest.approx(DOLLARS)
    database = sqlite3.connect(tmp_path / "clearspan.db")
    assert database.execute("SELECT cost_usd FROM token_usages").fetchone() == (pytest.approx(DOLLARS),)
    database.close()
