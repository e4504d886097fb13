"""Answers of OpenAI Responses as it streams them, each one a stream that the API reference allows."""

from __future__ import annotations

from typing import Any

import orjson

from tests.apis.wire import named

RESPONSE_ID = "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b"
USAGE = {
    "input_tokens": 75,
    "input_tokens_details": {"cached_tokens": 50},
    "output_tokens": 1186,
    "output_tokens_details": {"reasoning_tokens": 1024},
    "total_tokens": 1261,
}


class Stream:
    """Writes a stream event by event, numbering as the API does."""

    def __init__(self, response_id: str = RESPONSE_ID) -> None:
        self.response_id = response_id
        self.output: list[dict[str, Any]] = []
        self.events: list[bytes] = []
        self.event("response.created", response=self.response("in_progress"))
        self.event("response.in_progress", response=self.response("in_progress"))

    def event(self, kind: str, **data: Any) -> None:
        self.events.append(named(kind, sequence_number=len(self.events), **data))

    def response(self, status: str, **more: Any) -> dict[str, Any]:
        return {
            "id": self.response_id,
            "object": "response",
            "status": status,
            "error": None,
            "model": "gpt-5.3-codex",
            "output": list(self.output) if status != "in_progress" else [],
            "usage": None,
            **more,
        }

    def added(self, item: dict[str, Any]) -> None:
        self.event("response.output_item.added", output_index=len(self.output), item=item)

    def done(self, item: dict[str, Any]) -> None:
        self.event("response.output_item.done", output_index=len(self.output), item=item)
        self.output.append(item)

    def reasoning(self, item_id: str, *summaries: str, encrypted: str | None = None) -> None:
        item: dict[str, Any] = {"id": item_id, "type": "reasoning", "summary": [], "encrypted_content": encrypted}
        at = {"item_id": item_id, "output_index": len(self.output)}
        self.added(item)
        for number, text in enumerate(summaries):
            part = {"type": "summary_text", "text": ""}
            self.event("response.reasoning_summary_part.added", **at, summary_index=number, part=part)
            for delta in words(text):
                self.event("response.reasoning_summary_text.delta", **at, summary_index=number, delta=delta)
            self.event("response.reasoning_summary_text.done", **at, summary_index=number, text=text)
            part = {"type": "summary_text", "text": text}
            self.event("response.reasoning_summary_part.done", **at, summary_index=number, part=part)
        self.done({**item, "summary": [{"type": "summary_text", "text": text} for text in summaries]})

    def message(self, item_id: str, *texts: str, phase: str | None = None, late_phase: bool = False) -> None:
        item: dict[str, Any] = {"id": item_id, "type": "message", "role": "assistant", "content": []}
        at = {"item_id": item_id, "output_index": len(self.output)}
        spoken = {"phase": phase} if phase else {}
        self.added({**item, "status": "in_progress", **({} if late_phase else spoken)})
        for number, text in enumerate(texts):
            part = {"type": "output_text", "text": "", "annotations": []}
            self.event("response.content_part.added", **at, content_index=number, part=part)
            for delta in words(text):
                self.event("response.output_text.delta", **at, content_index=number, delta=delta, logprobs=[])
            self.event("response.output_text.done", **at, content_index=number, text=text, logprobs=[])
            self.event("response.content_part.done", **at, content_index=number, part={**part, "text": text})
        content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
        self.done({**item, "status": "completed", "content": content, **spoken})

    def function_call(self, item_id: str, call_id: str, name: str, arguments: str) -> None:
        item = {"id": item_id, "type": "function_call", "call_id": call_id, "name": name}
        at = {"item_id": item_id, "output_index": len(self.output)}
        self.added({**item, "arguments": "", "status": "in_progress"})
        for delta in words(arguments):
            self.event("response.function_call_arguments.delta", **at, delta=delta)
        self.event("response.function_call_arguments.done", **at, arguments=arguments)
        self.done({**item, "arguments": arguments, "status": "completed"})

    def item(self, **item: Any) -> None:
        self.added({**item, "status": "in_progress"})
        self.done({**item, "status": "completed"})

    def end(self, status: str = "completed", *, usage: Any = USAGE, **more: Any) -> None:
        self.event(f"response.{status}", response=self.response(status, usage=usage, **more))

    @property
    def bytes(self) -> bytes:
        return b"".join(self.events)


def words(text: str) -> list[str]:
    """The text in pieces as a model streams it."""
    parts = text.split(" ")
    return [part + " " for part in parts[:-1]] + parts[-1:]


def plain() -> Stream:
    stream = Stream()
    stream.message("msg_1", "There are two files here: é漢😀.")
    stream.end()
    return stream


def rich() -> Stream:
    """Everything an agent's turn can hold."""
    stream = Stream()
    stream.reasoning("rs_1", "**Looking** for files", "", "**Choosing** a tool")
    stream.message("msg_1", "I will look at the files.", "Then I read one.", phase="commentary")
    stream.reasoning("rs_2", encrypted="gAAAAABo" * 4)
    stream.function_call("fc_1", "call_1", "exec_command", '{"cmd": ["ls", "-l"]}')
    stream.function_call("fc_2", "call_2", "read", "not json")
    stream.reasoning("rs_3")
    stream.message("msg_2", "Two files.", "No more.", phase="final_answer")
    stream.end()
    return stream


def unnamed(whole: bytes) -> bytes:
    """The same stream without `event:` lines."""
    return b"".join(line + b"\n" for line in whole.split(b"\n")[:-1] if not line.startswith(b"event:"))


def spaced(whole: bytes) -> bytes:
    """The same stream without `event:` lines, its JSON with the type last and spaces all over."""
    lines = []
    for line in unnamed(whole).split(b"\n"):
        if line.startswith(b"data: "):
            data = orjson.loads(line[6:])
            kind = data.pop("type")
            lines.append(b"data: " + orjson.dumps({**data, "type": kind}).replace(b'"type":', b'"type" : '))
        else:
            lines.append(line)
    return b"\n".join(lines)
