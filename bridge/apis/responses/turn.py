"""What a whole Responses answer asks of the bridge: the injected calls among its output items, and what they leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.apis.injection import NOTHING, InjectedCall, InjectedTool, Turn, decide
from bridge.apis.raw_json import array, elements, value_of, with_member
from bridge.apis.request import string
from bridge.apis.responses.tools import is_for_the_client


def turn_of(
    raw: bytes, response: dict[str, Any], tools: Mapping[str, InjectedTool], *, last: bool, held: bool = True
) -> tuple[Turn, bytes]:
    """What a whole response asks for, and what it is without injected calls. `held`: the client has nothing of it."""
    output = response["output"]
    items = elements(value_of(raw, "output") or b"[]")
    calls = [call_of(item, value, tools) for item, value in zip(items, output, strict=True)]
    injected = tuple(call for call in calls if call is not None)
    if not injected:
        return NOTHING, raw
    own = any(call is None and is_for_the_client(value) for call, value in zip(calls, output, strict=True))
    whole = response.get("status", "completed") == "completed"
    becomes = decide(asked=whole, own=own, last=last, held=held)
    if becomes.run:
        content, name = array(items), string(response.get("id"))
        return Turn(injected, "", content, usage=response.get("usage"), response_id=name), raw
    kept = array(item for item, call in zip(items, calls, strict=True) if call is None)
    return Turn(not_run=becomes.not_run), with_member(raw, "output", kept)


def call_of(raw: bytes, item: Any, tools: Mapping[str, InjectedTool]) -> InjectedCall | None:
    """The call of an injected tool that an output item is; None where it is something else."""
    if not isinstance(item, dict) or item.get("type") != "function_call" or item.get("namespace"):
        return None
    tool = tools.get(string(item.get("name")) or "")
    return None if tool is None else InjectedCall(string(item.get("call_id")) or "", tool, _arguments(raw, item))


def _arguments(raw: bytes, item: dict[str, Any]) -> str:
    given = item.get("arguments")
    return given if isinstance(given, str) else (value_of(raw, "arguments") or b"").decode()
