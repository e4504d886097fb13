"""MCP servers in real processes, over both transports, as the bridge keeps them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
import trio
from attrs import evolve

from bridge.apis.injection import ToolResult
from bridge.config.settings import McpServerSettings
from bridge.limits import LIMITS
from bridge.observe import logs
from bridge.tools import server as tool_server
from tests.support.log_setup import logging_put_back
from tests.support.tool_servers import PROGRAM, Kept, kept, odd, remote_server
from tests.support.until import until

SIMULATED = ["add", "die", "echo", "fail", "grow", "hang", "much", "picture"]


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No rests worth mentioning between tries; and what a test changes of logging is put back."""
    monkeypatch.setattr(tool_server, "FIRST_RETRY_S", 0.05)
    monkeypatch.setattr(tool_server, "RELIST_S", 0.0)
    with logging_put_back():
        yield


@asynccontextmanager
async def simulated(transport: str, **changes: Any) -> AsyncIterator[Kept]:
    """The simulated server `sim` over that transport, once it is ready."""
    if transport == "stdio":
        async with kept(sim=evolve(PROGRAM, **changes)) as found:
            await found.until_told("sim", "ready")
            yield found
    else:
        async with remote_server() as remote, kept(sim=evolve(remote.settings, **changes)) as found:
            await found.until_told("sim", "ready")
            yield found


async def call(found: Kept, tool: str, **arguments: Any) -> ToolResult:
    """Calls a tool of the server `sim`."""
    return await found.servers.call(found.tool(f"bmcp_sim_{tool}"), arguments)


def text(result: ToolResult) -> str:
    """The first text in a result."""
    assert result.result is not None, result.error
    said = result.result["content"][0]["text"]
    assert isinstance(said, str)
    return said


@pytest.fixture(params=["stdio", "http"])
def transport(request: pytest.FixtureRequest) -> str:
    """How the simulated server is reached."""
    return str(request.param)


async def test_tools_are_listed_to_the_last_page_and_answer(transport: str) -> None:
    async with simulated(transport) as found:
        assert found.ids == [f"bmcp_sim_{name}" for name in SIMULATED]
        assert found.told[-1].tools == len(SIMULATED)
        add = found.tool("bmcp_sim_add")
        assert add.input_schema["$defs"] == {"number": {"type": "number"}}
        assert add.input_schema["additionalProperties"] is False
        assert add.server_url == ("stdio:sim" if transport == "stdio" else found.servers.servers[0].settings.url)
        assert text(await call(found, "echo", text="héllo")) == "héllo"
        assert (await call(found, "add", a=1, b=2)).result == {
            "content": [{"type": "text", "text": "3"}],
            "structuredContent": {"sum": 3.0},
        }
        failed = await call(found, "fail", text="no")
        assert failed.is_error
        assert text(failed) == "no"
        picture = (await call(found, "picture")).result
        assert picture is not None
        assert picture["content"][0]["mimeType"] == "image/png"


async def test_deny_wins_over_allow_and_both_search(transport: str) -> None:
    async with simulated(transport, allow="e", deny="^d") as found:
        assert found.ids == ["bmcp_sim_echo", "bmcp_sim_picture"]
        assert found.told[-1].tools == 2


async def test_five_megabytes_are_cut_with_a_note(transport: str) -> None:
    async with simulated(transport) as found:
        result = await call(found, "much")
        assert result.result is not None
        assert len(orjson.dumps(result.result)) <= LIMITS.tool_result_bytes
        assert text(result).startswith("much much")
        assert "5242" in result.result["content"][-1]["text"]
        assert not result.is_error


async def test_a_call_that_hangs_is_given_up_and_holds_up_no_other(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with simulated(transport) as found:
        results: list[ToolResult] = []

        async def hang() -> None:
            results.append(await call(found, "hang"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hang)
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert text(await call(found, "echo", text="meanwhile")) == "meanwhile"
            nursery.cancel_scope.cancel()  # the client left
        assert results == []
        monkeypatch.setattr(tool_server, "CALL_S", 0.2)
        assert (await call(found, "hang")).error == "no answer within 0.2 s"
        monkeypatch.undo()
        assert text(await call(found, "echo", text="after")) == "after"


async def test_a_server_that_dies_in_a_call_comes_back_and_keeps_its_place() -> None:
    async with kept(sim=PROGRAM, other=odd("z")) as found:
        await found.until_told("sim", "ready")
        await found.until_told("other", "ready")
        first = found.servers.toolset("s", "c")
        assert first is not None
        first.keep()
        listed = first.tools
        died = await call(found, "die")
        assert died.error is not None
        told = await found.until_told("sim", "failed")
        assert told.error == "it ended with exit code 1"
        again = found.servers.toolset("s", "c")
        assert again is not None
        assert again.tools is listed
        echo = next(tool for tool in listed if tool.name == "echo")
        await found.until_told("sim", "ready", 2)
        assert text(await again.call(echo, {"text": "back"})) == "back"
        assert orjson.dumps([tool.input_schema for tool in listed]) == orjson.dumps(
            [tool.input_schema for tool in found.servers.catalogue]
        )


async def test_a_session_that_the_server_forgot_costs_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_server, "LOOK_S", 3600.0)
    async with remote_server() as first, kept(sim=first.settings) as found:
        await found.until_told("sim", "ready")
        await first.kill()
        async with remote_server(first.port):  # which knows nobody
            assert text(await call(found, "echo", text="still here")) == "still here"
            await found.until_told("sim", "ready", 2)


async def test_a_list_that_changes_is_for_later_sessions(transport: str) -> None:
    async with simulated(transport) as found:
        early = found.servers.toolset("early", "c")
        assert early is not None
        early.keep()
        await call(found, "grow")
        await until(lambda: "bmcp_sim_grown_1" in found.ids)
        assert found.told[-1].tools == len(SIMULATED) + 1
        late = found.servers.toolset("late", "c")
        still = found.servers.toolset("early", "c")
        assert late is not None
        assert still is not None
        assert [tool.name for tool in still.tools] == SIMULATED
        assert "grown_1" in [tool.name for tool in late.tools]
        assert text(await call(found, "grown_1")) == "here it is"


async def test_a_tool_that_is_gone_or_denied_by_now_is_unknown() -> None:
    async with kept(sim=odd("a", "b")) as found:
        await found.until_told("sim", "ready")
        a = found.tool("bmcp_sim_a")
        assert (await found.servers.call(evolve(a, name="c"), {})).error == "unknown tool 'c'"
        found.reconfigure(sim=odd("a", "b", deny="a"))
        assert (await found.servers.call(a, {})).error == "unknown tool 'a'"
        assert found.ids == ["bmcp_sim_b"]
        found.reconfigure()
        assert (await found.servers.call(a, {})).error == "the server 'sim' is not configured any more"
        assert found.told[-1].error == "removed"
        assert found.ids == []


async def test_servers_that_are_not_there_hold_up_none_and_are_no_tools() -> None:
    nobody = McpServerSettings(url="http://127.0.0.1:9/mcp")
    nothing = McpServerSettings(command=("no-such-program-anywhere",))
    async with kept(deaf=odd("deaf"), nobody=nobody, nothing=nothing) as found:
        told = await found.until_told("nothing", "failed")
        assert told.error == "it can't be started: No such file or directory"
        assert "connect" in ((await found.until_told("nobody", "failed")).error or "")
        assert found.servers.toolset("s", "c") is None
        found.reconfigure(deaf=odd("deaf"), fine=odd("a"))
        await found.until_told("fine", "ready")
        late = found.servers.toolset("s", "c")  # which began before any server was ready
        assert late is not None
        assert [tool.id for tool in late.tools] == ["bmcp_fine_a"]


async def test_a_server_that_never_greets_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_server, "OPENING_S", 0.3)
    async with kept(deaf=odd("deaf")) as found:
        told = await found.until_told("deaf", "failed")
        assert told.error == "it did not begin, or list its tools, within 0.3 s"


async def test_the_same_ids_are_numbered_by_server_then_tool() -> None:
    async with kept(b=odd("x.y", "x y"), a=odd("x")) as found:
        await found.until_told("a", "ready")
        await found.until_told("b", "ready")
        assert [(tool.id, tool.name) for tool in found.servers.catalogue] == [
            ("bmcp_a_x", "x"),
            ("bmcp_b_x_y", "x y"),
            ("bmcp_b_x_y_2", "x.y"),
        ]
        x_y = found.tool("bmcp_b_x_y_2")
        assert text(await found.servers.call(x_y, {})) == "x.y"


async def test_a_schema_is_whole_and_gets_what_providers_insist_on() -> None:
    async with kept(sim=odd("a")) as found:
        await found.until_told("sim", "ready")
        assert found.tool("bmcp_sim_a").input_schema == {"$defs": {"a": True}, "type": "object", "properties": {}}


async def test_a_result_comes_as_it_was_sent() -> None:
    async with kept(sim=odd("a")) as found:
        await found.until_told("sim", "ready")
        assert (await call(found, "a")).result == {
            "content": [{"type": "text", "text": "a"}], "isError": False, "_meta": {"odd": 1},
        }  # fmt: skip


async def remarked(capfd: pytest.CaptureFixture[str]) -> str:
    """What is logged until the server's remark is."""
    said = ""
    with trio.fail_after(10):
        while "a remark" not in said:
            await trio.sleep(0.005)
            said += capfd.readouterr().err
    return said


async def test_what_is_no_message_is_passed_over_and_remarks_are_logged_without_keys(
    capfd: pytest.CaptureFixture[str],
) -> None:
    logs.configure("debug")
    logs.redactor.learn([("sk-canary-remark-000001", "sk-c...0001")])
    async with kept(sim=odd("noise", "a")) as found:
        await found.until_told("sim", "ready")
        assert text(await call(found, "a")) == "a"
        said = await remarked(capfd)
    assert "a remark with sk-c...0001 in it" in said
    assert "canary" not in said


async def test_what_a_server_says_is_masked_by_the_own_keys_of_its_callers(capfd: pytest.CaptureFixture[str]) -> None:
    key = "sk-canary-remark-000001"
    logs.configure("debug")
    caller = logs.redactor.also([(key, "sk-c...0001")])
    async with kept(sim=odd("noise", f"a=Quotes {key}.")) as found:
        await found.until_told("sim", "ready")
        with logs.masking(caller):
            await call(found, "a")
        await trio.sleep(0.05)  # what was said before that call
        capfd.readouterr()
        assert text(await call(found, "a")) == "a"
        said = await remarked(capfd)
        found.reconfigure(**{"sim": odd("noise", f"a=Quotes {key}."), f"like {key}": odd("b")})
        (server, _, _) = found.servers.told()
        assert [tool.description for tool in server.tools] == ["Quotes sk-c...0001."]
        await found.until_told("like sk-c...0001", "ready")
    assert "a remark with sk-c...0001 in it" in said
    assert key not in said
    assert logs.redactor.redact(key) == key, "nobody else's words are"


@pytest.mark.parametrize(
    "answer",
    [
        '{"jsonrpc":"2.0","id":ID,"result":[1,2]}',
        '{"jsonrpc":"2.0","id":ID,"result":"done"}',
        '{"jsonrpc":"2.0","id":ID,"result":null}',
        '{"jsonrpc":"2.0","id":ID,"error":"no"}',
        '{"jsonrpc":"2.0","id":ID,"error":{"message":"no code"}}',
        '{"jsonrpc":"2.0","id":ID}',
        '{"id":ID,"result":{}}',
        '{"jsonrpc":"2.0","id":ID.0,"result":{}}',
        '{"jsonrpc":"2.0","id":null,"result":{}}',
        '{"jsonrpc":"2.0","result":{"content":[]}}',
        '{"jsonrpc":"2.0","id":"other","result":{"content":[]}}',
        '{"jsonrpc":"2.0","id":999999,"result":{"content":[]}}',
    ],
)
async def test_an_answer_that_is_none_fails_its_call_at_once(answer: str) -> None:
    async with kept(sim=odd("a", f"answer={answer}")) as found:
        await found.until_told("sim", "ready")
        with trio.fail_after(30):  # a call has twice as long
            assert (await call(found, "a")).error == "its answer is not as the protocol says"
        assert [event.state for event in found.told] == ["starting", "ready"]


async def test_an_error_that_names_no_call_is_that_of_the_only_one() -> None:
    said = '{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"what was that"}}'
    async with kept(sim=odd("a", f"answer={said}")) as found:
        await found.until_told("sim", "ready")
        with trio.fail_after(30):
            assert (await call(found, "a")).error == "what was that"


async def test_an_answer_of_twenty_megabytes_fails_its_call_alone() -> None:
    async with kept(sim=odd("long", "a")) as found:
        await found.until_told("sim", "ready")
        assert (await call(found, "long")).error == f"an answer of more than {LIMITS.tool_message_bytes} bytes"
        assert text(await call(found, "a")) == "a"
        assert [event.state for event in found.told] == ["starting", "ready"]


async def test_a_line_without_an_end_ends_its_server() -> None:
    async with kept(sim=odd("endless", "a")) as found:
        await found.until_told("sim", "ready")
        assert (await call(found, "endless")).error is not None
        told = await found.until_told("sim", "failed")
        assert told.error == f"it sent a line of more than {LIMITS.tool_message_bytes} bytes"
        await found.until_told("sim", "ready", 2)
        assert text(await call(found, "a")) == "a"


async def test_a_list_without_a_last_page_is_bounded(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("warning")
    async with kept(sim=odd("loop", "a")) as found:
        await found.until_told("sim", "ready")
        assert found.ids == ["bmcp_sim_a"]
    assert "more than 100 pages" in capfd.readouterr().err


async def test_a_tool_listed_twice_counts_once() -> None:
    async with kept(sim=odd("twins", "a")) as found:
        await found.until_told("sim", "ready")
        assert found.ids == ["bmcp_sim_a"]


async def test_a_program_gets_no_keys_but_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-environment-1")
    monkeypatch.setenv("WORK_ACCOUNT", "sk-canary-environment-2")
    monkeypatch.setenv("WORK_PLACE", "berlin")
    logs.redactor.learn([("sk-canary-environment-2", "sk-c...nt-2")])  # a key by `env:WORK_ACCOUNT`
    async with kept(sim=evolve(odd("env"), env={"DOCS_TOKEN": "for-the-docs"})) as found:
        await found.until_told("sim", "ready")
        got = orjson.loads(text(await call(found, "env")))
    assert got["DOCS_TOKEN"] == "for-the-docs"
    assert got["WORK_PLACE"] == "berlin"
    assert "canary" not in orjson.dumps(got).decode()
