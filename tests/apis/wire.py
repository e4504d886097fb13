"""Streams and bodies as the providers write them, and the events they become, for the tests beside this file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import orjson
from hypothesis import strategies as st

from bridge.apis.protocol import Api, Reader, RequestFacts
from bridge.events.vocabulary import AnswerDelta, Event, ModelServed, ThoughtDelta

E = TypeVar("E", bound=Event)

ID = "11111111-2222-4333-8444-555555555555"
FACTS = RequestFacts(model="m", streaming=True, prompt="list files")


def named(kind: str, **data: Any) -> bytes:
    """An event as OpenAI's Responses and Anthropic write it: its name twice."""
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps({"type": kind, **data}) + b"\n\n"


def chunk(**data: Any) -> bytes:
    """An event without a name, as Chat Completions writes it."""
    return b"data: " + orjson.dumps(data) + b"\n\n"


def read(
    api: Api, pieces: Iterable[bytes], *, listening: bool = True, facts: RequestFacts = FACTS
) -> tuple[list[Event], Reader]:
    """All events of a stream fed piece by piece, and the reader after its end; what served it is looked at apart."""
    reader = api.stream_reader(ID, facts, lambda _type: listening)
    events = [event for piece in pieces for event in reader.feed(piece)]
    return without_served(events + reader.finish()), reader


def without_served(events: Sequence[Event]) -> list[Event]:
    """The events that differ from answer to answer."""
    return [event for event in events if not isinstance(event, ModelServed)]


def read_body(api: Api, body: bytes | dict[str, Any], *, facts: RequestFacts = FACTS) -> tuple[list[Event], Reader]:
    """The events of a body."""
    reader = api.body_reader(ID, facts, lambda _type: True)
    early = reader.feed(body if isinstance(body, bytes) else orjson.dumps(body))
    assert early == []
    return without_served(reader.finish()), reader


def merged(events: Sequence[Event]) -> tuple[list[Event], dict[int | None, str]]:
    """The events without deltas, and the deltas joined by what they are of (None for the answer)."""
    texts: dict[int | None, str] = {}
    others: list[Event] = []
    for event in events:
        match event:
            case ThoughtDelta(index=index, text=text):
                texts[index] = texts.get(index, "") + text
            case AnswerDelta(text=text):
                texts[None] = texts.get(None, "") + text
            case _:
                others.append(event)
    return others, texts


def of(events: Sequence[Event], kind: type[E]) -> list[E]:
    """The events of one type."""
    return [event for event in events if isinstance(event, kind)]


@st.composite
def split(draw: st.DrawFn, whole: bytes) -> list[bytes]:
    """The bytes in pieces, cut anywhere."""
    cuts = sorted(draw(st.sets(st.integers(0, len(whole)), max_size=40)))
    edges = [0, *cuts, len(whole)]
    return [whole[start:end] for start, end in pairwise(edges)]


def bytewise(whole: bytes) -> list[bytes]:
    """The bytes one by one."""
    return [whole[at : at + 1] for at in range(len(whole))]
