"""All configured MCP servers, side by side, where interceptions get tools from (docs/behaviour.md, MCP servers); and
the bridge's own tool beside theirs."""

from __future__ import annotations

import importlib
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Protocol, cast

import trio
from attrs import evolve, field

from bridge.apis.injection import InjectedTool, ToolResult
from bridge.config.settings import OWN_TOOLS_URL, McpSettings
from bridge.events.picture import REMOVED
from bridge.events.values import ServerState
from bridge.events.vocabulary import Event, ServerChanged
from bridge.events.wire import ToldServer
from bridge.observe.logs import Redactor, in_use, masking, redactor
from bridge.process.environment import without_secrets
from bridge.tools.catalogue import injected_tools
from bridge.tools.frozen_lists import Catalogue, FrozenLists
from bridge.tools.server import Connect, ToolServer
from bridge.tools.session_usage import SESSION_USAGE, TellUsage, session_usage
from bridge.tools.telling import told_own, told_servers
from bridge.value_classes import define

AFTER_START_S = 0.05
"""The protocol's library is loaded so long after the start, since its thread would take the interpreter from it."""


CALLERS_SPELLINGS = 256
"""How many spellings of callers' own keys are masked in what servers say: a key has one to five."""


class PublishMasked(Protocol):
    """Makes an event known, masked by those secrets; see `Hub.publish`."""

    def __call__(self, event: Event, at: datetime | None, secrets: Redactor, /) -> None: ...


@define
class SessionTools:
    """The list of one session, frozen once a request got it."""

    tools: Sequence[InjectedTool]
    _call: Callable[[InjectedTool, dict[str, Any]], Awaitable[ToolResult]] = field(repr=False)
    _keep: Callable[[], None] = field(repr=False)

    def keep(self) -> None:
        """A request got them: they are its session's from now on."""
        self._keep()

    async def call(self, tool: InjectedTool, arguments: dict[str, Any]) -> ToolResult:
        """Runs one call, at most 60 s long. Never raises but for being cancelled: what goes wrong is in the result."""
        return await self._call(tool, arguments)


class Servers:
    """The servers. They run while `run` runs; before, and where none is ready, there are no tools.

    `usage` is what a session has used, for the bridge's own tool. What a server says by itself, in its log or as its
    fault, may quote a call that it was given: the own keys of the callers are masked there, those of the latest.
    """

    def __init__(self, settings: McpSettings, publish: PublishMasked, usage: TellUsage) -> None:
        self._secrets = secrets = Redactor(redactor)
        self._publish: Callable[[Event], None] = lambda event: publish(event, None, secrets)
        self._usage = usage
        self._offers_usage = False
        self._servers: dict[str, ToolServer] = {}
        self._catalogue: Catalogue | None = ()
        self._lists = FrozenLists(trio.current_time)
        self._nursery: trio.Nursery | None = None
        self._connect: Connect | None = None
        self.reconfigure(settings)

    async def run(self) -> None:
        """Begins the servers and keeps them going, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for server in self._servers.values():
                server.tell()  # that it is starting, while what it needs is loaded
            await trio.sleep(AFTER_START_S)
            self._connect = await trio.to_thread.run_sync(_load)
            for server in self._servers.values():
                self._begin(server)
            await trio.sleep_forever()

    def reconfigure(self, settings: McpSettings) -> None:
        """Takes over changed settings. A server begins anew where more changed than which of its tools are offered."""
        self._offers_usage = settings.session_usage
        for name, server in list(self._servers.items()):
            chosen = settings.servers.get(name)
            if chosen is not None and chosen == evolve(server.settings, allow=chosen.allow, deny=chosen.deny):
                server.refilter(chosen)
                continue
            server.scope.cancel()
            del self._servers[name]
            if chosen is None:
                self._publish(ServerChanged(name, ServerState.FAILED, error=REMOVED))
        for name, chosen in settings.servers.items():
            if name not in self._servers:
                self._servers[name] = ToolServer(name, chosen, self._publish, self._relisted)
                self._begin(self._servers[name])
        self._relisted()

    def _begin(self, server: ToolServer) -> None:
        if self._nursery is not None and self._connect is not None:
            with masking(self._secrets):
                self._nursery.start_soon(server.run, self._connect, environment)

    def _relisted(self) -> None:
        self._catalogue = None

    @property
    def catalogue(self) -> Catalogue:
        """All that is offered now."""
        if self._catalogue is None:
            ready = [offered for server in self._servers.values() if (offered := server.offered) is not None]
            self._catalogue = injected_tools(ready, SESSION_USAGE if self._offers_usage else None)
        return self._catalogue

    @property
    def servers(self) -> Sequence[ToolServer]:
        """All, in the order of the configuration."""
        return list(self._servers.values())

    def told(self) -> list[ToldServer]:
        """All servers with their tools, free of secrets, and the bridge's own behind them."""
        own = told_own(SESSION_USAGE, self.catalogue, self._secrets, allowed=self._offers_usage)
        return [*told_servers(self._servers.values(), self.catalogue, self._secrets), own] if self._servers else []

    def toolset(self, session_id: str | None, client: str) -> SessionTools | None:
        """The session's list, or its client's where there is no session; None where no tool is ready."""
        tools = self._lists.offer(session_id, client, self.catalogue)
        if not tools:
            return None
        call = partial(self.call, session_id=session_id)
        return SessionTools(tools, call, partial(self._lists.keep, session_id, client, tools))

    async def call(self, tool: InjectedTool, arguments: dict[str, Any], *, session_id: str | None = None) -> ToolResult:
        """Runs one call on the tool's server, as it is now; the bridge's own for that session."""
        if tool.server_url == OWN_TOOLS_URL:
            if not self._offers_usage:
                return ToolResult(error=f"unknown tool {tool.name!r}")
            return await session_usage(self._usage, session_id)
        server = self._servers.get(tool.server)
        if server is None:
            return ToolResult(error=f"the server {tool.server!r} is not configured any more")
        self._secrets.adopt(in_use(), CALLERS_SPELLINGS)
        return await server.call(tool.name, arguments)


def environment() -> dict[str, str]:
    """What a server's program gets to know of our environment: nothing that is a key by its name or by its value."""
    return {name: value for name, value in without_secrets(os.environ).items() if not redactor.holds_secret(value)}


def _load() -> Connect:
    return cast("Connect", importlib.import_module("bridge.tools.connection").connected)
