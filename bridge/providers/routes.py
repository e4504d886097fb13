"""Which paths of a provider are served, and how: understood and recorded, or passed through as they are.

All that is not listed is refused, so that a client of the bridge never reaches an administrative route with the
owner's keys (`contract.md` section 5).
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from bridge.apis.passthrough import Passthrough
from bridge.apis.protocol import Api
from bridge.apis.registry import APIS

INTERCEPTED: dict[str, dict[str, Api]] = {
    "openai": {"/v1/responses": APIS["responses"], "/v1/chat/completions": APIS["chat_completions"]},
    "anthropic": {"/v1/messages": APIS["messages"]},
}
"""By the provider's type: the routes that are understood, all of them POST."""

PASSED_THROUGH: dict[str, re.Pattern[str]] = {
    "openai": re.compile(r"/v1/(models|conversations|embeddings)(/.*)?|/v1/responses/.+"),
    "anthropic": re.compile(
        r"/v1/models(/.*)?|/v1/messages/count_tokens|/v1/messages/batches(/.*)?|/api/event_logging/.+|/api/hello"
    ),
}
"""By the provider's type: the routes that are relayed with any method."""

PASSTHROUGH: dict[str, Api] = {kind: Passthrough(kind) for kind in PASSED_THROUGH}


def passthrough_api(kind: str, path: str) -> Api | None:
    """The API to pass a path through with; None where it is not listed, or is not plainly what it says."""
    if not PASSED_THROUGH[kind].fullmatch(path) or not _is_plain(path):
        return None
    return PASSTHROUGH[kind]


def _is_plain(path: str) -> bool:
    """Whether no server can read this path as another one: no dot segments, empty segments or hidden separators."""
    segments = path[1:].split("/")
    return all(_is_plain_segment(segment) for segment in segments[:-1]) and _is_plain_segment(segments[-1] or "end")


def _is_plain_segment(segment: str) -> bool:
    plain = unquote(segment)  # what is no UTF-8, as are overlong forms of a dot or a slash, becomes U+FFFD
    name = plain.partition(";")[0]  # the rest is parameters to servers that know of them
    return name not in {"", ".", ".."} and plain.isprintable() and not any(one in plain for one in "/\\%\ufffd")
