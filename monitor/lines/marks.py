"""What is out of the ordinary in a request: thoughts withheld, failovers, a compaction, another model than asked."""

from __future__ import annotations

import re

from bridge.events.entries import Interception
from monitor.lines import format as fmt
from monitor.lines.span import Span

OF_A_DAY = re.compile(r"-(?:latest|\d{8}|\d{4}-\d{2}-\d{2}|\d{4})$")
"""What a provider adds to a model's name to say which of its days it is."""

SHORTEST = 4
"""Messages that a conversation must have had to be called shortened."""


def marks(request: Interception) -> list[Span]:
    """`∅` a thought is withheld, `↻2` two keys failed, `⧉` the conversation was compacted, `≠` another model served."""
    found: list[Span] = []
    if failures := sum(attempt.failed for attempt in request.attempts):
        found.append((f"↻{failures}", "warn"))
    if served_other(request):
        found.append(("≠", "bad"))
    if compacted(request):
        found.append(("⧉", "warn"))
    if any(thought.withheld for thought in request.thoughts):
        found.append(("∅", "withheld"))
    return found


def compacted(request: Interception) -> bool:
    """Whether the provider says so, or most of what the conversation held is there no more."""
    if any(note.kind == "compaction" for note in request.notes):
        return True
    context = request.context
    if context is None:
        return False
    before = context.messages - context.added + context.removed
    return before >= SHORTEST and context.removed * 2 > before


def served_other(request: Interception) -> Span | None:
    """`asked gpt-5.5 → served gpt-5.5-mini` where these are two models, not two names of one."""
    served = request.served
    asked = (served.asked.model if served else None) or request.started.model
    if served is None or not served.model or not asked or _family(served.model) == _family(asked):
        return None
    return f"asked {fmt.one_line(asked)} → served {fmt.one_line(served.model)}", "bad"


def _family(model: str) -> str:
    return OF_A_DAY.sub("", model.rpartition("/")[2].lower())
