"""The record against what the provider says it gave: every token once, whatever happened on the way."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bridge.config.settings import RecordSettings
from bridge.record.database import open_for_reading
from bridge.simulator.agents import run_agents
from bridge.simulator.answers import ScriptedAnswer
from bridge.simulator.demo import DEMO_SCENARIO, demo_keys
from bridge.simulator.provider import SimulatedExchange
from bridge.simulator.scenario.file import everyday
from tests.support.dialects import DIALECTS, say, without_usage_chunk
from tests.support.simulated import sent_by, simulation, tokens_told

CHAT = DIALECTS["chat_completions"]

UNFINISHED = """
    SELECT count(*) FROM interceptions AS i WHERE i.outcome IS NULL OR i.ended_at IS NULL
    OR i.attempts <> (SELECT count(*) FROM attempts WHERE interception_id = i.id)
    OR (i.outcome = 'completed' AND NOT EXISTS (SELECT 1 FROM token_usages WHERE interception_id = i.id))
"""
SUMS = (
    "SELECT coalesce(sum(input + cache_read_input + cache_write_input), 0), coalesce(sum(output), 0) FROM token_usages"
)


def given(exchanges: list[SimulatedExchange], answers: dict[str, ScriptedAnswer]) -> tuple[int, int]:
    told = [tokens_told(exchange, answers) for exchange in exchanges]
    return sum(read for read, _ in told), sum(written for _, written in told)


def one_row(database: sqlite3.Connection, sql: str) -> tuple[int, ...]:
    return tuple(database.execute(sql).fetchone())


async def test_the_sums_of_all_apis(tmp_path: Path) -> None:
    record = RecordSettings(path=tmp_path / "record.db")
    async with simulation(record=record) as simulated:
        count = 0
        for dialect in DIALECTS.values():
            for name in sorted(everyday().answers.keys() - {"limited_in_stream"}):  # after it the key has to rest
                for stream in (True, False):
                    await say(simulated, dialect, name, stream=stream)
                    count += 1
        await simulated.exchange(count)
    database = open_for_reading(tmp_path / "record.db")
    assert one_row(database, UNFINISHED) == (0,)
    assert one_row(database, "SELECT count(*) FROM interceptions") == (count,)
    assert one_row(database, SUMS) == given(simulated.exchanges, everyday().answers)
    database.close()


async def test_the_sums_after_a_demo(tmp_path: Path) -> None:
    record = RecordSettings(path=tmp_path / "record.db")
    async with simulation(DEMO_SCENARIO, demo_keys(), record=record) as simulated:
        await run_agents(f"{simulated.here.url}/openai/v1", rounds=1, speed=1000, seed=1)
    database = open_for_reading(tmp_path / "record.db")
    assert one_row(database, UNFINISHED) == (0,)
    assert one_row(database, SUMS) == given(simulated.exchanges, DEMO_SCENARIO.answers)
    (failovers,) = one_row(database, "SELECT count(*) FROM attempts WHERE reason IS NOT NULL")
    assert failovers
    database.close()


async def test_usage_that_the_bridge_asks_for_is_told_and_not_shown() -> None:
    async with simulation() as simulated:
        got = await say(simulated, CHAT, "reasoning")
        exchange = await simulated.exchange(1)
        await simulated.here.event("interception.ended")
        assert b'"include_usage":true' in exchange.request.body
        assert got.body == without_usage_chunk(sent_by(exchange))
        assert exchange.reply.tokens is not None
        assert simulated.here.events("tokens.used")[0].output == exchange.reply.tokens.output


@pytest.mark.parametrize("options", [{"include_usage": True}, {"include_usage": True, "more": 1}])
async def test_usage_that_the_client_asks_for_is_left_to_it(options: dict[str, object]) -> None:
    async with simulation() as simulated:
        got = await say(simulated, CHAT, "reasoning", stream_options=options)
        exchange = await simulated.exchange(1)
    assert b'"choices":[],' in got.body
    assert got.body == sent_by(exchange)


async def test_other_options_of_a_chat_stream_go_upstream_with_the_bridges_own() -> None:
    async with simulation() as simulated:
        got = await say(simulated, CHAT, stream_options={"include_obfuscation": False, "include_usage": False})
        exchange = await simulated.exchange(1)
    assert b'"stream_options":{"include_obfuscation":false,"include_usage":true}' in exchange.request.body
    assert b'"choices":[],' not in got.body


async def test_a_blocking_chat_request_goes_upstream_as_it_is() -> None:
    async with simulation() as simulated:
        await say(simulated, CHAT, stream=False)
        exchange = await simulated.exchange(1)
    assert b"stream_options" not in exchange.request.body
