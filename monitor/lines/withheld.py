"""Thoughts without text, to be read past: the first of a session says why, and what to do; the others that they are.

What can be done depends on who keeps them back. A request that does not say what is to be seen of thoughts can be made
to ask (docs/behaviour.md, Revealed thoughts); what a provider redacted, nobody sees.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve, frozen

from bridge.events.entries import Interception, Thought
from bridge.events.values import WithheldReason
from monitor.lines import format as fmt
from monitor.lines.blocks import Block
from monitor.lines.request_story import withheld_amount
from monitor.lines.span import Line

NOT_TO_BE_HAD = ("nothing brings it back",)
ASKED_ALREADY = ("a summary was asked for, and none came:", "this model, or this account, gives none")
NO_WORD = ("this API has no word to ask for it",)


@frozen
class ThoughtPlace:
    """A thought of a request."""

    request: str
    index: int


def to_explain(requests: Iterable[Interception]) -> ThoughtPlace | None:
    """Which thought of a session is explained: the first that something can be done about, else the first of all."""
    first: ThoughtPlace | None = None
    for request in requests:
        for thought in request.thoughts:
            if thought.withheld is None:
                continue
            place = ThoughtPlace(request.id, thought.index)
            if thought.withheld is not WithheldReason.REDACTED:
                return place
            first = first or place
    return first


def in_short(block: Block, thought: Thought) -> Block:
    """That it is withheld, and how much."""
    return evolve(block, heading=(("∅ withheld", "withheld"), (withheld_amount(thought, "  "), "muted")), lines=())


def with_advice(block: Block, thought: Thought, request: Interception) -> Block:
    """Why it is withheld, and what a person can do to read the next ones."""
    told: tuple[Line, ...] = tuple(((line, "plain"),) for line in advice(thought, request))
    return evolve(block, lines=(*block.lines, *told))


def advice(thought: Thought, request: Interception) -> tuple[str, ...]:
    """What to do, in lines of at most 60 cells but for the provider's name."""
    if thought.withheld is WithheldReason.REDACTED:
        return NOT_TO_BE_HAD
    if "thoughts" in (request.added or []):
        return ASKED_ALREADY
    if request.started.api == "chat_completions":
        return NO_WORD
    provider = fmt.one_line(request.started.provider)
    return f"to read them: reveal_thoughts = true in [providers.{provider}],", "or have the agent ask for summaries"
