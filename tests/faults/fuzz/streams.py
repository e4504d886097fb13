"""Random SSE of all three APIs: real streams, mutated, cut anywhere. What the client gets must be what was sent."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.apis import chat_streams, messages_streams, responses_streams
from tests.faults.fuzz.arena import Arena, Target, request
from tests.faults.fuzz.bodies import LEAVES
from tests.faults.fuzz.inputs import Input, cut
from tests.faults.fuzz.mutation import mutated
from tests.faults.fuzz.recording import INPUT_HEADER
from tests.faults.fuzz.responses import read_response
from tests.faults.fuzz.sending import until_closed

STREAMS: dict[str, list[list[bytes]]] = {
    "/openai/v1/responses": [responses_streams.plain().events, responses_streams.rich().events],
    "/openai/v1/chat/completions": [chat_streams.plain(), chat_streams.rich()],
    "/anthropic/v1/messages": [messages_streams.plain(), messages_streams.rich()],
}
BODY = b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"input":"x","messages":[]}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def make(chance: Random) -> Input:
    """An input."""
    path = chance.choice(list(STREAMS))
    events = list(chance.choice(STREAMS[path]))
    for _ in range(chance.choice([0, 0, 1, 2, 5])):
        if events:
            chance.choice(CHANGES)(events, chance)
    whole = b"".join(events)
    if chance.random() < 0.5:
        whole = mutated(whole, chance, LEAVES)
    if chance.random() < 0.1:
        whole = whole.replace(b"\n", chance.choice([b"\r\n", b"\r"]))
    return Input("sse", cut(whole, chance, 12), "keep", {"path": path, "pool": chance.random() < 0.3})


def _drop(events: list[bytes], chance: Random) -> None:
    place = chance.randrange(len(events))
    events[place : place + chance.choice([1, 3])] = []


def _swap(events: list[bytes], chance: Random) -> None:
    first, second = chance.randrange(len(events)), chance.randrange(len(events))
    events[first], events[second] = events[second], events[first]


def _repeat(events: list[bytes], chance: Random) -> None:
    place = chance.randrange(len(events))
    events[place:place] = [events[place]] * chance.choice([1, 2, 40])


def _of_another_api(events: list[bytes], chance: Random) -> None:
    events.insert(chance.randrange(len(events)), chance.choice(chance.choice(STREAMS[chance.choice(list(STREAMS))])))


def _other_value(events: list[bytes], chance: Random) -> None:
    """Another value in the place of any of the JSON's."""
    place = chance.randrange(len(events))
    name, colon, rest = events[place].partition(b'":')
    for _ in range(chance.randrange(6)):
        more, colon_after, after = rest.partition(b'":')
        if not colon_after:
            break
        name, colon, rest = name + colon + more, colon_after, after
    events[place] = name + colon + chance.choice(LEAVES) + rest[rest.find(b",") :] if b"," in rest else name + colon


CHANGES: list[Callable[[list[bytes], Random], None]] = [_drop, _swap, _repeat, _of_another_api, _other_value]


async def _throw(arena: Arena, number: int, thrown: Input) -> None:
    chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in thrown.pieces]
    arena.provider.answers[number] = Input("sse", (HEAD, *chunks, b"0\r\n\r\n"), "keep")
    path = thrown.facts["path"].encode()
    arena.allowed[b"POST", path[path.index(b"/", 1) :], BODY] += 1
    said = request(path, BODY, b"%s: %d\r\n" % (INPUT_HEADER, number))
    if thrown.facts["pool"]:
        said = said.replace(b"Authorization", b"X-Other")
    came = await until_closed(arena.bridge.port, said)
    if came is None:
        arena.wrong.append("a client was left waiting")
        return
    statuses = arena.count(came)
    if thrown.facts["pool"] and statuses == [b"429"]:
        return  # an error at the beginning rested the key, and the next request came before it was given back
    if read_response(came) != (200, thrown.whole, True):
        arena.wrong.append(f"a stream was changed: {came[:300]!r}")


SSE = Target("sse", 15, make, _throw, calm="keep")
