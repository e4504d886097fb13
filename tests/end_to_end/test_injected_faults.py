"""Tools of the bridge's own where something goes wrong: in a later round, in a tool, with the client, with the owner;
and that a request which gets none is what it always was (docs/behaviour.md, Injected tools).
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from trio.testing import MockClock

from bridge.apis.injection import ToolResult
from bridge.config.settings import RecordSettings
from bridge.events.values import ErrorType, Outcome
from bridge.events.wire import Command
from bridge.interception import tool_loop
from bridge.interception.told_rounds import CANCELLED
from tests.apis.chat_streams import DONE
from tests.apis.wire import chunk, named
from tests.end_to_end.fated import LIMITED, OVERLOADED, UNAUTHORIZED
from tests.faults.census import nothing_left
from tests.support.dialects import DIALECTS, recorded
from tests.support.rounds import BODIES, EVENTS, Answer, Calls, RoundsProvider, Says, Step, Thinks, drops, refuses
from tests.support.scripted_tools import ScriptedToolset, ScriptedToolsets, bridge_with_tools, text_result
from tests.support.world import KEYS, STREAM, Answered, Asked, Reply, World, ask

APIS = ("messages", "chat_completions", "responses")
CALL = Answer([Says("Let me see. "), Calls("bmcp_calc_add", '{"a": 1, "b": 2}')])
LAST = Answer([Says("It is 3.")], response_id="answer_2")

BUSY = {
    "messages": named("error", error={"type": "overloaded_error", "message": "busy"}),
    "chat_completions": chunk(error={"message": "busy", "type": "server_error", "code": "server_is_overloaded"}),
    "responses": named("error", code="server_is_overloaded", message="busy", param=None, sequence_number=0),
}


def overloaded(api: str) -> Step:
    """A stream whose first event says that the model is overloaded."""

    async def step(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(BUSY[api])
        await reply.end()

    return step


def asking(api: str, *, stream: bool = True, **more: Any) -> dict[str, Any]:
    return {"model": "claude-opus-4-5", **DIALECTS[api].asking, "stream": stream, **more}


async def talk(here: World, api: str, *, stream: bool = True, headers: Sequence[tuple[str, str]] = ()) -> Answered:
    return await ask(here.port, asking(api, stream=stream), path=DIALECTS[api].path, headers=headers)


def last_event(answer: Answered) -> Any:
    """The data of a stream's last event but for an end mark."""
    lines = [line.removeprefix(b"data: ") for line in answer.body.split(b"\n") if line.startswith(b"data: ")]
    return orjson.loads([line for line in lines if line != b"[DONE]"][-1])


FAILURES: dict[str, tuple[Callable[[str], Step], int, ErrorType, str]] = {
    "429": (lambda _: refuses(*LIMITED, [("retry-after", "7")]), 429, ErrorType.RATE_LIMITED, "slow down"),
    "401": (lambda _: refuses(*UNAUTHORIZED), 401, ErrorType.UNAUTHORIZED, "no"),
    "529": (lambda _: refuses(*OVERLOADED), 529, ErrorType.OVERLOADED, "busy"),
    "400": (lambda _: refuses(400, {"error": {"message": "odd"}}), 400, ErrorType.BAD_REQUEST, "odd"),
    "drop": (lambda api: drops(api, LAST), 502, ErrorType.SERVER_ERROR, "upstream"),
}
"""What the second round meets with the only key, the status of an answer that had not begun, and what is told."""


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", FAILURES)
async def test_a_later_round_that_fails_before_the_first_byte_is_an_ordinary_error(name: str, api: str) -> None:
    step, status, kind, words = FAILURES[name]
    async with bridge_with_tools(api, RoundsProvider(api, [CALL, step(api)]), ScriptedToolsets()) as here:
        answer = await talk(here, api, stream=False)
        ended = await here.event("interception.ended")
    assert (answer.status, answer.complete) == (status, True)
    assert words in answer.json["error"]["message"]
    assert answer.header("retry-after") == ("7" if name == "429" else None)
    assert (ended.outcome, ended.error_type, ended.attempts) == ("failed", kind, 2)
    assert_first_round_is_told(here)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", FAILURES)
async def test_a_later_round_that_fails_in_a_stream_is_an_event_of_it(name: str, api: str) -> None:
    step, _, kind, words = FAILURES[name]
    async with bridge_with_tools(api, RoundsProvider(api, [CALL, step(api)]), ScriptedToolsets()) as here:
        answer = await talk(here, api)
        ended = await here.event("interception.ended")
    event = last_event(answer)
    assert answer.status == 200
    assert words in event["error"]["message"]
    assert (answer.complete, answer.body.endswith(DONE)) == (
        (True, True) if api == "chat_completions" else (False, False)
    )
    if api == "messages":
        assert event["type"] == "error"
        assert event["error"]["type"] == {"429": "rate_limit_error", "529": "overloaded_error"}.get(
            name, {"401": "authentication_error", "400": "invalid_request_error"}.get(name, "api_error")
        )
    if api == "responses":
        assert (event["type"], event["sequence_number"]) == ("error", 0)
    assert (ended.outcome, ended.error_type) == ("failed", kind)
    assert_first_round_is_told(here)


def assert_first_round_is_told(here: World) -> None:
    """What failed later takes nothing away from what is known."""
    assert [(event.tool, event.injected, event.error) for event in here.events("tool.called")] == [("add", True, None)]
    assert here.events("tokens.used")[0].response_id == "answer_1"
    assert [event.response_id for event in here.events("prompt.recorded")] == ["answer_1"]


@pytest.mark.parametrize("api", APIS)
async def test_an_overload_inside_a_later_stream_is_shown_as_it_came(api: str) -> None:
    async with bridge_with_tools(api, RoundsProvider(api, [CALL, overloaded(api)]), ScriptedToolsets()) as here:
        answer = await talk(here, api)
        ended = await here.event("interception.ended")
    assert answer.body.removesuffix(DONE).endswith(BUSY[api])
    assert (ended.outcome, ended.error, ended.error_type) == ("failed", "busy", ErrorType.OVERLOADED)
    assert answer.complete
    assert answer.body.endswith(DONE) == (api == "chat_completions")
    assert_first_round_is_told(here)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "body"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", ["429", "401", "overload"])
async def test_a_later_round_walks_the_keys_by_itself(name: str, api: str, stream: bool) -> None:
    failing = (
        overloaded(api) if name == "overload" and stream else refuses(*(UNAUTHORIZED if name == "401" else LIMITED))
    )
    given = RoundsProvider(api, [CALL, failing, LAST])
    async with bridge_with_tools(api, given, ScriptedToolsets(), KEYS[:2]) as here:
        answer = await talk(here, api, stream=stream)
        ended = await here.event("interception.ended")
    assert b"answer_2" in answer.body or api != "responses"
    assert (answer.status, answer.complete, ended.outcome, ended.attempts) == (200, True, "completed", 3)
    assert [(event.attempt, event.key) for event in here.events("attempt.started")] == [
        (1, "sk-c...0001"),
        (2, "sk-c...0001"),
        (3, "sk-c...0002"),
    ]
    assert [event.attempt for event in here.events("attempt.failed")] == [2]
    assert given.asked[1].body == given.asked[2].body


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "body"])
@pytest.mark.parametrize("api", APIS)
async def test_a_round_after_the_last_key_rests_is_told_when_to_come_back(api: str, stream: bool) -> None:
    limited = refuses(*LIMITED, [("retry-after", "7")])
    async with bridge_with_tools(api, RoundsProvider(api, [CALL, limited]), ScriptedToolsets(), KEYS[:2]) as here:
        answer = await talk(here, api, stream=stream)
        ended = await here.event("interception.ended")
    assert ended.error_type is ErrorType.RATE_LIMITED
    if stream:
        assert "sk-c...0001" in last_event(answer)["error"]["message"]
    else:
        assert (answer.status, answer.header("retry-after")) == (429, "7")


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "body"])
@pytest.mark.parametrize("api", APIS)
async def test_a_tool_that_hangs_is_given_up_and_the_model_is_told(api: str, stream: bool, clock: MockClock) -> None:
    toolsets = ScriptedToolsets()
    assert toolsets.given is not None
    hang = toolsets.given.does["hang"]

    async def hang_for_long(arguments: dict[str, Any]) -> ToolResult:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_jump, clock)
            return await hang(arguments)

    toolsets.given.does["hang"] = hang_for_long
    given = RoundsProvider(api, [Answer([Calls("bmcp_calc_hang")]), LAST])
    async with bridge_with_tools(api, given, toolsets, idle_timeout=1000, request_timeout=1000) as here:
        answer = await talk(here, api, stream=stream)
        ended = await here.event("interception.ended")
    assert (answer.status, answer.complete, ended.outcome) == (200, True, "completed")
    (told,) = here.events("tool.called")
    assert told.error == "no answer within 60 s"
    assert b"no answer within 60 s" in given.asked[1].body


async def _jump(clock: MockClock) -> None:
    await trio.sleep(0.01)
    clock.jump(61)


@pytest.mark.parametrize("api", APIS)
async def test_a_client_is_kept_waiting_while_a_tool_runs_and_between_rounds(
    api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_loop, "SILENCE_S", 0.01)
    comment = b"ping" if api == "messages" else b"keep-alive"
    seen = {"tool": trio.Event(), "round": trio.Event()}
    counted = 0

    def count(data: bytes) -> None:
        nonlocal counted
        counted += data.count(comment)
        if counted > 3:
            seen["tool"].set()
        if counted > 6:
            seen["round"].set()

    async def slow(_: dict[str, Any]) -> ToolResult:
        await seen["tool"].wait()
        return text_result("3")

    async def last_round(asked: Asked, reply: Reply) -> None:
        await seen["round"].wait()
        await RoundsProvider(api, [LAST])(asked, reply)

    toolsets = ScriptedToolsets(ScriptedToolset({"add": slow}))
    async with bridge_with_tools(api, RoundsProvider(api, [CALL, last_round]), toolsets) as here:
        with trio.fail_after(10):
            answer = await ask(here.port, asking(api), path=DIALECTS[api].path, on_chunk=count)
        ended = await here.event("interception.ended")
    assert (ended.outcome, answer.complete, counted > 6) == ("completed", True, True)
    if api == "responses":  # nothing of the first round is shown, so that nothing has begun
        assert answer.body.startswith(b": keep-alive\n\n")


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "body"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("who", ["client", "owner"])
async def test_a_request_that_is_cancelled_in_a_tool_ends_there(who: str, api: str, stream: bool) -> None:
    running, stopped = trio.Event(), trio.Event()

    async def wait_for_ever(_: dict[str, Any]) -> ToolResult:
        running.set()
        try:
            await trio.sleep_forever()
        finally:
            stopped.set()
        raise AssertionError

    toolsets = ScriptedToolsets(ScriptedToolset({"add": wait_for_ever}))
    two_calls = Answer([*CALL.parts, Calls("bmcp_calc_add", call_id="call_2")])
    given = RoundsProvider(api, [two_calls, LAST])
    async with bridge_with_tools(api, given, toolsets) as here:
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: talk(here, api, stream=stream))
                await running.wait()
                if who == "client":
                    nursery.cancel_scope.cancel()
                else:
                    name = here.events("interception.started")[0].id
                    here.bridge._perform(Command(1, "cancel", id=name))
            await stopped.wait()
            ended = await here.event("interception.ended")
    assert ended.outcome is Outcome.CANCELLED
    assert len(given.asked) == 1
    assert [(event.tool, event.injected, event.error) for event in here.events("tool.called")] == [
        ("add", True, CANCELLED),
        ("add", True, CANCELLED),
    ]


# A request that gets no tools, and one that needs none

ODD = {
    "messages": b' {"messages": [{"role":"user","content":"\\u00e9"}], "max_tokens": 1e3, "odd": 1.50, "model":"m"}\n',
    "chat_completions": b' {"messages": [{"role":"user","content":"\\u00e9"}], "odd": 1.50, "model":"m"}\n',
    "responses": b' {"input": "\\u00e9", "odd": 1.50, "model":"m", "prompt_cache_key": "s"}\n',
}


@pytest.mark.parametrize("api", APIS)
async def test_without_a_tool_that_is_ready_the_same_bytes_go_upstream(api: str) -> None:
    body = ODD[api]
    sent = []
    for toolsets in (ScriptedToolsets(None), ScriptedToolsets(), ScriptedToolsets()):
        given = RoundsProvider(api, [LAST])
        async with bridge_with_tools(api, given, toolsets) as here:
            answer = await ask(here.port, body, path=DIALECTS[api].path)
            sent.append(given.asked[0].body)
        assert answer.json == BODIES[api](LAST)
    without, with_tools, again = sent
    assert without == body
    assert with_tools == again
    start, _, end = body.partition(b"{")
    assert with_tools.startswith(start)
    assert with_tools.endswith(end)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "body"])
@pytest.mark.parametrize("api", APIS)
async def test_an_answer_that_calls_no_tool_reaches_the_client_byte_for_byte(api: str, stream: bool) -> None:
    async with bridge_with_tools(api, RoundsProvider(api, [LAST]), ScriptedToolsets()) as here:
        more = {"stream_options": {"include_usage": True}} if api == "chat_completions" and stream else {}
        answer = await ask(here.port, asking(api, stream=stream, **more), path=DIALECTS[api].path)
    sent = b"".join(EVENTS[api](LAST)) if stream else orjson.dumps(BODIES[api](LAST))
    assert (answer.body, answer.complete) == (sent, True)


@pytest.mark.parametrize("api", APIS)
async def test_a_client_may_do_without(api: str) -> None:
    given = RoundsProvider(api, [LAST])
    async with bridge_with_tools(api, given, ScriptedToolsets()) as here:
        await talk(here, api, stream=False, headers=[("X-Clearspan-Tools", "Off")])
    assert b"bmcp_" not in given.asked[0].body
    assert given.asked[0].header("x-clearspan-tools") is None


@pytest.mark.parametrize("api", APIS)
async def test_a_session_gets_its_own_list_and_passed_through_routes_none(api: str) -> None:
    toolsets = ScriptedToolsets()
    given = RoundsProvider(api, [LAST])
    dialect = DIALECTS[api]
    passed = "/anthropic/v1/messages/count_tokens" if api == "messages" else "/openai/v1/embeddings"
    async with bridge_with_tools(api, given, toolsets) as here:
        await ask(here.port, {**asking(api, stream=False), **dialect.session}, path=dialect.path)
        await ask(here.port, asking(api, stream=False), path=passed)
        await talk(here, api, stream=False)
    assert toolsets.asked == [("s-1", "Unknown"), (None, "Unknown")]
    assert b"bmcp_" not in given.asked[1].body


@pytest.mark.parametrize("api", APIS)
async def test_a_compressed_request_goes_upstream_plain_where_tools_are_added(api: str) -> None:
    given = RoundsProvider(api, [LAST])
    async with bridge_with_tools(api, given, ScriptedToolsets()) as here:
        body = gzip.compress(orjson.dumps(asking(api, stream=False)))
        await ask(here.port, body, path=DIALECTS[api].path, headers=[("content-encoding", "gzip")])
    assert b"bmcp_calc_add" in given.asked[0].body
    assert given.asked[0].header("content-encoding") is None


async def test_a_large_request_gets_its_tools_too() -> None:
    given = RoundsProvider("responses", [CALL, LAST])
    async with bridge_with_tools("responses", given, ScriptedToolsets()) as here:
        answer = await ask(here.port, {"input": "x" * 2_000_000, "model": "m"})
    assert [b"bmcp_calc_add" in asked.body for asked in given.asked] == [True, True]
    kinds = [item["type"] for item in given.requests[1]["input"][1:]]
    assert kinds == ["message", "function_call", "function_call_output"]
    assert answer.json["id"] == "answer_2"


async def test_a_stream_that_ends_before_its_end_has_broken_off() -> None:
    async def end_early(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        for event in EVENTS["messages"](CALL)[:-1]:
            await reply.chunk(event)
        await reply.end()

    async with bridge_with_tools("messages", RoundsProvider("messages", [end_early]), ScriptedToolsets()) as here:
        answer = await talk(here, "messages")
        ended = await here.event("interception.ended")
    assert (last_event(answer)["type"], answer.complete) == ("error", False)
    assert (ended.outcome, ended.error) == ("failed", tool_loop.INCOMPLETE)
    assert [event.error for event in here.events("tool.called")] == [tool_loop.BROKEN_OFF]


async def test_a_fault_in_the_list_of_tools_costs_the_tools_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(ScriptedToolsets, "toolset", broken)
    given = RoundsProvider("responses", [LAST])
    async with bridge_with_tools("responses", given, ScriptedToolsets()) as here:
        answer = await ask(here.port, {"input": "x", "model": "m"})
    assert (answer.status, b"bmcp_" in given.asked[0].body) == (200, False)


@pytest.mark.parametrize("api", APIS)
async def test_an_encoded_answer_is_understood_and_shown_plain(api: str) -> None:
    async def packed(_: Asked, reply: Reply) -> None:
        body = gzip.compress(b"".join(EVENTS[api](CALL)))
        await reply.whole(200, body, [*STREAM, ("content-encoding", "gzip")])

    async with bridge_with_tools(api, RoundsProvider(api, [packed, LAST]), ScriptedToolsets()) as here:
        answer = await talk(here, api)
        ended = await here.event("interception.ended")
    assert (answer.header("content-encoding"), ended.outcome, ended.attempts) == (None, "completed", 2)


async def test_two_rounds_thoughts_have_numbers_of_their_own() -> None:
    first = Answer([Thinks("One."), *CALL.parts])
    last = Answer([Thinks("Two."), *LAST.parts], response_id="answer_2")
    async with bridge_with_tools("messages", RoundsProvider("messages", [first, last]), ScriptedToolsets()) as here:
        await talk(here, "messages")
        await here.event("interception.ended")
        (shown,) = here.bridge.hub.snapshot().interceptions
    told = [(event.index, event.response_id, event.text) for event in here.events("thought.recorded")]
    assert told == [(0, "answer_1", "One."), (1, "answer_2", "Two.")]
    assert [thought.text for thought in shown.thoughts] == ["One.", "Two."]


@pytest.mark.parametrize("api", APIS)
async def test_the_record_has_every_round(api: str, tmp_path: Path) -> None:
    thinking = Answer([Thinks("One."), *CALL.parts])
    given = RoundsProvider(api, [thinking, refuses(*LIMITED), LAST])
    kept = RecordSettings(path=tmp_path / "record.db")
    async with bridge_with_tools(api, given, ScriptedToolsets(), KEYS[:2], record=kept) as here:
        await talk(here, api)
        name = here.events("interception.started")[0].id
        await here.event("interception.ended")
    story = recorded(tmp_path, name)
    assert [attempt["status"] for attempt in story["attempts"]] == [200, 429, 200]
    (tool,) = story["tools"]
    assert (tool["tool"], tool["injected"], tool["response_id"]) == ("add", True, "answer_1")
    assert (tool["server_url"], tool["error"]) == ("http://127.0.0.1:9/mcp", None)
    assert [thought["text"] for thought in story["thoughts"]] == ["One."]
    assert (story["prompts"][0]["response_id"], len(story["prompts"])) == ("answer_1", 1)
    assert [used["response_id"] for used in story["tokens"]] == ["answer_1", "answer_2"]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "body"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", ["429", "drop"])
async def test_a_first_round_that_fails_is_what_it_is_without_tools(name: str, api: str, stream: bool) -> None:
    step, status, kind, _ = FAILURES[name]
    seen = []
    for toolsets in (ScriptedToolsets(None), ScriptedToolsets()):
        async with bridge_with_tools(api, RoundsProvider(api, [step(api)]), toolsets) as here:
            answer = await talk(here, api, stream=stream)
            ended = await here.event("interception.ended")
        seen.append((answer.status, answer.complete, answer.header("retry-after"), ended.outcome, ended.error_type))
    assert seen[0][0] == (200 if name == "drop" else status)
    assert seen[0][3:] == ("failed", kind)
    if name == "429" or stream:
        assert seen[1] == seen[0]
    else:  # a body that may hold calls is held, so that its breaking off can still be answered
        assert seen[1] == (502, True, None, "failed", kind)


async def test_another_round_is_no_failover() -> None:
    async with bridge_with_tools("messages", RoundsProvider("messages", [CALL, LAST]), ScriptedToolsets()) as here:
        await talk(here, "messages")
        await here.event("interception.ended")
        page = await ask(here.port, b"", path="/metrics", method="GET")
        assert here.bridge.hub.snapshot().totals.failovers == 0
    assert b"clearspan_key_failovers_total{" not in page.body
    labels = b'model="claude-opus-4-5",provider="anthropic",server="",tool="add"'  # of no configured server
    assert b"clearspan_injected_tool_invocations_total{%b} 1.0" % labels in page.body


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "body"])
@pytest.mark.parametrize("api", APIS)
async def test_a_client_that_leaves_at_any_moment_leaves_nothing_behind(api: str, stream: bool) -> None:
    """It leaves after so many turns of the scheduler: before, in and between rounds, and while a tool runs."""

    async def slow(_: dict[str, Any]) -> ToolResult:
        for _turn in range(20):
            await trio.lowlevel.checkpoint()
        return text_result("3")

    given = RoundsProvider(api, [CALL, CALL, CALL, LAST])
    async with bridge_with_tools(api, given, ScriptedToolsets(ScriptedToolset({"add": slow}))) as here:
        await talk(here, api, stream=stream)
        async with nothing_left(here):
            for turns in range(0, 160, 6):
                given.asked.clear()
                with trio.CancelScope() as scope:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(lambda: talk(here, api, stream=stream))
                        for _turn in range(turns):
                            await trio.lowlevel.checkpoint()
                        scope.cancel()
        started = len(here.events("interception.started"))
        ended = [await here.event("interception.ended", number + 1) for number in range(started)]
    assert {event.outcome for event in ended} == {Outcome.COMPLETED, Outcome.CANCELLED}
    called = here.events("tool.called")
    assert {event.error for event in called} <= {None, CANCELLED, tool_loop.BROKEN_OFF}
