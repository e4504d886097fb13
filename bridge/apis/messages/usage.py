"""What a Messages answer used, as its `usage` object says it.

Tokens of compactions and of advisors stand in `usage.iterations` alone, one entry a sampling with its own model; so
where there are iterations, their sum is the truth (Anthropic's API reference, "Messages", `usage.iterations`).
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from bridge.apis.request import string
from bridge.apis.usage import Usage, tokens, told_cost

_SEARCHES = ("server_tool_use", "web_search_requests")
_ONE_HOUR = ("cache_creation", "ephemeral_1h_input_tokens")
_FIVE_MINUTES = ("cache_creation", "ephemeral_5m_input_tokens")


def used(usage: dict[str, Any]) -> tuple[list[Usage], dict[str, int]]:
    """The parts of what an answer used, and further counts by name. What stands in the whole alone is the first's."""
    listed = usage.get("iterations")
    iterations = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    sources = iterations or [usage]
    broken_down = [source for source in sources if source.get("cache_creation")] or [usage]
    extra = {
        "web_search_requests": tokens(usage, *_SEARCHES),
        "web_fetch_requests": tokens(usage, "server_tool_use", "web_fetch_requests"),
        "cache_ephemeral_5m_input": sum(tokens(source, *_FIVE_MINUTES) for source in broken_down),
        "cache_ephemeral_1h_input": sum(tokens(source, *_ONE_HOUR) for source in broken_down),
        "thinking": tokens(usage, "output_tokens_details", "thinking_tokens"),
    }
    parts = [_part(source) for source in sources]
    told = told_cost(usage)
    first = evolve(parts[0], web_searches=extra["web_search_requests"], cost_usd=told)
    if broken_down == [usage]:
        first = evolve(first, cache_write_1h_input=min(extra["cache_ephemeral_1h_input"], first.cache_write_input))
    # A figure for the whole covers the others too.
    return [first, *(evolve(part, cost_usd=None if told is None else 0.0) for part in parts[1:])], extra


def _part(usage: dict[str, Any]) -> Usage:
    return Usage(
        model=string(usage.get("model")),
        input=tokens(usage, "input_tokens"),
        output=tokens(usage, "output_tokens"),
        cache_read_input=tokens(usage, "cache_read_input_tokens"),
        cache_write_input=tokens(usage, "cache_creation_input_tokens"),
        cache_write_1h_input=tokens(usage, *_ONE_HOUR),
    )
