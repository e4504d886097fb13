"""Tools that do as a test tells them: the seam's stand-in for MCP servers, where order and faults are what matters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import define, evolve, field

from bridge.apis.injection import InjectedTool, ToolResult
from bridge.config.settings import ProviderSettings, RecordSettings
from bridge.keys.secret import Secret
from bridge.tools.toolset import Toolset, Toolsets
from tests.support.world import KEYS, Handle, World, provider, running

SCHEMA = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}}
CALL_S = 60.0


def tool(name: str) -> InjectedTool:
    """A tool of the server `calc`."""
    return InjectedTool(f"bmcp_calc_{name}", name, "calc", "http://127.0.0.1:9/mcp", f"Does {name}.", SCHEMA)


def text_result(text: str, **more: Any) -> ToolResult:
    """A result that is a text."""
    return ToolResult({"content": [{"type": "text", "text": text}], **more})


async def add(arguments: dict[str, Any]) -> ToolResult:
    return text_result(str(arguments.get("a", 0) + arguments.get("b", 0)))


async def fail(_: dict[str, Any]) -> ToolResult:
    return text_result("there is no such sheet", isError=True)


async def hang(_: dict[str, Any]) -> ToolResult:
    with trio.move_on_after(CALL_S):
        await trio.sleep_forever()
    return ToolResult(error=f"no answer within {CALL_S:g} s")


async def gone(_: dict[str, Any]) -> ToolResult:
    return ToolResult(error="the server is gone")


async def unknown(_: dict[str, Any]) -> ToolResult:
    return ToolResult(error="unknown tool")


async def crash(_: dict[str, Any]) -> ToolResult:
    raise ZeroDivisionError


Do = Callable[[dict[str, Any]], Awaitable[ToolResult]]
EVERY: dict[str, Do] = {"add": add, "crash": crash, "fail": fail, "gone": gone, "hang": hang, "unknown": unknown}


@define
class ScriptedToolset:
    """The tools by name, and what was called with what."""

    does: dict[str, Do] = field(factory=lambda: dict(EVERY))
    called: list[tuple[str, dict[str, Any]]] = field(factory=list)
    kept: int = field(default=0, init=False)
    tools: Sequence[InjectedTool] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.tools = [tool(name) for name in sorted(self.does)]

    def keep(self) -> None:
        """Counts the requests that got them."""
        self.kept += 1

    async def call(self, tool: InjectedTool, arguments: dict[str, Any]) -> ToolResult:
        """Does what the tool of that name does."""
        self.called.append((tool.name, arguments))
        return await self.does[tool.name](arguments)


@define
class ScriptedToolsets:
    """Gives every session the same; None where no tool is ready. Notes who asked."""

    given: ScriptedToolset | None = field(factory=ScriptedToolset)
    asked: list[tuple[str | None, str]] = field(factory=list)

    def toolset(self, session_id: str | None, client: str) -> Toolset | None:
        """The session's list."""
        self.asked.append((session_id, client))
        return self.given


@asynccontextmanager
async def bridge_with_tools(
    api: str, handle: Handle, toolsets: ScriptedToolsets, keys: Sequence[str] = KEYS[:1], **settings: Any
) -> AsyncIterator[World]:
    """A bridge with these tools before a provider that does as it is told, whichever API it speaks."""
    async with provider(handle) as url, bridge_before(api, url, toolsets, keys, **settings) as here:
        yield here


@asynccontextmanager
async def bridge_before(
    api: str,
    url: str,
    toolsets: Toolsets,
    keys: Sequence[str] = KEYS[:1],
    *,
    record: RecordSettings | None = None,
    **settings: Any,
) -> AsyncIterator[World]:
    """The same before the provider at that URL, which ends in `/v1`."""
    kind = "anthropic" if api == "messages" else "openai"
    base = url if kind == "openai" else url.removesuffix("/v1")
    secrets = tuple(Secret(key) for key in keys)
    providers = {kind: evolve(ProviderSettings(type=kind, base_url=base, keys=secrets), **settings)}
    async with running(providers, record=record) as here:
        app = here.bridge._app
        assert app is not None
        app._services = evolve(app._services, toolsets=toolsets)
        yield here
