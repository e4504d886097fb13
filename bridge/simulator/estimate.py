"""Token counts for an answer whose scenario does not say them: plausible, and the same for the same texts."""

from __future__ import annotations

import orjson

from bridge.simulator.answers import HiddenThought, ScriptedAnswer, ScriptedThought, ToolCall
from bridge.simulator.request import ModelRequest
from bridge.value_classes import frozen

_CHARACTERS_PER_TOKEN = 4
_CACHE_BLOCK = 128
_CACHE_FROM = 1024  # shorter prompts are not cached


@frozen
class TokenCounts:
    """The counts of one answer. `input` contains `cached` and `cache_write`; `output` contains `reasoning`."""

    input: int
    cached: int
    cache_write: int
    output: int
    reasoning: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.input + self.output


def tokens(answer: ScriptedAnswer, request: ModelRequest) -> TokenCounts:
    """What this answer to this request costs: what its usage says, the rest estimated."""
    usage = answer.usage
    given = usage.input if usage.input is not None else estimated(request.size)
    cached = usage.cached if usage.cached is not None else _from_cache(given, request.goes_on)
    thinking = sum(_length(part) for part in answer.parts if isinstance(part, ScriptedThought | HiddenThought))
    reasoning = usage.reasoning if usage.reasoning is not None else estimated(3 * thinking)
    spoken = sum(_length(part) for part in answer.parts if not isinstance(part, ScriptedThought | HiddenThought))
    output = usage.output if usage.output is not None else estimated(spoken) + reasoning
    return TokenCounts(given, cached, usage.cache_write or 0, output, reasoning)


def _length(part: object) -> int:
    match part:
        case HiddenThought(length, _):
            return length // 3
        case ToolCall(_, str() as text):
            return len(text)
        case ToolCall(_, arguments):
            return len(orjson.dumps(arguments))
        case _:
            return len(getattr(part, "text", ""))


def estimated(characters: int) -> int:
    """About how many tokens so many characters are."""
    return -(-characters // _CHARACTERS_PER_TOKEN)


def _from_cache(given: int, goes_on: bool) -> int:
    if not goes_on or given < _CACHE_FROM:
        return 0
    return given * 9 // 10 // _CACHE_BLOCK * _CACHE_BLOCK
