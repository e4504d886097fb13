"""The names and values of what spans say, our own and those of OpenTelemetry's conventions for generative AI.

An attribute that is not known is left out. Prompts, thoughts and results never become one.
"""

from __future__ import annotations

from typing import Any

from bridge.events.vocabulary import InterceptionStarted, TokensUsed

Attributes = dict[str, Any]

OPERATION = "chat"
"""What all three APIs do, in the conventions' words."""


def known(**values: Any) -> Attributes:
    """The attributes that are known; `__` in a name stands for a dot."""
    return {name.replace("__", "."): value for name, value in values.items() if value is not None}


def base(started: InterceptionStarted, kind: str | None) -> Attributes:
    """What every span of an interception says; `kind` is that of its provider."""
    return known(
        request_path=started.path,
        interception_id=started.id,
        user_id=started.initiator,
        provider=started.provider,
        model=started.model,
        streaming=started.streaming,
        gen_ai__operation__name=OPERATION,
        gen_ai__provider__name=kind,
        gen_ai__request__model=started.model,
    )


def usage(input_tokens: int, output: int, cache_read: int, cache_write: int) -> Attributes:
    """Tokens in the conventions' words, whose input is all of it, cached or not."""
    return known(
        gen_ai__usage__input_tokens=input_tokens + cache_read + cache_write,
        gen_ai__usage__output_tokens=output,
        gen_ai__usage__cache_read__input_tokens=cache_read,
        gen_ai__usage__cache_creation__input_tokens=cache_write,
    )


def usage_of(used: TokensUsed) -> Attributes:
    """Those of one answer."""
    return usage(used.input, used.output, used.cache_read_input, used.cache_write_input)
