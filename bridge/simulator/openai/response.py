"""The `response` object of OpenAI's Responses API: what was asked, echoed, and what came of it."""

from __future__ import annotations

from typing import Any

from bridge.simulator.answers import Answer
from bridge.simulator.asked import Asked
from bridge.simulator.estimate import tokens

Fields = dict[str, Any]


def response_object(asked: Asked, made: Fields) -> Fields:
    """The object with all its fields. `made` is what is no echo: id, created_at, status, output and what changed."""
    ask = asked.fields
    return {
        "id": None,
        "object": "response",
        "created_at": None,
        "status": None,
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": ask.get("instructions"),
        "max_output_tokens": ask.get("max_output_tokens"),
        "max_tool_calls": ask.get("max_tool_calls"),
        "model": asked.model,
        "output": [],
        "parallel_tool_calls": ask.get("parallel_tool_calls") is not False,
        "previous_response_id": ask.get("previous_response_id"),
        "prompt_cache_key": ask.get("prompt_cache_key"),
        "reasoning": {"effort": "medium", "summary": None, **_object(ask.get("reasoning"))},
        "safety_identifier": ask.get("safety_identifier"),
        "service_tier": "default",
        "store": ask.get("store") is not False,
        "temperature": ask.get("temperature", 1.0),
        "text": {"format": {"type": "text"}, "verbosity": "medium", **_object(ask.get("text"))},
        "tool_choice": ask.get("tool_choice") or "auto",
        "tools": ask.get("tools") or [],
        "top_logprobs": ask.get("top_logprobs", 0),
        "top_p": ask.get("top_p", 1.0),
        "truncation": ask.get("truncation") or "disabled",
        "usage": None,
        "user": ask.get("user"),
        "metadata": ask.get("metadata") or {},
        **made,
    }


def usage_object(answer: Answer, asked: Asked) -> Fields:
    """The tokens of the answer."""
    count = tokens(answer, asked)
    return {
        "input_tokens": count.input,
        "input_tokens_details": {"cached_tokens": count.cached, "cache_write_tokens": count.cache_write},
        "output_tokens": count.output,
        "output_tokens_details": {"reasoning_tokens": count.reasoning},
        "total_tokens": count.total,
    }


def _object(value: Any) -> Fields:
    return value if isinstance(value, dict) else {}
