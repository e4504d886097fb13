"""Lists of tools as servers make them, mended before the library sees them: it refuses a whole list for one fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp.shared.dispatcher import CallOptions
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.transport_context import TransportContext

from bridge.tools.catalogue import whole_schema


class MendingDispatcher(JSONRPCDispatcher[TransportContext]):
    """The library's own, but for its results of `tools/list`."""

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None, **rest: Any
    ) -> dict[str, Any]:
        """Sends a request; the result."""
        result = await super().send_raw_request(method, params, opts, **rest)
        tools = result.get("tools")
        if method == "tools/list" and isinstance(tools, list):
            return {**result, "tools": [_mended(tool) for tool in tools if _is_tool(tool)]}
        return result


def _is_tool(tool: Any) -> bool:
    return isinstance(tool, dict) and isinstance(tool.get("name"), str)


def _mended(tool: dict[str, Any]) -> dict[str, Any]:
    """What models need of a tool; what else it says of itself is nobody's concern here, nor are faults in it."""
    description, schema = tool.get("description"), tool.get("inputSchema")
    return {
        "name": tool["name"],
        "description": description if isinstance(description, str) else "",
        "inputSchema": whole_schema(schema if isinstance(schema, dict) else {}),
    }
