"""The simulated provider as an HTTP server: routes, errors, keys, order, determinism, and how streams end."""

from __future__ import annotations

import gzip
import importlib
import sys
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest
import trio
import trio.testing

from bridge.simulator.answers import Mishap, ScriptedAnswer, Silence, Text
from bridge.simulator.delivery import ReplyEnding
from bridge.simulator.provider import SimulatedExchange, SimulatedProvider
from bridge.simulator.routes import IncomingRequest
from bridge.simulator.scenario.file import everyday, parse_scenario
from bridge.simulator.scenario.scenario import Scenario
from tests.simulator.serving import body_of, events_of, provider, request, serving

brotli: Any = importlib.import_module("brotli")  # it has no types
zstd: Any = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
ASK = {"model": "some-model", "input": "Hello"}
AUTH = {"authorization": "Bearer sk-any"}


@pytest.mark.parametrize("name", everyday().answers)
@pytest.mark.parametrize("stream", [True, False])
async def test_every_answer_crosses_a_socket_as_planned(name: str, stream: bool) -> None:
    planned = provider().plan(request(name, stream=stream), 0.0)
    whole = body_of(planned)[: planned.dropped_at]
    async with serving(provider()) as url, httpx.AsyncClient() as client:
        got, complete = await read(client, url, request(name, stream=stream))
    assert got == whole
    assert complete == (planned.dropped_at is None)


async def read(client: httpx.AsyncClient, url: str, sent: IncomingRequest) -> tuple[bytes, bool]:
    """The bytes of the answer's body, and whether it ended cleanly."""
    got = b""
    async with client.stream("POST", f"{url}/v1/responses", headers=sent.headers, content=sent.body) as response:
        try:
            async for chunk in response.aiter_raw():
                got += chunk
        except httpx.RemoteProtocolError:
            return got, False
    return got, True


@pytest.mark.parametrize("at", [0, 1, 700, 4000])
async def test_a_stream_breaks_off_at_exactly_the_byte(at: int) -> None:
    answer = ScriptedAnswer((Text("word " * 400),), Mishap(dropped=at))
    async with serving(provider(Scenario({"a": answer}, ("a",)))) as url, httpx.AsyncClient() as client:
        got, whole = await read(client, url, IncomingRequest("POST", "", AUTH, orjson.dumps({**ASK, "stream": True})))
    assert not whole
    assert len(got) == at


async def test_a_client_that_leaves_ends_the_stream() -> None:
    told, hear = trio.open_memory_channel[SimulatedExchange](1)
    slow = ScriptedAnswer((Text("never ending"),), Mishap(silence=Silence(3600, at=3)))
    app = provider(Scenario({"a": slow}, ("a",)), speed=1.0, on_exchange=told.send_nowait)
    async with serving(app) as url:
        async with (
            httpx.AsyncClient() as client,
            client.stream("POST", f"{url}/v1/responses", headers=AUTH, json={**ASK, "stream": True}) as response,
        ):
            assert response.status_code == 200
        with trio.fail_after(5):
            exchange = await hear.receive()
    assert exchange.ending is ReplyEnding.CLIENT_LEFT
    assert exchange.request.body == orjson.dumps({**ASK, "stream": True})


async def test_the_headers_are_openais() -> None:
    async with serving(provider()) as url, httpx.AsyncClient() as client:
        response = await client.post(f"{url}/v1/responses", headers=AUTH, json={**ASK, "stream": True})
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["x-request-id"].startswith("req_")
        assert response.headers["openai-version"] == "2020-10-01"
        assert int(response.headers["openai-processing-ms"]) > 0
        for what in ("limit", "remaining", "reset"):
            for name in ("requests", "tokens"):
                assert f"x-ratelimit-{what}-{name}" in response.headers


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b"", None, None),
        (b"not json", None, None),
        (b"[1]", None, None),
        (b'{"input": "Hello"}', "model", "missing_required_parameter"),
        (b'{"model": "m"}', "input", "missing_required_parameter"),
        (b'{"model": 5, "input": "Hello"}', "model", "invalid_type"),
        (b'{"model": "m", "input": 5}', "input", "invalid_type"),
        (b'{"model": "m", "input": "Hello", "stream": "yes"}', "stream", "invalid_type"),
    ],
)
async def test_a_wrong_body_is_refused_as_openai_does(body: bytes, param: str | None, code: str | None) -> None:
    async with serving(provider()) as url, httpx.AsyncClient() as client:
        response = await client.post(f"{url}/v1/responses", headers=AUTH, content=body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert error["message"]


async def test_routes_that_are_not_there() -> None:
    async with serving(provider()) as url, httpx.AsyncClient() as client:
        for method, path in (("GET", "/v1/responses"), ("POST", "/v1/nothing"), ("GET", "/")):
            response = await client.request(method, f"{url}{path}", headers=AUTH)
            assert response.status_code == 404
            assert response.json()["error"]["type"] == "invalid_request_error"
            assert path in response.json()["error"]["message"]


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic abc"}, {"authorization": "Bearer"}])
async def test_no_key_no_answer(headers: dict[str, str]) -> None:
    async with serving(provider()) as url, httpx.AsyncClient() as client:
        response = await client.post(f"{url}/v1/responses", headers=headers, json=ASK)
        assert response.status_code == 401
        assert (await client.get(f"{url}/v1/models", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", brotli.compress), ("zstd", zstd.compress)],
)
async def test_a_compressed_body_is_read(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    async with serving(provider()) as url, httpx.AsyncClient() as client:
        headers = {**AUTH, "content-encoding": encoding}
        packed = pack(orjson.dumps(ASK))
        assert (await client.post(f"{url}/v1/responses", headers=headers, content=packed)).status_code == 200
        for broken in (packed[: len(packed) // 2], b"\xff" + packed):
            response = await client.post(f"{url}/v1/responses", headers=headers, content=broken)
            assert response.status_code == 400
            assert "JSON body" in response.json()["error"]["message"]


def test_the_same_requests_in_the_same_order_give_the_same_bytes_and_times() -> None:
    def played(seed: int) -> list[Any]:
        app = provider(seed=seed)
        return [app.plan(request(name, stream=name != "plain"), 0.0) for name in everyday().answers]

    assert played(7) == played(7)
    assert played(7) != played(8)


def test_a_request_for_models_does_not_disturb_the_order() -> None:
    first, other = provider(), provider()
    other.plan(IncomingRequest("GET", "/v1/models", AUTH), 0.0)
    assert first.plan(request(), 0.0) == other.plan(request(), 0.0)


def test_answers_take_turns_and_follow_the_text() -> None:
    app = provider(
        parse_scenario(
            'turns = ["a", "b"]\nafter_tools = ["c"]\n'
            '[[rules]]\nwhen = "(?i)flaky"\nanswers = ["b", "c"]\n'
            + "".join(f'[answers.{name}]\nparts = [{{ text = "{name}" }}]\n' for name in "abc"),
            "test",
        )
    )

    def chosen(said: Any) -> str | None:
        return app.plan(request(input=said), 0.0).answer

    result = {"type": "function_call_output", "call_id": "call_1", "output": "done"}
    prompt = {"role": "user", "content": [{"type": "input_text", "text": "a Flaky test"}]}
    assert [chosen("x") for _ in range(3)] == ["a", "b", "a"]
    assert chosen([result]) == "c"
    assert [chosen([prompt]), chosen("flaky"), chosen("flaky")] == ["b", "c", "b"]
    assert chosen("please simulate c, flaky or not") == "c"
    assert chosen("x") == "b"


def test_an_answer_that_does_not_exist_is_refused() -> None:
    reply = provider().plan(request("nonsense"), 0.0)
    assert reply.status == 400
    assert b"nonsense" in body_of(reply)


@pytest.mark.parametrize("stream", [True, False])
def test_silence_and_slowness_take_their_time(stream: bool) -> None:
    def seconds(name: str) -> float:
        reply = provider(speed=1.0).plan(request(name, stream=stream), 0.0)
        return sum(chunk.pause for chunk in reply.chunks)

    assert 12 < seconds("silence") < 15
    assert seconds("slow") > 2 * seconds("plain")


def test_silence_comes_where_it_is_said() -> None:
    reply = provider(speed=1.0).plan(request("silence", stream=True), 0.0)
    events = events_of(body_of(reply))
    longest = max(range(len(events)), key=lambda index: reply.chunks[index].pause)
    assert events[longest][0] == "response.output_text.delta"
    assert [name for name, _ in events].index("response.output_text.delta") == longest


async def test_chunks_are_sent_when_they_are_due(autojump_clock: trio.testing.MockClock) -> None:
    times: list[float] = []

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            times.append(trio.current_time() - start)

    async def receive() -> dict[str, Any]:
        if not asked:
            asked.append(True)
            return {"type": "http.request", "body": orjson.dumps({**ASK, "stream": True}), "more_body": False}
        await trio.sleep_forever()
        raise AssertionError

    asked: list[bool] = []
    headers = [(b"Authorization", b"Bearer sk-any"), (b"x-simulate-answer", b"silence")]
    scope = {"type": "http", "method": "POST", "path": "/v1/responses", "headers": headers}
    start = trio.current_time()
    await provider(speed=0.5)(scope, receive, send)
    planned = provider(speed=0.5).plan(request("silence", stream=True), 0.0)
    due = [sum(chunk.pause for chunk in planned.chunks[: index + 1]) for index in range(len(planned.chunks))]
    assert times == pytest.approx(due)
    assert times[-1] > 24
    assert autojump_clock.autojump_threshold == 0


async def test_it_lives_through_the_lifespan_protocol() -> None:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await provider()({"type": "lifespan"}, receive, send)
    assert [message["type"] for message in said] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_no_speed_no_provider() -> None:
    with pytest.raises(ValueError, match="speed"):
        SimulatedProvider(speed=0)
    SimulatedProvider(speed=0.001)
