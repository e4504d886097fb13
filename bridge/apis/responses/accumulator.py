"""How OpenAI Responses spells an answer: items that are added, grow by deltas and are done, then the whole once more.

Items are told as soon as they are done; the final `response` object adds what was not told yet. Live deltas are parsed
only while somebody asks for them: otherwise they are kept as bytes, and mostly thrown away unread, since the finished
item brings the same text. Shapes follow OpenAI's API reference, "Streaming events" of Responses.
"""

from __future__ import annotations

from typing import Any

from attrs import field

from bridge.apis.json_text import loads_object
from bridge.apis.notes import content
from bridge.apis.protocol import StreamFailure
from bridge.apis.provider_errors import stream_failure_of
from bridge.apis.readers import event_type
from bridge.apis.responses.tools import call_in, is_search
from bridge.apis.transcript import HELD_LIMIT, OpenThought, Transcript
from bridge.apis.usage import Usage, tokens, told_cost
from bridge.events.values import ThoughtSource, WithheldReason
from bridge.value_classes import define

# The live deltas: the type of the item they are of, the part of it that grows, and what that part's number is called.
_DELTAS = {
    b"response.reasoning_summary_text.delta": ("reasoning", "summary", "summary_index"),
    b"response.reasoning_text.delta": ("reasoning", "content", "content_index"),
    b"response.output_text.delta": ("message", "content", "content_index"),
    b"response.refusal.delta": ("message", "content", "content_index"),
}
_OPENING = frozenset({b"response.created", b"response.queued", b"response.in_progress"})
_FINAL = frozenset({b"response.completed", b"response.incomplete", b"response.failed"})
_READ = _FINAL | {b"response.output_item.added", b"response.output_item.done", b"error"}
_SOURCES = {"summary": ThoughtSource.REASONING_SUMMARY, "content": ThoughtSource.THINKING}


def stream_failure(value: dict[str, Any]) -> StreamFailure | None:
    """The error in an `error` event, a failed response's event, or an error's body.

    An `error` event carries code and message itself, as the API reference has it, or in an `error` object, as it comes.
    """
    response = value.get("response")
    error = response.get("error") if isinstance(response, dict) else value.get("error")
    if isinstance(error, dict):
        return stream_failure_of(error)
    return stream_failure_of(value) if value.get("type") in ("error", "response.failed") else None


@define(eq=False)
class _Item:
    """An output item as far as it came."""

    type: str
    commentary: bool = False  # a message that thinks aloud
    published: bool = False  # it is done, and all of it was told
    answered: int = 0  # characters of its text that the transcript has
    thoughts: dict[tuple[str, int], OpenThought] = field(factory=dict)


class ResponsesAccumulator:
    """The `Accumulator` of Responses."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.complete = False
        self.failure: StreamFailure | None = None
        self.token_seen = False
        self.unreadable = 0
        self._items: dict[tuple[str, str | int], _Item] = {}  # by type, and id or place
        self._commentary_open = False
        self._unread: dict[str, list[tuple[bytes, bytes]]] = {"reasoning": [], "message": []}  # deltas, by item type
        self._unread_size = 0

    @property
    def answered(self) -> bool:
        """Whether all has come that an answer needs: that is the end mark, without which something is missing."""
        return self.complete

    def event(self, name: bytes, data: bytes) -> None:
        """The next event of a stream. Those whose names say nothing to us are passed over unparsed."""
        name = event_type(name, data)
        if name.endswith(b".delta"):
            self.token_seen = True
            if name in _DELTAS:
                self._delta(name, data)
        elif name in _OPENING:
            if self.transcript.response_id is None:
                self._read(name, data)
        elif name in _READ:
            self._read(name, data)

    def body(self, value: dict[str, Any]) -> None:
        """A response object, or an error instead of one."""
        if isinstance(value.get("id"), str):
            self._final(value)
        else:
            self.failure = stream_failure(value)

    def end(self) -> None:
        """What never was done is told as far as it came."""
        self._read_deltas("reasoning")
        self._read_deltas("message")
        self.transcript.end()

    def _read(self, name: bytes, data: bytes) -> None:
        value = loads_object(data)
        if value is None:
            self.unreadable += 1
            return
        response = value.get("response")
        match name:
            case b"response.output_item.added":
                self._added(value.get("item"), value.get("output_index"))
            case b"response.output_item.done":
                self._done(value.get("item"), value.get("output_index"))
            case b"error" | b"response.failed":
                self.failure = stream_failure(value)
        if isinstance(response, dict):
            if name in _OPENING:
                self.transcript.name(response.get("id"))
                self.transcript.serve(response.get("model"))  # of the tier it says only what was asked for
            elif name in _FINAL:
                self._final(response)

    def _delta(self, name: bytes, data: bytes) -> None:
        """A live delta: read at once if somebody asks for it, kept as bytes if not."""
        item_type = _DELTAS[name][0]
        wants = self.transcript.wants
        if item_type == "reasoning":
            wanted = wants("thought.delta")
        else:  # text of a commentary message is a thought, and only the data say which message it is of
            wanted = wants("answer.delta") or (self._commentary_open and wants("thought.delta"))
        if wanted:
            if self._unread[item_type]:
                self._read_deltas(item_type)
            self._read_delta(name, data)
            return
        self._unread[item_type].append((name, data))
        self._unread_size += len(data)
        if self._unread_size > HELD_LIMIT:
            self._read_deltas("reasoning")
            self._read_deltas("message")

    def _read_deltas(self, item_type: str) -> None:
        """Reads the deltas of such items that were kept."""
        for name, data in self._unread[item_type]:
            self._read_delta(name, data)
        self._unread[item_type] = []
        self._unread_size = sum(len(data) for kept in self._unread.values() for _, data in kept)

    def _read_delta(self, name: bytes, data: bytes) -> None:
        item_type, part, index_name = _DELTAS[name]
        value = loads_object(data, cut=True)
        if value is None:
            self.unreadable += 1
            return
        text = value.get("delta")
        item = self._item(item_type, value.get("item_id"), value.get("output_index"))
        if item.published or not isinstance(text, str) or not text:
            return
        if item_type == "message" and not item.commentary:
            item.answered += self.transcript.answer(text)
        else:
            self.transcript.think(self._thought(item, part, value.get(index_name)), text)

    def _item(self, item_type: str, item_id: object, place: object, *, final: bool = False) -> _Item:
        """The item with that id; else that at its place, since some gateways change ids from event to event.

        Others number all places 0: so in the stream an item that is told leaves its place to the next.
        """
        by_id = (item_type, item_id) if isinstance(item_id, str) else None
        by_place = (item_type, place) if isinstance(place, int) else None
        item = self._items.get(by_id) if by_id else None
        if item is None and by_place:
            item = self._items.get(by_place)
            if item is not None and item.published and not final:
                item = None
        if item is None:
            item = _Item(item_type)
        for key in (by_id, by_place):
            if key:
                self._items[key] = item
        return item

    def _thought(self, item: _Item, part: str, index: object) -> OpenThought:
        source = ThoughtSource.COMMENTARY if item.commentary else _SOURCES[part]
        number = index if isinstance(index, int) else 0
        thought = self.transcript.thought((item, part, number), source)
        item.thoughts[part, number] = thought
        return thought

    def _added(self, value: object, place: object) -> None:
        """An item began. Of its content only the phase matters: deltas bring the text."""
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            return
        item = self._item(value["type"], value.get("id"), place)
        if _is_commentary(value, item):
            item.commentary = True
            self._commentary_open = True

    def _done(self, value: object, place: object, *, final: bool = False) -> None:
        """An item is whole: everything in it that was not told yet is."""
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            return
        item = self._item(value["type"], value.get("id"), place, final=final)
        if item.published:
            return
        self.token_seen = True
        if item.type == "reasoning":
            self._reasoning_done(item, value)
        elif item.type == "message":
            item.commentary = _is_commentary(value, item)
            self._message_done(item, value)
        else:
            call = call_in(value)
            if call is not None:
                self.transcript.call(*call)
            elif not item.type.endswith("_call_output"):
                self.transcript.note(item.type, content(value))
        item.published = True

    def _reasoning_done(self, item: _Item, value: dict[str, Any]) -> None:
        texts = {("summary", n): text for n, text in _texts(value.get("summary"), "text")}
        texts.update({("content", n): text for n, text in _texts(value.get("content"), "text")})
        self._settle_unread(item, value, replaced=bool(texts))
        self._record(item, texts)
        if not item.thoughts:
            encrypted = value.get("encrypted_content")
            if isinstance(encrypted, str) and encrypted:
                self.transcript.withhold(WithheldReason.ENCRYPTED, len(encrypted.encode()))
            else:
                self.transcript.withhold(WithheldReason.NOT_SUMMARIZED, 0)

    def _message_done(self, item: _Item, value: dict[str, Any]) -> None:
        if value.get("role", "assistant") != "assistant":
            return
        texts = dict(_texts(value.get("content"), "text"))
        if item.commentary:
            self._settle_unread(item, value, replaced=bool(texts))
            self._record(item, {("content", n): text for n, text in texts.items()})
            return
        texts.update(_texts(value.get("content"), "refusal"))
        whole = "".join(texts[n] for n in sorted(texts))
        self._settle_unread(item, value, replaced=bool(whole))
        self.transcript.answer(whole[item.answered :])

    def _settle_unread(self, item: _Item, value: dict[str, Any], *, replaced: bool) -> None:
        """Throws away the kept deltas of an item whose text came with it; reads all others of such items."""
        deltas = self._unread[item.type]
        item_id = value.get("id")
        if deltas and replaced and isinstance(item_id, str):
            quoted = b'"' + item_id.encode() + b'"'  # within a text these quotes would be escaped
            self._unread[item.type] = [delta for delta in deltas if quoted not in delta[1]]
        if deltas:
            self._read_deltas(item.type)

    def _record(self, item: _Item, texts: dict[tuple[str, int], str]) -> None:
        """Tells an item's thoughts: those in it, then those of which only deltas came."""
        for (part, number), text in texts.items():
            self.transcript.record(self._thought(item, part, number), text)
        for thought in item.thoughts.values():
            self.transcript.record(thought)

    def _final(self, response: dict[str, Any]) -> None:
        """The whole response: what was not told of its items, and what it cost."""
        self.complete = True
        self.transcript.name(response.get("id"))
        self.transcript.serve(response.get("model"), response.get("service_tier"))
        output = response.get("output")
        for place, value in enumerate(output if isinstance(output, list) else ()):
            self._done(value, place, final=True)
        error = response.get("error")
        if isinstance(error, dict) and self.failure is None:
            self.failure = stream_failure({"error": error})
        self._read_deltas("message")
        self.transcript.end_answer()
        usage = response.get("usage")
        if isinstance(usage, dict):
            extra = {
                "output_reasoning": tokens(usage, "output_tokens_details", "reasoning_tokens"),
                "total_tokens": tokens(usage, "total_tokens"),
            }
            self.transcript.spend([_used(usage, response.get("output"))], extra)


def _used(usage: dict[str, Any], output: object) -> Usage:
    """A usage object's tokens, and the web searches among the output items."""
    cached = tokens(usage, "input_tokens_details", "cached_tokens")
    written = tokens(usage, "input_tokens_details", "cache_write_tokens")
    return Usage(
        input=max(tokens(usage, "input_tokens") - cached - written, 0),
        output=tokens(usage, "output_tokens"),
        cache_read_input=cached,
        cache_write_input=written,
        web_searches=sum(map(is_search, output if isinstance(output, list) else ())),
        cost_usd=told_cost(usage),
    )


def _is_commentary(value: dict[str, Any], item: _Item) -> bool:
    phase = value.get("phase")
    return phase == "commentary" if isinstance(phase, str) else item.commentary


def _texts(parts: object, name: str) -> list[tuple[int, str]]:
    """The non-empty texts of an item's parts, each with the part's number."""
    return [
        (number, part[name])
        for number, part in enumerate(parts if isinstance(parts, list) else ())
        if isinstance(part, dict) and isinstance(part.get(name), str) and part[name]
    ]
