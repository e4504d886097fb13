"""What answers under way hold together has a bound, and what one of them costs to read has, too."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from bridge.apis.chat_completions.api import ChatCompletions
from bridge.apis.messages.api import Messages
from bridge.apis.protocol import Api, Reader
from bridge.apis.responses.api import Responses
from bridge.events.vocabulary import ThoughtRecorded, ToolCalled
from bridge.limits import HELD, LIMITS, MIB, Budget, Share
from tests.apis.wire import FACTS, ID, chunk, named, of, read, read_body

APIS: list[Api] = [Responses(), ChatCompletions(), Messages()]
PIECE = b"x" * 64 * 1024


@pytest.fixture(autouse=True)
def _all_is_given_back() -> Iterator[None]:
    assert HELD.used == 0
    yield
    assert HELD.used == 0


def stream(api: Api) -> Reader:
    return api.stream_reader(ID, FACTS, lambda _type: True)


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
def test_many_streams_inside_a_large_event_share_one_budget(api: Api) -> None:
    readers = [stream(api) for _ in range(40)]
    for reader in readers:
        reader.feed(b'data: {"a":"')
    for _ in range(7 * MIB // len(PIECE)):
        for reader in readers:
            reader.feed(PIECE)
            assert HELD.used <= LIMITS.held_events_bytes
    for reader in readers:
        reader.feed(b'"}\n\n')
    given_up = [reader for reader in readers if reader.dropped]
    assert len(readers) - len(given_up) <= LIMITS.held_events_bytes // (7 * MIB)
    assert HELD.used == 0  # without the end of any stream
    for reader in given_up:  # what comes after is read again
        reader.feed(b'data: {"a":"' + PIECE + b'"}\n\n')
        assert reader.dropped == 1
    for reader in readers:
        reader.finish()


def test_the_same_stream_is_read_where_there_is_room() -> None:
    reader = stream(Responses())
    for piece in (b'data: {"a":"', *[PIECE] * 100, b'"}\n\n'):
        reader.feed(piece)
    assert (reader.dropped, reader.events_read) == (0, 1)
    reader.finish()


def test_a_stream_that_ends_inside_an_event_gives_back_what_it_held() -> None:
    reader = stream(Messages())
    reader.feed(b"data: " + PIECE * 20)
    assert HELD.used > MIB
    reader.finish()
    assert HELD.used == 0
    assert reader.feed(PIECE * 20) == []


def test_thoughts_and_arguments_that_grow_count_too() -> None:
    text = "x" * 60_000
    thinking = chunk(id="r", choices=[{"index": 0, "delta": {"reasoning_content": text}}])
    calling = named("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": text})
    thinkers, callers = [stream(ChatCompletions()) for _ in range(10)], [stream(Messages()) for _ in range(10)]
    for reader in callers:
        reader.feed(named("content_block_start", index=0, content_block={"type": "tool_use", "id": "c", "name": "f"}))
    for _ in range(100):
        for reader, piece in [*((each, thinking) for each in thinkers), *((each, calling) for each in callers)]:
            reader.feed(piece)
            assert HELD.used <= LIMITS.held_events_bytes
    assert HELD.used > LIMITS.held_events_bytes - MIB
    assert all(len(of(reader.finish(), ThoughtRecorded)) == 1 for reader in thinkers)
    for reader in callers:
        (call,) = of(reader.feed(named("content_block_stop", index=0)), ToolCalled)
        assert str(call.arguments).strip("x") == ""
        reader.finish()


def test_bodies_count_too() -> None:
    readers = [api.body_reader(ID, FACTS, lambda _type: True) for api in APIS for _ in range(3)]
    for _ in range(10 * MIB // len(PIECE)):
        for reader in readers:
            reader.feed(PIECE)
            assert HELD.used <= LIMITS.held_events_bytes
    for reader in readers:
        reader.finish()
        assert reader.dropped >= 1


def bracket_event(count: int) -> bytes:
    return (
        b'event: response.output_item.done\ndata: {"type":"response.output_item.done","a":['
        + b"[]," * count
        + b"1]}\n\n"
    )


def test_an_event_of_too_many_brackets_is_dropped() -> None:
    done = named("response.completed", response={"id": "r", "output": [], "usage": {"input_tokens": 1}})
    _, reader = read(Responses(), [bracket_event(LIMITS.read_event_marks // 3 + 1), done])
    assert (reader.dropped, reader.complete) == (1, True)
    _, reader = read(Responses(), [bracket_event(LIMITS.read_event_marks // 3 - 100), done])
    assert (reader.dropped, reader.complete) == (0, True)


@pytest.mark.parametrize("values", [10, LIMITS.argument_values + 10])
def test_arguments_of_many_values_are_told_as_a_text(values: int) -> None:
    arguments = {"a": [1] * values}
    text = orjson.dumps(arguments).decode()
    item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": text}
    events, _ = read(Responses(), [named("response.output_item.done", item=item, output_index=0)])
    (call,) = of(events, ToolCalled)
    assert call.arguments == (arguments if values == 10 else text)
    block = {"type": "tool_use", "id": "c", "name": "f", "input": arguments}
    events, _ = read_body(Messages(), {"id": "m", "type": "message", "role": "assistant", "content": [block]})
    (call,) = of(events, ToolCalled)
    assert call.arguments == (arguments if values == 10 else text)


def test_a_share_is_never_more_than_it_took() -> None:
    budget = Budget(100)
    first, second = Share(budget), Share(budget)
    assert first.grow(LIMITS.free_bytes)
    assert budget.used == 0
    assert first.grow(80)
    assert not second.grow(LIMITS.free_bytes + 30)
    assert second.grow(LIMITS.free_bytes + 20)
    assert budget.used == 100
    first.shrink(90)
    assert budget.used == 20
    second.close()
    second.shrink(1000)
    assert not second.grow(1)
    first.close()
    assert budget.used == 0
