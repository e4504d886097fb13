"""Makes a Chat Completions stream tell its tokens, and hides from the client that it was asked to.

OpenAI's API reference, `stream_options.include_usage`: an additional chunk is streamed before `data: [DONE]`, its
`choices` always empty, its `usage` that of the whole request. Where the client did not ask for it, the bridge adds the
option to the request and takes that one chunk out of what the client sees.
"""

from __future__ import annotations

import re

import orjson

from bridge.apis.json_text import loads_object
from bridge.apis.splice import parsed, value_span
from bridge.apis.sse import SseParser

_OPTION = b'"stream_options":{"include_usage":true},'
_EVENT_END = re.compile(rb"(?>\r\n|\n|\r){2}")  # atomic: a CRLF is one line end, never two
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_NO_USAGE_CHUNK = b'"delta":'  # the mark of a choice; inside a text its quotes would be escaped
_HELD_LIMIT = 64 * 1024
_OVERLAP = 8  # bytes in which an event's end or that mark may have begun before


def add_include_usage(body: bytes) -> bytes | None:
    """The request with `include_usage` on and every other byte as it was.

    None where nothing is to be done: no stream, the client asked by itself, or the options are no object; and where the
    body takes too long to read.
    """
    request = parsed(body)
    if request is None or request.get("stream") is not True:
        return None
    if "stream_options" not in request:
        start = body.index(b"{") + 1
        return body[:start] + _OPTION + body[start:]
    options = request["stream_options"]
    if options is None:
        options = {}
    if not isinstance(options, dict) or options.get("include_usage") is True:
        return None
    span = value_span(body, "stream_options")
    if span is None:
        return None
    start, end = span
    return body[:start] + orjson.dumps({**options, "include_usage": True}) + body[end:]


class UsageChunkFilter:
    """Passes a stream's bytes on as they come, all but the additional usage chunk.

    A chunk can be told for that one only when it is whole; so an event that is still coming is held, but no longer than
    until a choice's `delta` shows in it, or 64 KiB came: then it is another. Providers write an event at once, so in
    practice nothing waits.
    """

    def __init__(self) -> None:
        self._held = b""  # what came of the current event; its last bytes only, once it was let through
        self._passed = 0  # how many of these the client has already
        self._searched = 0  # up to where neither an end nor the mark begins
        self._after_cr = False  # an event ended in CR, and an LF may still belong to it

    def feed(self, chunk: bytes) -> bytes:
        """Takes the next bytes from upstream and returns those for the client."""
        if not self._held and chunk.endswith(b"\n\n") and not _USAGE.search(chunk):
            self._after_cr = False
            return chunk
        out: list[bytes] = []
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk.startswith(b"\n"):
                out.append(b"\n")
                chunk = chunk[1:]
        held = self._held + chunk
        start = 0
        for end in _EVENT_END.finditer(held, self._searched):
            if self._passed or not _is_usage_chunk(held[start : end.end()]):
                out.append(held[start + self._passed : end.end()])
            self._passed = 0
            start = end.end()
        self._after_cr = self._after_cr or (start == len(held) and held.endswith(b"\r"))
        self._hold(held[start:], out, max(self._searched - start, 0))
        return b"".join(out)

    def finish(self) -> bytes:
        """There is no more from upstream: what was held goes as it is."""
        rest = self._held[self._passed :]
        self._held, self._passed = b"", 0
        return rest

    def _hold(self, event: bytes, out: list[bytes], searched: int) -> None:
        """Keeps the event that is still coming, or lets it through if it can be no usage chunk."""
        if self._passed or len(event) > _HELD_LIMIT or event.find(_NO_USAGE_CHUNK, searched) >= 0:
            out.append(event[self._passed :])
            event = event[-_OVERLAP:]
            self._passed = len(event)
        self._held = event
        self._searched = max(len(event) - _OVERLAP, 0)


def _is_usage_chunk(event: bytes) -> bool:
    if _NO_USAGE_CHUNK in event or not _USAGE.search(event):
        return False
    parser = SseParser()
    for _, data in parser.feed(event) + parser.end():
        value = loads_object(data) or {}
        if value.get("choices") == [] and isinstance(value.get("usage"), dict):
            return True
    return False
