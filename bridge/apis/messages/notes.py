"""What a message says of how it came about: why it stopped, what was edited, and what else its sender should know.

The fields are those of Anthropic's API reference, "Messages", beta ones included. They stand in the message, or come
with `message_delta` at the end of a stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bridge.apis.notes import MOST_MEMBERS, words

_PLACES = (
    ("stop_details", ("stop_details",)),
    ("context_edit", ("context_management", "applied_edits")),
    ("cache_miss", ("diagnostics", "cache_miss_reason")),
    ("input_transformation", ("input_transformations",)),
    ("safeguard", ("safeguard_results",)),
)
"""The kinds of note, and where in a message each stands: an object, or a list with a note for each entry."""


def notes_in(message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The kind and the text of each."""
    for kind, path in _PLACES:
        found: Any = message
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        for entry in found[:MOST_MEMBERS] if isinstance(found, list) else [found]:
            if entry:
                yield kind, words(entry)
