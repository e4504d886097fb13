"""A caller's own key is masked in all that is told of its own requests, however late, and in nothing else; and what is
given for a key but can be no secret damages no text (docs/behaviour.md, Who is calling).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio

from bridge.apis.injection import ToolResult
from bridge.config.settings import CircuitBreakerSettings, RecordSettings
from bridge.events.wire import encode
from bridge.interception.interception import Interceptor
from bridge.interception.reading import ReadRequest
from bridge.interception.told_rounds import ERROR_CHARACTERS
from bridge.observe import logs
from bridge.providers.prices import Prices
from tests.support.dialects import DIALECTS
from tests.support.log_setup import logging_put_back
from tests.support.record_desk import whole_record
from tests.support.rounds import Answer, Calls, RoundsProvider, Says
from tests.support.scripted_tools import ScriptedToolset, ScriptedToolsets, bridge_with_tools
from tests.support.slow_list import SlowList
from tests.support.until import until
from tests.support.world import STREAM, Asked, Reply, World, ask, provider, say_hello, sse, world

OWN = "sk-canary-own-0123456789"
HINT = "sk-c...6789"
WORD = "run_tests"
"""What somebody gives as a key, and others have in their texts."""


async def echo(asked: Asked, reply: Reply) -> None:
    """A provider that tells the key it was given wherever it may say something."""
    key = asked.key
    call = {"type": "function_call", "id": "fc", "call_id": f"call {key}", "name": WORD}
    call["arguments"] = orjson.dumps({"a": key}).decode()
    usage = {"input_tokens": 12, "output_tokens": 3}
    last = {"id": f"resp_{key}", "model": f"m-{key}", "status": "completed", "usage": usage}
    await reply.head(200, [*STREAM, ("x-request-id", key)])
    await reply.chunk(sse("response.created", response={"id": f"resp_{key}", "model": f"m-{key}"}))
    await reply.chunk(sse("response.output_item.done", output_index=0, item=call))
    await reply.chunk(sse("response.completed", response=last))
    await reply.end()


def asking(text: str) -> dict[str, Any]:
    return {"model": f"model {text}", "input": f"why is {text} refused?", "stream": True}


def credentials(key: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {key}"), ("session-id", f"session {key}"), ("user-agent", f"agent {key}")]


def told(here: World) -> str:
    return "\n".join(map(repr, here.envelopes))


async def test_it_is_masked_in_what_is_told_when_its_request_is_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("genai_prices")
    slow = SlowList(monkeypatch)
    try:
        record = RecordSettings(path=tmp_path / "clearspan.db", dump_dir=tmp_path / "dumps")
        async with provider(echo) as url, world(url, record=record) as here:
            answer = await ask(here.port, asking(OWN), headers=credentials(OWN))
            assert answer.status == 200
            await until(lambda: here.bridge.health()["live"] == 0)
            assert not here.events("tokens.used"), "it waits for the list, and all that comes after it"
            slow.may_end.set()
            await here.event("interception.ended")
            assert len(here.events("tokens.used", "prompt.recorded", "tool.called")) == 3
            seen = {
                "events": told(here),
                "snapshot": encode(here.bridge.hub.snapshot()).decode(),
                "record": await whole_record(here.record, 1),
            }
        seen["dumps"] = "\n".join(path.read_text() for path in (tmp_path / "dumps").rglob("*.txt"))
    finally:
        slow.may_end.set()
    for sink, text in seen.items():
        assert OWN not in text, sink
        assert HINT in text, sink


async def test_what_goes_wrong_with_late_words_is_logged_without_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError(f"no price for {OWN}")

    file = tmp_path / "log"
    slow = SlowList(monkeypatch)
    monkeypatch.setattr(Prices, "price", refuse)
    with logging_put_back():
        logs.configure(file=file)
        try:
            async with provider(echo) as url, world(url) as here:
                await ask(here.port, asking(OWN), headers=credentials(OWN))
                slow.may_end.set()
                await until(lambda: "could not be told" in file.read_text())
        finally:
            slow.may_end.set()
    logged = file.read_text()
    assert f"no price for {HINT}" in logged
    assert OWN not in logged


async def test_what_a_bug_says_of_its_request_is_logged_without_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def read(*_: object) -> ReadRequest:
        raise ValueError(f"inside {OWN}")

    async def run(self: Interceptor) -> None:
        await whole(self)
        raise ValueError(f"around {OWN}")

    whole, file = Interceptor.run, tmp_path / "log"
    with logging_put_back():
        logs.configure(file=file)
        async with provider(say_hello) as url, world(url) as here:
            monkeypatch.setattr(Interceptor, "_read", read)
            monkeypatch.setattr(Interceptor, "run", run)
            assert (await ask(here.port, headers=credentials(OWN))).status == 500
            assert (await ask(here.port)).status == 500
    logged = file.read_text()
    assert f"inside {HINT}" in logged
    assert f"around {HINT}" in logged
    assert f"inside {OWN}" in logged, "nobody brought that key to the second request"
    assert logged.count(OWN) == 2, "nor any other"


async def test_a_circuit_tells_nothing_of_it_when_its_request_is_long_over() -> None:
    async def fail(_asked: Asked, reply: Reply) -> None:
        await reply.whole(500, b"{}")

    breaker = CircuitBreakerSettings(failure_threshold=1)
    async with provider(fail) as url, world(url, circuit_breaker=breaker) as here:
        await ask(here.port, asking(OWN), headers=credentials(OWN))
        opened = await here.event("circuit.changed")
        here.bridge.providers["openai"].circuits.close_all()
        closed = await here.event("circuit.changed", 2)
    assert (opened.state, closed.state) == ("open", "closed")
    assert opened.model == closed.model == f"model {HINT}"


async def test_it_is_masked_in_what_a_tool_says_before_that_is_cut() -> None:
    async def quote(_: dict[str, Any]) -> ToolResult:
        return ToolResult(error="x" * (ERROR_CHARACTERS - 10) + f" {OWN} is refused")

    toolsets = ScriptedToolsets(ScriptedToolset({"quote": quote}))
    steps = [Answer([Calls("bmcp_calc_quote", "{}")]), Answer([Says("It is refused.")])]
    async with bridge_with_tools("responses", RoundsProvider("responses", steps), toolsets) as here:
        dialect = DIALECTS["responses"]
        asked = {"model": "m", **dialect.asking, "stream": True}
        assert (await ask(here.port, asked, path=dialect.path, headers=credentials(OWN))).status == 200
        called = await here.event("tool.called")
    assert called.error.endswith("x sk-c...67"), "the hint is cut, and not the key"
    assert [session for session, _ in toolsets.asked] == [f"session {HINT}"], "by which it is known in the record"


@pytest.mark.parametrize("key", ["e", "test", "EMPTY", WORD])
async def test_nothing_that_is_told_of_others_is_masked_by_it(key: str, tmp_path: Path) -> None:
    """While it is under way another agent asks, in whose words that key stands by chance."""
    waits = trio.Event()

    async def handle(asked: Asked, reply: Reply) -> None:
        if asked.key == key:
            await waits.wait()
        await echo(asked, reply)

    text = f"please {key} the EMPTY test, e and {WORD}"
    record = RecordSettings(path=tmp_path / "clearspan.db", dump_dir=tmp_path / "dumps")
    async with provider(handle) as url, world(url, record=record) as here, trio.open_nursery() as nursery:
        nursery.start_soon(partial(ask, here.port, asking("mine"), headers=credentials(key)))
        await here.event("attempt.started")
        await ask(here.port, asking(text), headers=[("session-id", text), ("user-agent", text)])
        _, started = here.events("interception.started")
        prompt, called = await here.event("prompt.recorded"), await here.event("tool.called")
        assert (started.model, started.session_id) == (f"model {text}", text)
        assert started.user_agent == text
        assert text in prompt.text
        assert called.tool == WORD
        waits.set()
        await here.event("interception.ended", 2)
        assert text in await whole_record(here.record, 2)
    assert text in "\n".join(path.read_text() for path in (tmp_path / "dumps").rglob("*.txt"))


@pytest.mark.parametrize("keys", [["EMPTY"], ["x"], ["none"], ["ollama"], ["short"], ["lm-studio"]])
async def test_a_key_of_the_pool_that_can_be_no_secret_changes_no_text(keys: Sequence[str], tmp_path: Path) -> None:
    text = f"exec {keys[0]}, extra"
    record = RecordSettings(path=tmp_path / "clearspan.db", dump_dir=tmp_path / "dumps")
    with logging_put_back():
        async with provider(say_hello) as url, world(url, keys, record=record) as here:
            await ask(here.port, asking(text), headers=[("session-id", text), ("user-agent", text)])
            await here.event("interception.ended")
            started, prompt = here.events("interception.started", "prompt.recorded")
            assert (started.model, started.session_id, started.user_agent) == (f"model {text}", text, text)
            assert text in prompt.text
            assert text in await whole_record(here.record, 1)
            assert here.events("attempt.started")[0].key == here.bridge.providers["openai"].pool.keys[0].hint
        (request,) = (tmp_path / "dumps").rglob("*.req.txt")
    head, _, body = request.read_text().partition("\n\n")
    assert text in orjson.loads(body)["input"]
    assert f"Bearer {keys[0]}" not in head, "as a credential it is masked all the same"


def test_a_key_learned_later_is_masked_in_a_request_with_an_own_key() -> None:
    general = logs.Redactor()
    own = general.also([(OWN, HINT)])
    general.learn([("sk-canary-later-0123", "later")])
    assert own.redact(f"{OWN} sk-canary-later-0123") == f"{HINT} later"
    assert general.redact(f"{OWN} sk-canary-later-0123") == f"{OWN} later"
