"""Rounds of an answer with tools, as each API spells them, and a provider that gives one after the other.

A round is written once, as parts; what a provider of that API sends for it, as a stream or as one body, is made here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from attrs import define, field, frozen

from tests.apis import chat_streams, messages_streams
from tests.apis.messages_streams import SIGNATURE
from tests.apis.responses_streams import Stream, words
from tests.apis.wire import named
from tests.support.world import STREAM, Asked, Hang, Reply

JSON = [("content-type", "application/json")]


@frozen
class Thinks:
    """A thought whose text is there."""

    text: str


@frozen
class Says:
    """Text for the client."""

    text: str


@frozen
class Calls:
    """A call of a tool. `arguments` is a text as a model writes it."""

    tool: str
    arguments: str = "{}"
    call_id: str = "call_1"


Spoken = Thinks | Says | Calls


@frozen
class Answer:
    """One round's answer. `cut`: it was cut short. `response_id` names it, where it is to be told from others."""

    parts: Sequence[Spoken]
    cut: bool = False
    response_id: str = "answer_1"

    @property
    def calls(self) -> list[Calls]:
        """The calls in it."""
        return [part for part in self.parts if isinstance(part, Calls)]


def pieces(text: str) -> list[str]:
    """A text in two pieces, where it has any."""
    half = len(text) // 2
    return [piece for piece in (text[:half], text[half:]) if piece]


def argument_value(text: str) -> Any:
    """A call's arguments as a value: a text where they are none."""
    try:
        return orjson.loads(text or "{}")
    except ValueError:
        return text


def messages_events(answer: Answer) -> list[bytes]:
    """A Messages stream."""
    events = [messages_streams.start(id=answer.response_id), named("ping")]
    for index, part in enumerate(answer.parts):
        match part:
            case Thinks(text):
                events += messages_streams.thinking(index, text)
            case Says(text):
                events += messages_streams.text(index, text)
            case Calls(tool, arguments, call_id):
                events += messages_streams.tool(index, call_id, tool, *pieces(arguments))
    return [*events, *messages_streams.end(messages_reason(answer))]


def messages_reason(answer: Answer) -> str:
    """Why a message ends."""
    if answer.cut:
        return "max_tokens"
    return "tool_use" if answer.calls else "end_turn"


def messages_body(answer: Answer) -> dict[str, Any]:
    """A message."""
    content: list[dict[str, Any]] = []
    for part in answer.parts:
        match part:
            case Thinks(text):
                content.append({"type": "thinking", "thinking": text, "signature": SIGNATURE})
            case Says(text):
                content.append({"type": "text", "text": text})
            case Calls(tool, arguments, call_id):
                value = argument_value(arguments)
                content.append({"type": "tool_use", "id": call_id, "name": tool, "input": value})
    usage = {"input_tokens": 25, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 5, "output_tokens": 89}
    return {
        "id": answer.response_id,
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-5",
        "content": content,
        "stop_reason": messages_reason(answer),
        "stop_sequence": None,
        "usage": usage,
    }


def chat_events(answer: Answer, *, usage: bool = True) -> list[bytes]:
    """A Chat Completions stream."""
    events = [chat_piece(answer, chat_streams.delta(role="assistant", content="", refusal=None))]
    calls = 0
    for part in answer.parts:
        match part:
            case Thinks(text):
                events += [chat_piece(answer, chat_streams.delta(reasoning_content=word)) for word in words(text)]
            case Says(text):
                events += [chat_piece(answer, chat_streams.delta(content=word)) for word in words(text)]
            case Calls(tool, arguments, call_id):
                begin = chat_streams.call_piece(calls, "", call_id, tool)
                events.append(chat_piece(answer, chat_streams.delta(tool_calls=[begin])))
                for piece in pieces(arguments):
                    more = chat_streams.call_piece(calls, piece)
                    events.append(chat_piece(answer, chat_streams.delta(tool_calls=[more])))
                calls += 1
    events.append(chat_piece(answer, chat_streams.delta(finish=chat_reason(answer))))
    if usage:
        events.append(chat_piece(answer, usage=chat_streams.USAGE))
    return [*events, chat_streams.DONE]


def chat_piece(answer: Answer, *choices: dict[str, Any], **more: Any) -> bytes:
    """One chunk of it."""
    return chat_streams.piece(*choices, **more).replace(chat_streams.RESPONSE_ID.encode(), answer.response_id.encode())


def chat_reason(answer: Answer) -> str:
    """Why a choice ends."""
    if answer.cut:
        return "length"
    return "tool_calls" if answer.calls else "stop"


def chat_body(answer: Answer) -> dict[str, Any]:
    """A completion."""
    text = "".join(part.text for part in answer.parts if isinstance(part, Says))
    thoughts = "".join(part.text for part in answer.parts if isinstance(part, Thinks))
    calls = [
        {"id": call.call_id, "type": "function", "function": {"name": call.tool, "arguments": call.arguments}}
        for call in answer.calls
    ]
    message: dict[str, Any] = {"role": "assistant", "content": text or None, "refusal": None}
    message.update({"reasoning_content": thoughts} if thoughts else {})
    message.update({"tool_calls": calls} if calls else {})
    return {
        "id": answer.response_id,
        "object": "chat.completion",
        "created": 1741570283,
        "model": "gpt-5.4",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": chat_reason(answer)}],
        "usage": chat_streams.USAGE,
    }


def responses_stream(answer: Answer) -> Stream:
    """A Responses stream."""
    stream = Stream(answer.response_id)
    for number, part in enumerate(answer.parts):
        match part:
            case Thinks(text):
                stream.reasoning(f"rs_{number}", text, encrypted="c2VjcmV0")
            case Says(text):
                stream.message(f"msg_{number}", text)
            case Calls(tool, arguments, call_id):
                stream.function_call(f"fc_{number}", call_id, tool, arguments)
    return stream


def responses_events(answer: Answer) -> list[bytes]:
    """The events of a Responses stream, to its end."""
    stream = responses_stream(answer)
    if answer.cut:
        stream.end("incomplete", incomplete_details={"reason": "max_output_tokens"})
    else:
        stream.end()
    return stream.events


def responses_body(answer: Answer) -> dict[str, Any]:
    """A response."""
    data = responses_events(answer)[-1].partition(b"data: ")[2]
    return dict(orjson.loads(data)["response"])


EVENTS = {"messages": messages_events, "chat_completions": chat_events, "responses": responses_events}
BODIES = {"messages": messages_body, "chat_completions": chat_body, "responses": responses_body}

Step = Answer | Callable[[Asked, Reply], Awaitable[None]]
"""What a provider does with a request: an answer, or whatever a function does."""


@define
class RoundsProvider:
    """Gives the rounds of an API, one for each request, and begins again with the last when they are over."""

    api: str
    steps: Sequence[Step]
    asked: list[Asked] = field(factory=list)

    async def __call__(self, asked: Asked, reply: Reply) -> None:
        """Answers a request; checks of keys are not counted."""
        if asked.method == "GET":
            await reply.whole(200, b'{"data":[]}', JSON)
            return
        self.asked.append(asked)
        step = self.steps[min(len(self.asked), len(self.steps)) - 1]
        if not isinstance(step, Answer):
            await step(asked, reply)
        elif orjson.loads(asked.body).get("stream"):
            await reply.head(200, STREAM)
            for event in EVENTS[self.api](step):
                await reply.chunk(event)
            await reply.end()
        else:
            await reply.whole(200, orjson.dumps(BODIES[self.api](step)), JSON)

    @property
    def requests(self) -> list[Any]:
        """The requests as JSON."""
        return [orjson.loads(asked.body) for asked in self.asked]


def refuses(status: int, body: dict[str, Any], headers: Sequence[tuple[str, str]] = ()) -> Step:
    """Answers with an error."""

    async def step(_asked: Asked, reply: Reply) -> None:
        await reply.whole(status, orjson.dumps(body), [*JSON, *headers])

    return step


def drops(api: str, answer: Answer) -> Step:
    """Breaks off in the middle of an answer."""

    async def step(asked: Asked, reply: Reply) -> None:
        if orjson.loads(asked.body).get("stream"):
            await reply.head(200, STREAM)
            events = EVENTS[api](answer)
            for event in events[: len(events) // 2]:
                await reply.chunk(event)
        else:
            body = orjson.dumps(BODIES[api](answer))
            await reply.head(200, JSON, length=len(body))
            await reply.raw(body[: len(body) // 2])
        raise Hang

    return step
