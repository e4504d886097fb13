"""A stream before it is sent: its events as bytes, where in it something happens, and when each event is due."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from attrs import field
from attrs.validators import ge, gt

from bridge.simulator.answers import Mishap, StreamPlace
from bridge.simulator.chance import Chance
from bridge.value_classes import frozen


@frozen
class StreamEvent:
    """One server-sent event. A `token` event takes the time that the model needs for it."""

    name: str
    data: bytes
    token: bool = False


@frozen
class Pace:
    """How fast the simulated model is: seconds to its first token, and deltas a second from there."""

    first_token: float = field(default=0.4, validator=ge(0))
    tokens_per_second: float = field(default=48.0, validator=gt(0))


def named_event(name: str, body: dict[str, Any], *, token: bool = False) -> StreamEvent:
    """An event with an `event:` line, as Responses and Messages send."""
    return StreamEvent(name, b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(body)), token)


def bare_event(body: dict[str, Any], *, token: bool = False) -> StreamEvent:
    """An event of `data:` alone, as Chat Completions sends."""
    return StreamEvent("", b"data: %b\n\n" % orjson.dumps(body), token)


def find(names: Sequence[str], place: StreamPlace, opening: int) -> int:
    """How many of these events come before the place; `opening` is with how many the API's streams open."""
    if place == "opening":
        return min(opening, len(names))
    if isinstance(place, int):
        return min(place, len(names))
    if place is not None and place in names:
        return names.index(place)
    return len(names) // 2


def pauses(events: Sequence[StreamEvent], mishap: Mishap, pace: Pace, chance: Chance, opening: int) -> list[float]:
    """The seconds to wait before each event; `opening` as for `find`."""
    rate = mishap.slow or pace.tokens_per_second
    waits = [chance.between(0.5, 1.5) / rate if event.token else 0.0 for event in events]
    first = next((index for index, event in enumerate(events) if event.token), len(events) - 1)
    waits[first] += pace.first_token * chance.between(0.7, 1.3)
    if mishap.silence is not None:
        place = find([event.name for event in events], mishap.silence.at, opening)
        waits[min(place, len(waits) - 1)] += mishap.silence.seconds
    return waits
