"""The bridge's own tool: what the session in which it is called has used so far, as `GET /clearspan/self` tells it
(docs/behaviour.md, The bridge's own tool).

It stands beside tools of servers and never alone: a request that would get it before any server is ready would have its
session's list frozen without the others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import trio

from bridge.apis.injection import ToolResult
from bridge.errors import ClearspanError
from bridge.tools.catalogue import ListedTool
from bridge.tools.server import CALL_S

SESSION_USAGE = ListedTool(
    "session_usage",
    "Tells what this session has used so far: requests, tokens, cost, context, and what is left on its API key.\n"
    "The result is JSON: requests; tokens by kind; cost_usd, their cost in US dollars, null where no price is known; "
    "cache_share, how much of what was read came from a cache, 0 to 1; context, the tokens of the last prompt and the "
    "model's window; key, the state and rate limits of the key that was tried last. The answer that calls this is "
    "counted. found is false where the session is not known.",
    {"type": "object", "properties": {}, "additionalProperties": False},
)
"""As a model gets it. A session's list must stay the same to the byte, so nothing in here may vary."""

UNKNOWN = "what this session has used is not known: the record can't be read (the bridge's log says why)"

TellUsage = Callable[[str | None], Awaitable[dict[str, Any]]]
"""What a session, if any is named, has used so far. Raises ClearspanError where that can't be found out."""


async def session_usage(usage: TellUsage, session_id: str | None) -> ToolResult:
    """Runs one call for the session of the request, within `CALL_S`. Arguments do not matter: it takes none."""
    with trio.move_on_after(CALL_S):
        try:
            told = await usage(session_id)
        except ClearspanError:  # its words may name files of this machine, which are nothing for a provider
            return ToolResult(error=UNKNOWN)
        return ToolResult({"content": [{"type": "text", "text": orjson.dumps(told).decode()}]})
    return ToolResult(error=f"no answer within {CALL_S:g} s")
