"""How Chat Completions spells an answer: chunks of a message, for each of its choices, and one object for a body.

Tool calls come in pieces put together by `index`; usage comes once, or grows from chunk to chunk, and the last counts.
Thoughts are no part of OpenAI's reference: compatible servers write them as `reasoning_content` or `reasoning`.
"""

from __future__ import annotations

from typing import Any

from attrs import field

from bridge.apis.json_text import loads_object
from bridge.apis.protocol import StreamFailure
from bridge.apis.provider_errors import stream_failure_of
from bridge.apis.request import joined_texts
from bridge.apis.tool_calls import UnfinishedCall
from bridge.apis.transcript import OpenThought, Transcript
from bridge.apis.usage import Usage, tokens, told_cost
from bridge.events.values import ThoughtSource
from bridge.limits import Share
from bridge.value_classes import define

_END = b"[DONE]"
_EXTRA = {
    "prompt_audio": ("prompt_tokens_details", "audio_tokens"),
    "completion_reasoning": ("completion_tokens_details", "reasoning_tokens"),
    "completion_audio": ("completion_tokens_details", "audio_tokens"),
    "completion_accepted_prediction": ("completion_tokens_details", "accepted_prediction_tokens"),
    "completion_rejected_prediction": ("completion_tokens_details", "rejected_prediction_tokens"),
}


def stream_failure(value: dict[str, Any]) -> StreamFailure | None:
    """The error in a chunk or body that has one."""
    error = value.get("error")
    return stream_failure_of(error) if error else None


@define(eq=False)
class _Choice:
    """One of the answers asked for, as far as it came."""

    finished: bool = False  # its finish_reason has come
    thoughts: int = 0  # finished ones
    thought: OpenThought | None = None  # the one that grows
    calls: list[UnfinishedCall] = field(factory=list)
    call_at: dict[int, UnfinishedCall] = field(factory=dict)  # by the index its pieces carry


class ChatAccumulator:
    """The `Accumulator` of Chat Completions. The answer's text is that of the first choice."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.complete = False
        self.failure: StreamFailure | None = None
        self.token_seen = False
        self.unreadable = 0
        self._choices: dict[int, _Choice] = {}
        self._usage: dict[str, Any] | None = None
        self._served: dict[str, Any] = {}  # what the chunks say of the model

    @property
    def answered(self) -> bool:
        """Whether each choice has told why it is over: some servers send no `[DONE]` after that."""
        finished = [choice.finished for choice in self._choices.values()]
        return self.complete or (bool(finished) and all(finished))

    def event(self, name: bytes, data: bytes) -> None:  # noqa: ARG002 - chunks have no name
        """The next chunk of a stream, or its end mark."""
        if data.strip() == _END:
            self.complete = True
            self._finish()
            return
        value = loads_object(data, cut=True)
        if value is not None:
            self._read(value)
        elif data:
            self.unreadable += 1

    def body(self, value: dict[str, Any]) -> None:
        """A completion object, or an error instead of one."""
        self._read(value)
        if isinstance(value.get("id"), str):
            self.complete = True
            self._finish()

    def end(self) -> None:
        """What came of thoughts and text is told; of tool calls only those that were whole."""
        self._finish()
        self.transcript.end()

    def _read(self, value: dict[str, Any]) -> None:
        self.failure = stream_failure(value) or self.failure
        self.transcript.name(value.get("id"))
        for name in ("model", "service_tier"):
            if value.get(name) is not None:
                self._served[name] = value[name]
        if isinstance(value.get("usage"), dict):
            self._usage = value["usage"]
        elif "x_groq" in value and self._usage is None:
            self._usage = _groq_usage(value["x_groq"])
        choices = value.get("choices")
        for place, choice in enumerate(choices if isinstance(choices, list) else ()):
            if isinstance(choice, dict):
                index = choice.get("index")
                self._read_choice(index if isinstance(index, int) else place, choice)

    def _read_choice(self, index: int, value: dict[str, Any]) -> None:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        message = value.get("delta") or value.get("message")
        if isinstance(message, dict):
            self._think(index, choice, message.get("reasoning_content") or message.get("reasoning"))
            for part in ("content", "refusal"):
                self._say(index, choice, message.get(part))
            calls = message.get("tool_calls")
            if isinstance(calls, list) and calls:
                self.token_seen = True
                self._end_thought(choice)
                for piece in calls:
                    _add_piece(choice, piece, self.transcript.held)
        if value.get("finish_reason") is not None:
            choice.finished = True
            self._end_choice(choice)

    def _say(self, index: int, choice: _Choice, content: object) -> None:
        """Content is a text, or a list of parts, of which some may be thoughts, as Mistral writes them."""
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict):
                self._think(index, choice, joined_texts(part.get("thinking"), "text"))
                self._answer(index, choice, part.get("text"))
        self._answer(index, choice, content)

    def _think(self, index: int, choice: _Choice, text: object) -> None:
        if not isinstance(text, str) or not text:
            return
        self.token_seen = True
        if choice.thought is None:
            choice.thought = self.transcript.thought((index, choice.thoughts), ThoughtSource.THINKING)
        self.transcript.think(choice.thought, text)

    def _answer(self, index: int, choice: _Choice, text: object) -> None:
        if not isinstance(text, str) or not text:
            return
        self.token_seen = True
        self._end_thought(choice)
        if index == 0:
            self.transcript.answer(text)

    def _end_thought(self, choice: _Choice) -> None:
        """A thought is whole when something else follows it."""
        if choice.thought is not None:
            self.transcript.record(choice.thought)
            choice.thought = None
            choice.thoughts += 1

    def _end_choice(self, choice: _Choice) -> None:
        self._end_thought(choice)
        for call in choice.calls:
            call.tell(self.transcript)
        choice.calls.clear()
        choice.call_at.clear()

    def _finish(self) -> None:
        """Tells the answer's text, what the whole cost, and, where it came to its end, all that is open."""
        if self.complete:
            for choice in self._choices.values():
                self._end_choice(choice)
        self.transcript.serve(self._served.get("model"), self._served.get("service_tier"))
        usage, self._usage = self._usage, None
        if usage is None:
            return
        self.transcript.end_answer()
        extra = {name: tokens(usage, *path) for name, path in _EXTRA.items()}
        self.transcript.spend([_used(usage)], extra, partial=not self.answered)


def _groq_usage(extension: object) -> dict[str, Any] | None:
    """The usage in Groq's own member of a stream's last chunk."""
    usage = extension.get("usage") if isinstance(extension, dict) else None
    return usage if isinstance(usage, dict) else None


def _used(usage: dict[str, Any]) -> Usage:
    """A usage object's tokens; DeepSeek calls the cached ones by a name of its own too."""
    cached = tokens(usage, "prompt_tokens_details", "cached_tokens") or tokens(usage, "prompt_cache_hit_tokens")
    written = tokens(usage, "prompt_tokens_details", "cache_write_tokens")
    return Usage(
        input=max(tokens(usage, "prompt_tokens") - cached - written, 0),
        output=tokens(usage, "completion_tokens"),
        cache_read_input=cached,
        cache_write_input=written,
        audio=sum(tokens(usage, f"{part}_tokens_details", "audio_tokens") for part in ("prompt", "completion")),
        cost_usd=told_cost(usage),
    )


def _add_piece(choice: _Choice, piece: object, held: Share) -> None:
    """Puts a piece of a tool call where its index says; one with a new id at an old index begins a new call.

    A server that leaves the index out begins a call with each id, and continues the last one otherwise.
    """
    if not isinstance(piece, dict):
        return
    index, call_id = piece.get("index"), piece.get("id")
    if isinstance(index, int):
        call = choice.call_at.get(index)
    else:
        call = choice.calls[-1] if choice.calls and not call_id else None
    if call is None or (call_id and call.call_id and call_id != call.call_id):
        call = UnfinishedCall(held)
        choice.calls.append(call)
    if isinstance(index, int):
        choice.call_at[index] = call
    call.call_id = call.call_id or call_id
    function, custom = piece.get("function"), piece.get("custom")
    if isinstance(function, dict):
        call.name(function.get("name"))
        call.add(function.get("arguments"))
    elif isinstance(custom, dict):
        call.verbatim = True
        call.name(custom.get("name"))
        call.add(custom.get("input"))
