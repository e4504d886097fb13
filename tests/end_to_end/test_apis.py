"""What each API does at the bridge, feature by feature, against the simulated provider: the same for all three.

`DIALECTS` says how an API puts things, `FEATURES` what is to hold; every feature is shown of every API, so the table
of both has no empty cell.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from attrs import fields

from bridge.config.settings import RecordSettings
from bridge.interception import relay
from bridge.simulator.scenario.file import everyday
from tests.support.dialects import DIALECTS, PROMPT, Dialect, fated, raw, recorded, say, shape, without_usage_chunk
from tests.support.simulated import Simulation, events_in, sent_by, simulation, told_by, told_in
from tests.support.world import KEYS, STREAM, Asked, Reply, ask

ANSWERS = everyday().answers
LIMITED = "limited_in_stream"
"""Comes last wherever it comes: the key then has to rest."""
BROKEN = sorted(
    (
        name
        for name, answer in ANSWERS.items()
        if answer.mishap.failed or answer.mishap.error or answer.mishap.dropped is not None
    ),
    key=lambda name: (name == LIMITED, name),
)
WHOLE = sorted(set(ANSWERS) - set(BROKEN))


async def relays_streams(api: str, dialect: Dialect, _: Path) -> None:
    async with simulation() as simulated:
        for number, name in enumerate([*WHOLE, *BROKEN], 1):
            got = await say(simulated, dialect, name)
            upstream = sent_by(await simulated.exchange(number))
            if api == "chat_completions" and b'"choices":[],' in upstream:
                upstream = without_usage_chunk(upstream)
            if ANSWERS[name].mishap.dropped is None:
                assert (got.body, got.complete) == (upstream, True), name
            else:  # broken off inside an event: nothing is added, and the client sees that the end is missing
                assert (got.body, got.complete) == (upstream, False), name
            assert simulated.here.events("interception.started")[-1].streaming


async def relays_bodies(_api: str, dialect: Dialect, _: Path) -> None:
    async with simulation() as simulated:
        for number, name in enumerate(sorted(set(ANSWERS) - {LIMITED}), 1):
            got = await say(simulated, dialect, name, stream=False)
            exchange = await simulated.exchange(number)
            dropped = ANSWERS[name].mishap.dropped is not None
            assert (got.status, got.body, got.complete) == (exchange.reply.status, sent_by(exchange), not dropped), name
            assert not simulated.here.events("interception.started")[-1].streaming


async def records(api: str, dialect: Dialect, place: Path, *, stream: bool) -> None:
    settings = RecordSettings(path=place / "record.db")
    async with simulation(record=settings) as simulated:
        for name in WHOLE:
            await say(simulated, dialect, name, stream=stream)
        await simulated.here.event("interception.ended", len(WHOLE))
    for name, started, exchange in zip(
        WHOLE, simulated.here.events("interception.started"), simulated.exchanges, strict=True
    ):
        told = recorded(place, started.id)
        assert (told["api"], told["outcome"], told["error"]) == (api, "completed", None), name
        assert [prompt["text"] for prompt in told["prompts"]] == [PROMPT]
        assert told_in(told) == told_by(api, ANSWERS[name]), name
        assert (len(told["attempts"]), told["attempts"][0]["status"]) == (1, 200)
        assert exchange.reply.tokens is not None
        (used,) = told["tokens"]
        tokens = exchange.reply.tokens
        assert used["input"] + used["cache_read_input"] + used["cache_write_input"] == tokens.input, name
        assert (used["cache_read_input"], used["output"]) == (tokens.cached, tokens.output), name


async def records_streams(api: str, dialect: Dialect, place: Path) -> None:
    await records(api, dialect, place, stream=True)


async def records_bodies(api: str, dialect: Dialect, place: Path) -> None:
    await records(api, dialect, place, stream=False)


async def tells_how_broken_ones_ended(api: str, dialect: Dialect, place: Path) -> None:
    async with simulation(record=RecordSettings(path=place / "record.db")) as simulated:
        for number, name in enumerate(BROKEN, 1):
            await say(simulated, dialect, name)
            ended = await simulated.here.event("interception.ended", number)
            assert (ended.outcome, bool(ended.error)) == ("failed", True), name
        assert not [event.id for event in simulated.here.events("tokens.used") if not event.output]
    for name, started in zip(BROKEN, simulated.here.events("interception.started"), strict=True):
        said = told_by(api, ANSWERS[name])
        read_of = told_in(recorded(place, started.id))
        assert len(read_of.thoughts) <= len(said.thoughts)
        for (source, text), (said_source, whole) in zip(read_of.thoughts, said.thoughts, strict=False):
            assert source == said_source
            assert whole.startswith(text), name


async def goes_on(api: str, dialect: Dialect, place: Path) -> None:
    async with simulation(record=RecordSettings(path=place / "record.db")) as simulated:
        body = {"model": "m", "stream": True, **dialect.asking_on, **dialect.session}
        await ask(simulated.here.port, body, path=dialect.path, headers=[("anthropic-version", "2023-06-01")])
        ended = await simulated.here.event("interception.ended")
    told = recorded(place, ended.id)
    assert told["prompts"] == []
    assert (told["correlating_tool_call_id"], told["session_id"]) == (dialect.goes_on_from, "s-1")
    assert told_in(told) == told_by(api, ANSWERS["after_tools"])


async def keeps_alive(_api: str, dialect: Dialect, _: Path) -> None:
    quiet = trio.Event()
    body = bytearray()
    first = b'event: x\ndata: {"type":"x"}\n\n'

    async def handle(_asked: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(first)
        await quiet.wait()
        await reply.end()

    def watch(chunk: bytes) -> None:
        body.extend(chunk)
        if dialect.kept_alive in body:
            quiet.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relay, "SILENCE_S", 0.02)
        async with raw(dialect, handle) as port:
            with trio.fail_after(10):
                await ask(port, {"model": "m", "stream": True, **dialect.asking}, path=dialect.path, on_chunk=watch)
    assert bytes(body).removeprefix(first).replace(dialect.kept_alive, b"") == b""


async def refuses_nonsense(_api: str, dialect: Dialect, _: Path) -> None:
    async with simulation() as simulated:
        got = await ask(simulated.here.port, b"nonsense", path=dialect.path)
        assert (got.status, shape(got.json)) == (400, dialect.wrong)
        got = await ask(simulated.here.port, b"", path=dialect.path, method="PUT")
        assert (got.status, got.header("allow")) == (405, "POST")
        assert "error" in got.json
    assert simulated.exchanges == []


async def answers_exhaustion(_api: str, dialect: Dialect, _: Path) -> None:
    async with simulation(fated("429:7", "ok")) as simulated:
        await _relays_it(simulated, dialect, 429)
    async with simulation(fated("429:7", "ok"), KEYS[:2]) as simulated:
        got = await say(simulated, dialect)
        assert (got.status, shape(got.json)) == (429, dialect.limited)
        assert got.header("retry-after") == "1"
        assert "none of the 2 API keys" in got.json["error"]["message"]
    async with simulation(fated("401")) as simulated:
        await _relays_it(simulated, dialect, 401)
        got = await say(simulated, dialect)
        assert (got.status, shape(got.json), got.header("retry-after")) == (502, dialect.dead, None)
        assert got.header("x-should-retry") == "false"
        assert "the only API key" in got.json["error"]["message"]
    async with simulation(fated("insufficient_quota")) as simulated:
        await _relays_it(simulated, dialect, 429)
        got = await say(simulated, dialect)
        assert (got.status, shape(got.json)) == (429, dialect.limited)
        assert "quota" in got.json["error"]["message"]


async def _relays_it(simulated: Simulation, dialect: Dialect, status: int) -> None:
    got = await say(simulated, dialect)
    exchange = await simulated.exchange(1)
    assert (got.status, got.body, exchange.reply.status) == (status, sent_by(exchange), status)


async def relays_errors(_api: str, dialect: Dialect, _: Path) -> None:
    for fate in ("403", "403:model", "500", "503", "529"):
        async with simulation(fated(fate)) as simulated:
            got = await say(simulated, dialect)
            exchange = await simulated.exchange(1)
            assert (got.status, got.body) == (exchange.reply.status, sent_by(exchange)), fate
            ended = await simulated.here.event("interception.ended")
            assert (ended.outcome, ended.status) == ("failed", got.status)


async def breaks_off_between_events(_api: str, dialect: Dialect, _: Path) -> None:
    first = b'event: ping\ndata: {"type":"ping"}\n\n'

    async def handle(_asked: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(first)
        await reply.stream.aclose()

    async with raw(dialect, handle) as port:
        got = await ask(port, {"model": "m", "stream": True, **dialect.asking}, path=dialect.path)
    assert not got.complete
    assert got.body.startswith(first)
    (said,) = events_in(got.body.removeprefix(first))
    assert dialect.broken_stream in {said.get("type"), *said}


FEATURES: dict[str, Callable[[str, Dialect, Path], Awaitable[None]]] = {
    "every stream is relayed byte for byte": relays_streams,
    "every body is relayed byte for byte": relays_bodies,
    "a stream is recorded as the scenario says": records_streams,
    "a body is recorded as the scenario says": records_bodies,
    "a broken stream is recorded as far as it came": tells_how_broken_ones_ended,
    "a tool's result goes on from its call, in a session": goes_on,
    "a silent stream is kept alive in the API's form": keeps_alive,
    "a bad request is answered in the API's form": refuses_nonsense,
    "exhausted keys are answered in the API's form": answers_exhaustion,
    "upstream's errors are relayed": relays_errors,
    "a stream that breaks off ends with an error in the API's form": breaks_off_between_events,
}


@pytest.mark.parametrize("api", DIALECTS)
@pytest.mark.parametrize("feature", FEATURES)
async def test_cell(feature: str, api: str, tmp_path: Path) -> None:
    await FEATURES[feature](api, DIALECTS[api], tmp_path)


def test_the_table_has_no_empty_cell() -> None:
    assert set(DIALECTS) == {"responses", "chat_completions", "messages"}
    assert all(getattr(dialect, field.name) for dialect in DIALECTS.values() for field in fields(Dialect))
