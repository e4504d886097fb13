"""The servers and their tools, as the event socket and `clearspan tools` show them."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.events.wire import ToldServer, ToldTool
from bridge.observe.logs import redactor
from bridge.tools.frozen_lists import Catalogue
from bridge.tools.server import ToolServer

DESCRIPTION_CHARACTERS = 200
"""Of a description's first line."""


def told_servers(servers: Iterable[ToolServer], catalogue: Catalogue) -> list[ToldServer]:
    """All of them, free of secrets, with every tool that was listed last. `catalogue` is what is offered."""
    ids = {(tool.server, tool.name): tool.id for tool in catalogue}
    return [
        ToldServer(
            server.name,
            server.settings.shown_url(server.name),
            server.state,
            None if server.error is None else redactor.redact(server.error),
            [
                ToldTool(
                    ids.get((server.name, tool.name)),
                    redactor.redact(tool.name),
                    redactor.redact(tool.description.strip().partition("\n")[0][:DESCRIPTION_CHARACTERS]),
                    server.filter.allows(tool.name),
                )
                for tool in server.listed
            ],
        )
        for server in servers
    ]
