"""The `response` object of OpenAI's Responses API: what was asked, echoed, and what came of it."""

from __future__ import annotations

from typing import Any

from bridge.simulator.answers import ScriptedAnswer
from bridge.simulator.estimate import tokens
from bridge.simulator.request import JsonObject, ModelRequest


def response_object(request: ModelRequest, made: JsonObject) -> JsonObject:
    """The object with all its fields. `made` is what is no echo: id, created_at, status, output and what changed."""
    given = request.fields
    return {
        "id": None,
        "object": "response",
        "created_at": None,
        "status": None,
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": given.get("instructions"),
        "max_output_tokens": given.get("max_output_tokens"),
        "max_tool_calls": given.get("max_tool_calls"),
        "model": request.model,
        "output": [],
        "parallel_tool_calls": given.get("parallel_tool_calls") is not False,
        "previous_response_id": given.get("previous_response_id"),
        "prompt_cache_key": given.get("prompt_cache_key"),
        "reasoning": {"effort": "medium", "summary": None, **_object(given.get("reasoning"))},
        "safety_identifier": given.get("safety_identifier"),
        "service_tier": "default",
        "store": given.get("store") is not False,
        "temperature": given.get("temperature", 1.0),
        "text": {"format": {"type": "text"}, "verbosity": "medium", **_object(given.get("text"))},
        "tool_choice": given.get("tool_choice") or "auto",
        "tools": given.get("tools") or [],
        "top_logprobs": given.get("top_logprobs", 0),
        "top_p": given.get("top_p", 1.0),
        "truncation": given.get("truncation") or "disabled",
        "usage": None,
        "user": given.get("user"),
        "metadata": given.get("metadata") or {},
        **made,
    }


def usage_object(answer: ScriptedAnswer, request: ModelRequest) -> JsonObject:
    """The tokens of the answer."""
    count = tokens(answer, request)
    return {
        "input_tokens": count.input,
        "input_tokens_details": {"cached_tokens": count.cached, "cache_write_tokens": count.cache_write},
        "output_tokens": count.output,
        "output_tokens_details": {"reasoning_tokens": count.reasoning},
        "total_tokens": count.total,
    }


def _object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}
