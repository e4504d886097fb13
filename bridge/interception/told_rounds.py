"""What the rounds of a request with injected tools tell of themselves, as if they were one answer.

Each round has a reader of its own. Its thoughts are numbered on from those of the rounds before. Of an injected call
the reader knows only that the model made it; it is told when it has run, by its own name, with its server and with what
went wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import evolve

from bridge.apis.conversation import brought
from bridge.apis.injection import InjectedCall, InjectedTool, ToolResult
from bridge.apis.json_text import passed_on
from bridge.apis.protocol import Reader
from bridge.apis.tool_calls import parsed_arguments
from bridge.events.vocabulary import Event, ThoughtDelta, ThoughtRecorded, ThoughtWithheld, ToolCalled
from bridge.interception.lifecycle import Reporter
from bridge.observe.logs import Redactor, logger

log = logger("tools")

CANCELLED = "cancelled: the request ended before the tool did"
ERROR_CHARACTERS = 300
"""Of what a tool says went wrong."""


class ToldRounds:
    """Tells the hub of each round, by way of the reporter."""

    def __init__(self, reporter: Reporter, tools: Mapping[str, InjectedTool]) -> None:
        self._reporter = reporter
        self._tools = tools
        self._first_thought = 0
        self._next_thought = 0
        self._called: list[ToolCalled] = []
        """Injected calls that a reader told and that have not been run."""

    def read(self, reader: Reader, chunk: bytes) -> None:
        """A part of the round's answer, which the client has by now. Never raises."""
        self._take(reader, chunk)

    def end(self, reader: Reader) -> None:
        """The round's answer is over, for whatever reason. Never raises."""
        self._take(reader, None)
        self._first_thought = self._next_thought

    def called(self, call: InjectedCall, result: ToolResult | None) -> None:
        """A call has run; without a result where it was cancelled."""
        told = next((event for event in self._called if event.tool_call_id == call.call_id), None)
        if told is None:
            arguments = passed_on(parsed_arguments(call.arguments))
            told = ToolCalled(self._reporter.id, None, call.call_id, call.tool.id, arguments)
        else:
            self._called.remove(told)
        self._tell(told, call.tool, CANCELLED if result is None else _error(result, self._reporter.secrets))
        if result is not None:
            self._reporter.results(brought([(call.call_id, _text(result), result.is_error)]))

    def calls_not_run(self, why: str) -> None:
        """There is no further round: the calls that are left are told as they are."""
        called, self._called = self._called, []
        for event in called:
            self._tell(event, self._tools[event.tool], why)

    def _tell(self, event: ToolCalled, tool: InjectedTool, error: str | None) -> None:
        self._reporter.tell(evolve(event, tool=tool.name, injected=True, server_url=tool.server_url, error=error))

    def _take(self, reader: Reader, chunk: bytes | None) -> None:
        try:
            events = reader.finish() if chunk is None else reader.feed(chunk)
            self._reporter.read(self._as_one_answer(events), reader.usage, token_seen=reader.token_seen)
        except Exception:  # a boundary: reading is for the owner's eyes and must never harm the relay
            log.exception("an answer could not be read", interception=self._reporter.id)

    def _as_one_answer(self, events: Iterable[Event]) -> Iterator[Event]:
        for event in events:
            match event:
                case ToolCalled() if event.tool in self._tools:
                    self._called.append(event)
                case ThoughtDelta() | ThoughtRecorded() | ThoughtWithheld():
                    index = event.index + self._first_thought
                    self._next_thought = max(self._next_thought, index + 1)
                    yield evolve(event, index=index)
                case _:
                    yield event


def _error(result: ToolResult, secrets: Redactor) -> str | None:
    """What went wrong, in few words; None where nothing did."""
    if not result.is_error:
        return None
    clean = secrets.redact(_text(result) or "the tool says that it failed")
    return clean[:ERROR_CHARACTERS]  # not before: half a secret is not known


def _text(result: ToolResult) -> str:
    """What it says in words."""
    return result.error or "" if result.result is None else _texts(result.result.get("content"))


def _texts(content: Any) -> str:
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))
