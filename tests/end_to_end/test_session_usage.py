"""The bridge's own tool, called by a model over real sockets: it answers what `GET /clearspan/self` answers at that
moment, and what `stats` says, as a stream and as one body (docs/behaviour.md, The bridge's own tool)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from attrs import define, evolve, field

from bridge.config.settings import McpServerSettings, McpSettings, ProviderSettings, RecordSettings
from bridge.http.engine import Receive, Scope, Send
from bridge.keys.secret import Secret
from bridge.simulator.provider import SimulatedExchange, SimulatedProvider
from bridge.simulator.scenario.file import parse_scenario
from bridge.simulator.scenario.scenario import Scenario
from bridge.tools.session_usage import UNKNOWN
from tests.end_to_end.test_self import check_equal, stats, usage
from tests.support.dialects import DIALECTS
from tests.support.record_desk import rows
from tests.support.simulated import SPEED, serving
from tests.support.tool_servers import odd
from tests.support.until import until
from tests.support.world import KEYS, Answered, World, ask, running

Fields = dict[str, Any]

OWN = "bmcp_clearspan_session_usage"
ANSWER = "Counted"
"""One word: streams bring it in one piece."""


def calling(tool: str = OWN) -> Scenario:
    """A model that talks, and when it is asked again calls that tool before it answers."""
    return parse_scenario(
        f"""
        turns = ["talk", "look"]
        after_tools = ["done"]
        [answers.talk]
        parts = [{{ text = "Good morning." }}]
        [answers.look]
        parts = [{{ text = "Let me see. " }}, {{ call = "{tool}", arguments = {{}} }}]
        [answers.done]
        parts = [{{ text = "{ANSWER}" }}]
        """,
        "test",
    )


@define
class Watched:
    """A simulated provider. Before it answers a request, the page of the request's session is asked for."""

    scenario: Scenario = field(factory=calling)
    session: str = "s-1"
    here: World | None = None
    pages: list[Fields] = field(factory=list)
    """What the session had used when each request came."""
    exchanges: list[SimulatedExchange] = field(factory=list)
    _provider: SimulatedProvider = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._provider = SimulatedProvider(self.scenario, seed=1, speed=SPEED, on_exchange=self.exchanges.append)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.here is not None:
            self.pages.append(await usage(self.here.port, self.session))
        await self._provider(scope, receive, send)

    @property
    def requests(self) -> list[Fields]:
        """The requests as JSON."""
        return [orjson.loads(exchange.request.body) for exchange in self.exchanges]


@asynccontextmanager
async def bridge(
    provider: Watched, record: RecordSettings | None = None, *, ready: bool = True, **mcp: Any
) -> AsyncIterator[World]:
    """A bridge before it, with an MCP server that is ready."""
    servers: dict[str, McpServerSettings] = mcp.pop("servers", {"docs": odd("find")})
    async with serving(provider) as url:
        key = Secret(KEYS[0])
        providers = {
            "openai": ProviderSettings(type="openai", base_url=f"{url}/v1", keys=(key,)),
            "anthropic": ProviderSettings(type="anthropic", base_url=url, keys=(key,)),
        }
        async with running(providers, record=record, mcp=McpSettings(servers=servers, **mcp)) as here:
            if ready:
                for name in servers:
                    await until_ready(here, name)
            provider.here = here
            yield here
            provider.here = None


async def until_ready(here: World, server: str) -> None:
    def is_ready() -> bool:
        told = here.events("server.changed")
        return any((event.server, event.state.value) == (server, "ready") for event in told)

    await until(is_ready)


async def talk(here: World, api: str, *, stream: bool, session: str | None = "s-1", **more: Any) -> Answered:
    """A request of that session, to its end."""
    dialect, before = DIALECTS[api], len(here.events("interception.ended"))
    headers = [] if session is None else [("session-id", session)]
    body = {"model": "gpt-5.4", "stream": stream, **dialect.asking, **more}
    answered = await ask(here.port, body, path=dialect.path, headers=headers)
    ended = await here.event("interception.ended", before + 1)
    assert (answered.status, answered.complete, ended.outcome) == (200, True, "completed")
    return answered


def result(api: str, request: Fields) -> str:
    """What the model is told of the call: a text, or what went wrong."""
    match api:
        case "responses":
            told = request["input"][-1]["output"]
        case "chat_completions":
            told = request["messages"][-1]["content"]
        case _:
            [block] = request["messages"][-1]["content"]
            [part] = block["content"]
            return str(part["text"])
    value = orjson.loads(told.removeprefix("invocation error: "))
    if isinstance(value, str):
        return value
    return str(value["message"] if value.get("error") else value["content"][0]["text"])


def offered(request: Fields) -> list[str]:
    """The tools in a request by name."""
    return [tool.get("function", tool)["name"] for tool in request.get("tools", [])]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "body"])
@pytest.mark.parametrize("api", DIALECTS)
async def test_a_model_is_told_what_the_page_and_stats_say(api: str, stream: bool, tmp_path: Path) -> None:
    record = RecordSettings(path=tmp_path / "record.db")
    assert record.path is not None
    provider = Watched()
    async with bridge(provider, record) as here:  # a bridge that has ended by the time of the question
        await talk(here, api, stream=stream)
    async with bridge(provider, record) as here:
        answered = await talk(here, api, stream=stream)
        page = await usage(here.port, "s-1")
    assert ANSWER in answered.body.decode()
    assert OWN not in answered.body.decode() or api == "responses"  # which repeats the request's tools
    *_, asked, told_model = provider.requests
    told = orjson.loads(result(api, told_model))
    assert told == provider.pages[-1]
    assert told["requests"] == 2
    assert offered(asked) == offered(told_model) == [OWN, "bmcp_docs_find"]

    _, second = here.events("tokens.used")  # of the answer to what the model was told
    assert page["tokens"] == {name: count + getattr(second, name) for name, count in told["tokens"].items()}
    check_equal(page, stats(record.path)["s-1"])

    [called] = here.events("tool.called")
    assert (called.tool, called.injected, called.error) == ("session_usage", True, None)
    assert called.server_url == "bridge:clearspan"
    [row] = rows(record.path, "tool_calls")
    assert (row["tool"], row["injected"], row["server_url"]) == ("session_usage", 1, "bridge:clearspan")
    [brought] = rows(record.path, "tool_results")
    text = result(api, told_model)
    assert (brought["tool_call_id"], brought["bytes"], brought["is_error"]) == (row["tool_call_id"], len(text), 0)


@pytest.mark.parametrize("api", DIALECTS)
async def test_a_request_without_a_session_is_not_found(api: str) -> None:
    provider = Watched(session="")
    async with bridge(provider) as here:
        for _ in range(2):
            await talk(here, api, stream=True, session=None)
    told = orjson.loads(result(api, provider.requests[-1]))
    assert (told["session_id"], told["found"], told["requests"]) == (None, False, 0)
    assert told == provider.pages[-1]


async def test_without_a_record_the_model_is_told_what_the_bridge_saw() -> None:
    provider = Watched()
    async with bridge(provider, RecordSettings(path=None)) as here:
        for _ in range(2):
            await talk(here, "responses", stream=True)
    told = orjson.loads(result("responses", provider.requests[-1]))
    assert (told["found"], told["requests"]) == (True, 2)
    assert told == provider.pages[-1]


def remove(record: Path) -> None:
    record.unlink()


def damage(record: Path) -> None:
    for path in record.parent.glob(f"{record.name}*"):  # its log would stand in for it
        path.unlink()
    record.write_bytes(b"no database at all" * 100)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "body"])
@pytest.mark.parametrize("api", DIALECTS)
@pytest.mark.parametrize("hurt", [remove, damage])
async def test_a_record_that_can_not_be_read_is_an_error_for_the_model_alone(
    hurt: Callable[[Path], None], api: str, stream: bool, tmp_path: Path
) -> None:
    record = tmp_path / "record.db"
    provider = Watched()
    async with bridge(provider, RecordSettings(path=record)) as here:
        await talk(here, api, stream=stream)
        hurt(record)
        answered = await talk(here, api, stream=stream)
    assert ANSWER in answered.body.decode()
    told = result(api, provider.requests[-1])
    assert told == (f'invocation error: "{UNKNOWN}"' if api == "messages" else UNKNOWN)
    assert str(tmp_path) not in str(provider.requests)
    [called] = here.events("tool.called")
    assert called.error == UNKNOWN
    assert provider.pages[-1]["requests"] == 2  # the page has what the bridge saw


async def test_the_same_request_has_the_same_bytes_and_without_a_server_there_is_no_tool() -> None:
    provider = Watched(parse_scenario('turns = ["a"]\n[answers.a]\nparts = [{ text = "a" }]\n', "test"))
    async with bridge(provider, ready=False, servers={}) as here:
        await talk(here, "responses", stream=True)
        here.bridge.reconfigure(settings(here, McpSettings(servers={"docs": odd("find")})))
        await talk(here, "responses", stream=True)  # before it is ready: its session's list is not frozen
        await until_ready(here, "docs")
        for _ in range(2):
            await talk(here, "responses", stream=True)
    without, too_early, first, again = (exchange.request.body for exchange in provider.exchanges)
    assert without == too_early
    assert b"bmcp_" not in without
    assert first == again
    assert offered(orjson.loads(first)) == [OWN, "bmcp_docs_find"]


def settings(here: World, mcp: McpSettings) -> Any:
    """Those of a running bridge, with other tools."""
    return evolve(here.bridge._settings, mcp=mcp)


@pytest.mark.parametrize("api", DIALECTS)
async def test_a_tool_of_the_client_by_that_name_is_meant(api: str) -> None:
    named: Fields = {"name": OWN, "description": "Mine.", "parameters": {"type": "object", "properties": {}}}
    tool = {
        "responses": {"type": "function", **named},
        "chat_completions": {"type": "function", "function": named},
        "messages": {"name": OWN, "input_schema": named["parameters"]},
    }[api]
    provider = Watched()
    async with bridge(provider) as here:
        await talk(here, api, stream=False, tools=[tool])
        answered = await talk(here, api, stream=False, tools=[tool])
    assert sorted(offered(provider.requests[-1])) == sorted([OWN, "bmcp_docs_find"])
    assert OWN in answered.body.decode()
    assert len(provider.requests) == 2  # the call is the client's
    [called] = here.events("tool.called")
    assert (called.tool, called.injected) == (OWN, False)


async def test_a_server_s_tool_by_that_name_keeps_it() -> None:
    provider = Watched(calling(f"{OWN}_2"))
    async with bridge(provider, servers={"clearspan": odd("session_usage")}) as here:
        for _ in range(2):
            await talk(here, "responses", stream=True)
        told = here.bridge._tools
        assert told is not None
        assert [(each.url, each.tools[0].id) for each in told.told()] == [
            ("stdio:clearspan", OWN),
            ("bridge:clearspan", f"{OWN}_2"),
        ]
    assert offered(provider.requests[-1]) == [OWN, f"{OWN}_2"]
    assert orjson.loads(result("responses", provider.requests[-1]))["requests"] == 2
    [called] = here.events("tool.called")
    assert called.server_url == "bridge:clearspan"


async def test_it_can_be_left_out_also_while_the_bridge_runs() -> None:
    provider = Watched()
    async with bridge(provider) as here:
        await talk(here, "responses", stream=True)
        here.bridge.reconfigure(settings(here, McpSettings(session_usage=False, servers={"docs": odd("find")})))
        await talk(here, "responses", stream=True)  # whose list is frozen
        await talk(here, "responses", stream=True, session="s-2")
        tools = here.bridge._tools
        assert tools is not None
        [_, own] = tools.told()
        [told] = own.tools
        assert (told.id, told.name, told.allowed) == (None, "session_usage", False)
    [called] = here.events("tool.called")
    assert called.error == "unknown tool 'session_usage'"
    assert offered(provider.requests[2]) == [OWN, "bmcp_docs_find"]
    assert offered(provider.requests[-1]) == ["bmcp_docs_find"]


async def test_its_calls_are_counted_under_a_server_s_name() -> None:
    provider = Watched()
    async with bridge(provider) as here:
        for _ in range(2):
            await talk(here, "responses", stream=True)
        page = (await ask(here.port, b"", path="/metrics", method="GET")).body.decode()
    [counted] = [line for line in page.splitlines() if line.startswith("clearspan_injected_tool_invocations_total{")]
    assert 'server="clearspan",tool="session_usage"} 1.0' in counted
