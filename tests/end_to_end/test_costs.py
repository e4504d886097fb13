"""What an answer costs, from the provider's bytes to the record; the first one after a start too."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import orjson
import pytest
from trio.testing import wait_all_tasks_blocked

from bridge.config.settings import ProviderSettings, RecordSettings
from bridge.keys.secret import Secret
from bridge.record.database import open_for_reading
from bridge.record.sums import totals
from tests.support.served import served, stop
from tests.support.slow_list import SlowList
from tests.support.world import HELLO, KEYS, RESPONSES, Asked, Reply, ask, provider, running, say_hello, world

pytest.importorskip("genai_prices")

M = 1_000_000

CHAT = "/openai/v1/chat/completions"
MESSAGES = "/anthropic/v1/messages"

CLAUDE_USAGE = {"input_tokens": 100, "output_tokens": 50, "service_tier": "standard"}
WRITTEN = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 10_000}
ITERATIONS = [
    {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500},
    {"type": "advisor_message", "model": "claude-haiku-4-5", "input_tokens": 1_000, "output_tokens": 200},
    {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000, "cache_read_input_tokens": 4_000},
]
ITERATED = (180_000 * 5 + 3_500 * 25) + (1_000 * 1 + 200 * 5) + (23_000 * 5 + 1_000 * 25 + 4_000 * 0.5)


def claude(**usage: Any) -> dict[str, Any]:
    """An answer of Claude Opus 4.8."""
    fields = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-8",
        "stop_reason": "end_turn",
    }
    return {**fields, "content": [], "usage": {**CLAUDE_USAGE, **usage}}


def response(tier: str, **usage: Any) -> dict[str, Any]:
    """An answer of GPT-5.6."""
    fields = {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-5.6-sol", "output": []}
    return {**fields, "service_tier": tier, "usage": usage}


def completion(model: str, **usage: Any) -> dict[str, Any]:
    """An answer of Chat Completions."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    return {"id": "chat_1", "object": "chat.completion", "model": model, "choices": [choice], "usage": usage}


GPT_USAGE = {
    "input_tokens": 25_000,
    "input_tokens_details": {"cached_tokens": 20_000, "cache_write_tokens": 4_000},
    "output_tokens": 300,
    "total_tokens": 25_300,
}
CHAT_USAGE = {"prompt_tokens": 1_000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 800}}


@pytest.mark.parametrize(
    ("path", "answer", "dollars"),
    [
        pytest.param(
            MESSAGES,
            claude(cache_creation_input_tokens=10_000, cache_creation=WRITTEN),
            (100 * 5 + 50 * 25 + 10_000 * 10) / M,
            id="10,000 tokens written for an hour",
        ),
        pytest.param(
            MESSAGES,
            claude(server_tool_use={"web_search_requests": 2}),
            (100 * 5 + 50 * 25) / M + 2 * 10 / 1_000,
            id="two searches",
        ),
        pytest.param(MESSAGES, claude(speed="fast"), (100 * 10 + 50 * 50) / M, id="fast"),
        pytest.param(MESSAGES, claude(service_tier="priority"), None, id="a tier without a price"),
        pytest.param(MESSAGES, claude(iterations=ITERATIONS), ITERATED / M, id="each round at its own model"),
        pytest.param(MESSAGES, claude(iterations=ITERATIONS, cost=0.5), 0.5, id="a figure for all rounds"),
        pytest.param(
            RESPONSES,
            response("default", **GPT_USAGE),
            (1_000 * 4 + 20_000 * 0.4 + 4_000 * 5 + 300 * 20) / M,
            id="read and written",
        ),
        pytest.param(
            RESPONSES,
            response("flex", **GPT_USAGE),
            (1_000 * 2 + 20_000 * 0.2 + 4_000 * 2.5 + 300 * 10) / M,
            id="flex",
        ),
        pytest.param(CHAT, completion("gpt-4o", **CHAT_USAGE), (200 * 2.5 + 800 * 1.25 + 100 * 10) / M, id="cached"),
        pytest.param(CHAT, completion("gpt-4o", **CHAT_USAGE, cost=0.125), 0.125, id="the provider's own figure"),
        pytest.param(CHAT, completion("nobody's", **CHAT_USAGE), None, id="unknown"),
        pytest.param(
            CHAT,
            completion("gpt-4o-audio-preview", **CHAT_USAGE, completion_tokens_details={"audio_tokens": 60}),
            None,
            id="sound",
        ),
    ],
)
async def test_the_cost_of_an_answer(path: str, answer: dict[str, Any], dollars: float | None, tmp_path: Path) -> None:
    async def reply_with(_asked: Asked, reply: Reply) -> None:
        await reply.whole(200, orjson.dumps(answer), [("content-type", "application/json")])

    record = RecordSettings(path=tmp_path / "clearspan.db")
    keys = (Secret(KEYS[0]),)
    async with provider(reply_with) as url:
        providers = {
            "openai": ProviderSettings(type="openai", base_url=url, keys=keys),
            "anthropic": ProviderSettings(type="anthropic", base_url=url.removesuffix("/v1"), keys=keys),
        }
        async with running(providers, record=record) as here:
            await ask(here.port, {"model": answer["model"], "messages": [], "input": "hello"}, path=path)
            used = await here.event("tokens.used")
    assert used.cost_usd == (None if dollars is None else pytest.approx(dollars, rel=1e-12))
    database = open_for_reading(tmp_path / "clearspan.db")
    (sums,) = totals(database, "model", None)
    database.close()
    assert (sums["cost_usd"], sums["unpriced"]) == (used.cost_usd, int(dollars is None))


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
