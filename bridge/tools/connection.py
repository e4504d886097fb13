"""One connection to an MCP server, by the protocol's official library; the rooms above load it when it is needed."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

import httpx2
import mcp_types as types
import orjson
import trio
from attrs import field
from mcp.client.session import ClientSession, IncomingMessage
from mcp.client.subscriptions import SubscriptionLost, listen
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter, ValidationError

from bridge import __version__
from bridge.config.settings import McpServerSettings
from bridge.limits import LIMITS
from bridge.observe.logs import logger
from bridge.process.companion import CannotStart
from bridge.tools.catalogue import ListedTool
from bridge.tools.mending import MendingDispatcher
from bridge.tools.questions import NOT_AS_AGREED
from bridge.tools.remote import remote
from bridge.tools.server import ServerFault
from bridge.tools.stdio import ProgramEnded, program
from bridge.value_classes import define

log = logger("tools")

OURSELVES = types.Implementation(name="clearspan", version=__version__)

EXPECTED = (OSError, ProgramEnded, CannotStart, httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError)
"""How transports fail."""

LONGEST_NAME = 512
"""Characters of a tool's name."""

LOOK_S = 10.0
"""How long it may take to say that it is there."""

RAW = cast("TypeAdapter[types.Result]", TypeAdapter(dict[str, Any]))
"""A result as it came: the model gets all of it, also what this version of the library has no name for."""

logging.getLogger("mcp").setLevel(logging.CRITICAL)  # it logs what servers say, and failures that we tell ourselves


@define
class _Signs:
    """What is seen on the way to a server."""

    status: int | None = None
    is_lost: bool = False

    def refuse(self, status: int) -> None:
        self.status = status

    def lose(self) -> None:
        self.is_lost = True


@define
class ToolConnection:
    """A server that has begun."""

    _session: ClientSession
    _signs: _Signs = field(factory=_Signs)

    @property
    def is_lost(self) -> bool:
        """Whether the server said that it does not know us any more; what was asked then was not done."""
        return self._signs.is_lost

    @property
    def _is_modern(self) -> bool:
        return self._session.protocol_version in MODERN_PROTOCOL_VERSIONS

    async def tools(self) -> tuple[list[ListedTool], list[str]]:
        """All tools that the server lists, to the last page and within bounds, and what was left out. Raises
        ServerFault."""
        found: dict[str, ListedTool] = {}
        remarks: list[str] = []
        size, cursor = 0, None
        for _ in range(LIMITS.tool_pages):
            params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
            try:
                page = await self._session.list_tools(params=params)
            except (MCPError, ValidationError) as error:
                raise ServerFault(f"its list of tools can't be had: {words(error, self._signs.status)}") from None
            for tool in page.tools:
                listed = ListedTool(tool.name, tool.description or "", tool.input_schema)
                if fault := _fault(listed, found):
                    remarks.append(fault)
                    continue
                size += _size(listed)
                if size > LIMITS.tool_list_bytes or len(found) >= LIMITS.tools_listed:
                    return list(found.values()), [*remarks, "its list is too long; the rest of it is left out"]
                found[tool.name] = listed
            cursor = page.next_cursor
            if not cursor:
                return list(found.values()), remarks
        return list(found.values()), [*remarks, f"its list has more than {LIMITS.tool_pages} pages"]

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The result of one call, by its names on the wire. Raises ServerFault. It has no limit of time here."""
        params = types.CallToolRequestParams(name=tool, arguments=arguments)
        try:
            return cast("dict[str, Any]", await self._session.send_request(types.CallToolRequest(params=params), RAW))
        except (MCPError, ValidationError) as error:
            raise ServerFault(words(error, self._signs.status)) from None

    async def look(self) -> None:
        """Asks whether the server is there. Raises ServerFault where it is not, or not ours any more.

        One that is busy and says nothing in time counts as there.
        """
        with trio.move_on_after(LOOK_S):
            try:
                if self._is_modern:
                    await self._session.list_tools()
                else:
                    await self._session.send_ping()
            except MCPError as error:
                if error.code == types.METHOD_NOT_FOUND and not self.is_lost:
                    return
                raise ServerFault(words(error, self._signs.status)) from None
            except ValidationError:
                return

    async def follow(self, changed: Callable[[], None]) -> None:
        """Calls `changed` when a server of the protocol's later versions says that its list is another. Returns where
        it does not say so; of the earlier versions `connected` hears it."""
        if not self._is_modern:
            return
        try:
            async with listen(self._session, tools_list_changed=True) as events:
                async for _ in events:
                    changed()
        except (SubscriptionLost, MCPError, TimeoutError) as error:
            log.debug("a tool server does not say when its list changes", because=words(error))


@asynccontextmanager
async def connected(
    name: str, settings: McpServerSettings, environment: Mapping[str, str], changed: Callable[[], None]
) -> AsyncIterator[ToolConnection]:
    """A server that has begun, while the block runs. Raises ServerFault, also within the block where it goes away:
    the block is cancelled then. `changed` is called when its list of tools is another."""
    signs = _Signs()

    async def hear(message: IncomingMessage) -> None:
        await trio.lowlevel.checkpoint()
        if isinstance(message, types.ToolListChangedNotification):
            changed()

    try:
        async with (
            _transport(name, settings, environment, signs) as (messages, outgoing),
            ClientSession(
                dispatcher=MendingDispatcher(messages, outgoing), message_handler=hear, client_info=OURSELVES
            ) as session,
        ):
            try:
                await _begin(session)
            except (MCPError, ValidationError, RuntimeError) as error:
                raise ServerFault(f"it does not begin as MCP does: {words(error, signs.status)}") from None
            yield ToolConnection(session, signs)
    except* EXPECTED as group:
        raise ServerFault(words(_first(group), signs.status)) from None


async def _begin(session: ClientSession) -> None:
    """Greets as all versions of the protocol do that have a greeting, and else as the later ones."""
    try:
        await session.initialize()
    except MCPError as error:
        if error.code not in {types.UNSUPPORTED_PROTOCOL_VERSION, types.METHOD_NOT_FOUND}:
            raise
        await session.discover()


def _transport(
    name: str, settings: McpServerSettings, environment: Mapping[str, str], signs: _Signs
) -> AbstractAsyncContextManager[Any]:
    if settings.url:
        return remote(settings.url, settings.headers, signs.refuse, signs.lose)
    return program(name, settings.command, {**environment, **settings.env})


def words(error: BaseException, status: int | None = None) -> str:
    """What went wrong, for people; `status` is that of the last answer which was a refusal."""
    match error:
        case ValidationError():
            return NOT_AS_AGREED
        case MCPError() if status is not None and error.code == types.INTERNAL_ERROR:
            return f"it answers with HTTP {status}"
        case OSError():
            return error.strerror or type(error).__name__
    return str(error) or type(error).__name__


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


def _fault(tool: ListedTool, found: Mapping[str, ListedTool]) -> str | None:
    """Why a tool is left out, if it is."""
    name = repr(tool.name[:64])
    if tool.name in found:
        return f"it lists {name} twice; the first counts"
    if len(tool.name) > LONGEST_NAME:
        return f"the name of {name} is longer than {LONGEST_NAME} characters"
    try:
        _size(tool)
    except orjson.JSONEncodeError:
        return f"the description of {name} can't be written as JSON"
    return None


def _size(tool: ListedTool) -> int:
    """Its bytes as JSON."""
    return len(orjson.dumps([tool.name, tool.description, tool.input_schema]))
