"""The servers and their tools, and the bridge's own, as the event socket and `clearspan tools` show them."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.config.settings import OWN_TOOLS, OWN_TOOLS_URL
from bridge.events.values import ServerState
from bridge.events.wire import ToldServer, ToldTool
from bridge.observe.logs import Redactor
from bridge.tools.catalogue import ListedTool
from bridge.tools.frozen_lists import Catalogue
from bridge.tools.server import ToolServer

DESCRIPTION_CHARACTERS = 200
"""Of a description's first line."""


def told_servers(servers: Iterable[ToolServer], catalogue: Catalogue, secrets: Redactor) -> list[ToldServer]:
    """All of them, masked by `secrets`, with every tool that was listed last. `catalogue` is what is offered."""
    ids = {(tool.server, tool.name): tool.id for tool in catalogue if tool.server_url != OWN_TOOLS_URL}
    return [
        ToldServer(
            server.name,
            server.settings.shown_url(server.name),
            server.state,
            None if server.error is None else secrets.redact(server.error),
            [
                _told_tool(ids.get((server.name, tool.name)), tool, secrets, allowed=server.filter.allows(tool.name))
                for tool in server.listed
            ],
        )
        for server in servers
    ]


def told_own(tool: ListedTool, catalogue: Catalogue, secrets: Redactor, *, allowed: bool) -> ToldServer:
    """The bridge's own tool, as if it were one of a server that is always ready."""
    id_ = next((found.id for found in catalogue if found.server_url == OWN_TOOLS_URL), None)
    return ToldServer(
        OWN_TOOLS, OWN_TOOLS_URL, ServerState.READY, None, [_told_tool(id_, tool, secrets, allowed=allowed)]
    )


def _told_tool(id_: str | None, tool: ListedTool, secrets: Redactor, *, allowed: bool) -> ToldTool:
    description = secrets.redact(tool.description.strip().partition("\n")[0][:DESCRIPTION_CHARACTERS])
    return ToldTool(id_, secrets.redact(tool.name), description, allowed)
