"""Which tools models get, and under which ids (docs/behaviour.md, MCP servers): values alone, without I/O.

An id must come out the same whenever the same servers have the same tools, since prompt caches and replayed thoughts
hold it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bridge.apis.injection import InjectedTool
from bridge.config.settings import OWN_TOOLS, OWN_TOOLS_URL
from bridge.value_classes import frozen

LONGEST_ID = 64
"""Characters; what OpenAI and Anthropic take as a function's name."""


@frozen
class ListedTool:
    """A tool as its server lists it."""

    name: str
    description: str
    input_schema: dict[str, Any]


@frozen
class ToolFilter:
    """Which of a server's tools are offered: searched in the tool's own name, and `deny` wins."""

    allow: str
    deny: str

    def allows(self, name: str) -> bool:
        """Whether the tool of that name is offered."""
        return re.search(self.allow, name) is not None and not (self.deny and re.search(self.deny, name))


@frozen
class ReadyServer:
    """A server whose tools can be offered, with those that are allowed."""

    name: str
    url: str
    tools: tuple[ListedTool, ...]


def injected_tools(servers: Iterable[ReadyServer], own: ListedTool | None = None) -> tuple[InjectedTool, ...]:
    """All that is offered, sorted by id. Ids that fall together are numbered by server, then by tool; the bridge's
    `own` comes last, so that no tool of a server has another id because of it. It is left out where it is alone."""
    found = sorted(((server, tool) for server in servers for tool in server.tools), key=_place)
    if found and own is not None:
        found.append((ReadyServer(OWN_TOOLS, OWN_TOOLS_URL, (own,)), own))
    ids = _ids([plain_id(server.name, tool.name) for server, tool in found])
    tools = [
        InjectedTool(id_, tool.name, server.name, server.url, tool.description, whole_schema(tool.input_schema))
        for id_, (server, tool) in zip(ids, found, strict=True)
    ]
    return tuple(sorted(tools, key=lambda tool: tool.id))


def _place(found: tuple[ReadyServer, ListedTool]) -> tuple[str, str]:
    return found[0].name, found[1].name


def plain_id(server: str, tool: str) -> str:
    """The id of a tool whose id nobody else has."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", f"bmcp_{server}_{tool}")[:LONGEST_ID]


def _ids(plain: Sequence[str]) -> Iterator[str]:
    """Each id once: `_2`, `_3` … where it is not the first of its kind, but never what another has by itself."""
    taken = set(plain)
    last = dict.fromkeys(plain, 0)
    for id_ in plain:
        last[id_] += 1
        free = id_
        while last[id_] > 1:
            ending = f"_{last[id_]}"
            free = id_[: LONGEST_ID - len(ending)] + ending
            if free not in taken:
                break
            last[id_] += 1
        taken.add(free)
        yield free


def whole_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with a `type` and `properties`, as providers insist on; all else as it came."""
    properties = schema.get("properties")
    return {**schema, "type": "object", "properties": properties if isinstance(properties, dict) else {}}
