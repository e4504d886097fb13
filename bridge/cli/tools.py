"""`clearspan tools`: MCP servers and their tools, from the bridge that runs, or else from the servers themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import trio

from bridge.cli.paper import Paper, PrintedColumn, table
from bridge.cli.serve import until_it_ends
from bridge.config.settings import Settings
from bridge.errors import ClearspanError
from bridge.events.client import NoBridge, ask
from bridge.events.hub import Hub
from bridge.events.values import ServerState
from bridge.events.wire import Reply, ToldServer, Tools
from bridge.observe import logs
from bridge.observe.logs import redactor
from bridge.record.own_usage import OwnUsage
from bridge.terminal_text import visible_start as visible
from bridge.tools.servers import Servers

ENOUGH_S = 20.0
"""How long servers get to become ready where no bridge runs, in seconds."""


def found_servers(settings: Settings) -> list[ToldServer]:
    """What the bridge on the settings' socket knows of its servers; where none answers, what they say now."""
    try:
        return _asked(settings.server.socket)
    except NoBridge:
        return _tried(settings)


def _asked(socket: Path) -> list[ToldServer]:
    answer = ask(socket, "tools")
    if isinstance(answer, Tools):
        return answer.servers
    reason = answer.error if isinstance(answer, Reply) else "it says something else"
    raise ClearspanError(f"the bridge on {socket} does not tell of its tools: {reason}")


def _tried(settings: Settings) -> list[ToldServer]:
    """Begins the servers for a moment."""
    logs.configure("error")
    redactor.learn(settings.secrets())
    hub = Hub()
    servers = Servers(settings.mcp, hub.publish, OwnUsage(hub, settings.record.path).whole)
    found: list[ToldServer] = []

    async def run() -> int:
        subscriber = hub.subscribe()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(servers.run)
            with trio.move_on_after(ENOUGH_S):
                while any(server.state is ServerState.STARTING for server in servers.servers):
                    await subscriber.take()
            found.extend(servers.told())
            nursery.cancel_scope.cancel()
        return 0

    if settings.mcp.servers:
        until_it_ends(run)
    return found


SERVERS = (
    PrintedColumn("SERVER", least=8),
    PrintedColumn("STATE"),
    PrintedColumn("TOOLS", right=True),
    PrintedColumn("WHERE", goes=1, least=12),
    PrintedColumn("ERROR", least=12),
)

TOOLS = (
    PrintedColumn("ID", goes=2, least=8),
    PrintedColumn("SERVER", least=8),
    PrintedColumn("TOOL", least=12),
    PrintedColumn("ALLOWED"),
    PrintedColumn("DESCRIPTION", goes=1, least=12),
)


def tool_tables(servers: Sequence[ToldServer], on: Paper) -> Iterator[str]:
    """The servers, then their tools. All text is safe for a terminal."""
    if not servers:
        yield "No MCP server is configured ([mcp.servers.NAME] in the configuration)."
        return
    rows = ((each.server, each.state.value, _count(each), each.url, each.error or "-") for each in servers)
    yield from table(SERVERS, (tuple(visible(cell) for cell in row) for row in rows), on)
    tools = [(each.server, tool) for each in servers for tool in each.tools]
    if tools:
        yield ""
        cells = (
            (tool.id or "-", server, tool.name, "yes" if tool.allowed else "no", tool.description)
            for server, tool in tools
        )
        yield from table(TOOLS, (tuple(visible(cell) for cell in row) for row in cells), on)


def _count(server: ToldServer) -> str:
    return f"{sum(tool.allowed for tool in server.tools)}/{len(server.tools)}"
