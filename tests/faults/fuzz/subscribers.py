"""Bad lines on the event socket, half ones and huge ones, from many subscribers at once, some of which never read."""

from __future__ import annotations

import socket
import struct
from random import Random

import orjson
import trio

from bridge.events.vocabulary import EVENT_TYPES
from tests.faults.fuzz.arena import POOL_KEY, Arena, Target
from tests.faults.fuzz.bodies import LEAVES
from tests.faults.fuzz.inputs import Input, cut
from tests.faults.fuzz.mutation import mutated

LINES: list[dict[str, object]] = [
    {"n": 1, "command": "snapshot"},
    {"n": 2, "command": "filter", "types": ["interception.started"]},
    {"n": 3, "command": "filter", "types": sorted(EVENT_TYPES)},
    {"n": 4, "command": "cancel", "id": "f51b9f59-96f1-4c35-9fa1-73042721dc62"},
    {"n": 5, "command": "key.reset", "provider": "openai", "key": f"{POOL_KEY[:4]}...{POOL_KEY[-4:]}"},
    {"n": 6, "command": "key.enable", "provider": "openai", "key": f"{POOL_KEY[:4]}...{POOL_KEY[-4:]}"},
    {"n": 7, "command": "key.disable", "provider": "anthropic", "key": "sk-u...0000"},
]
ENDINGS = ["read"] * 6 + ["close"] * 4 + ["half-close"] * 2 + ["never"] * 2
READ_S = 0.05
NEVER_S = 0.5
"""How long one that never reads stays."""


def make(chance: Random) -> Input:
    """An input."""
    lines = [_line(chance) for _ in range(chance.choice([1, 1, 2, 5, 20]))]
    whole = chance.choice([b"\n", b"\n", b"\n", b"\r\n", b"\n\n", b""]).join([*lines, b""])
    if chance.random() < 0.3:
        whole = mutated(whole, chance, LEAVES)
    return Input("socket", cut(whole, chance), chance.choice(ENDINGS))


def _line(chance: Random) -> bytes:
    line = orjson.dumps(chance.choice(LINES))
    pick = chance.random()
    if pick < 0.3:
        return line
    if pick < 0.7:
        return mutated(line, chance, LEAVES)
    return chance.choice(
        [
            chance.choice(LEAVES),
            chance.randbytes(chance.randrange(300)),
            b"x" * chance.choice([4095, 4096, 4097, 300_000]),
            b"[" * chance.choice([100, 2000, 4000]),
            b'{"n":1,"command":' + chance.choice(LEAVES) + b"}",
            b'{"n":' + chance.choice(LEAVES) + b',"command":"snapshot"}',
            b'{"n":1,"command":"filter","types":' + chance.choice(LEAVES) + b"}",
        ]
    )


async def _throw(arena: Arena, number: int, thrown: Input) -> None:
    if number % 20 == 0:
        await arena.good()  # so that there is something to tell
    try:
        async with await trio.open_unix_socket(str(arena.bridge.socket)) as stream:
            await _say(stream, thrown)
    except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
        pass


async def _say(stream: trio.SocketStream, thrown: Input) -> None:
    with trio.move_on_after(NEVER_S):  # who does not read may not be read from
        for piece in thrown.pieces:
            await stream.send_all(piece)
            await trio.lowlevel.checkpoint()
        match thrown.ending:
            case "read":
                with trio.move_on_after(READ_S):
                    while await stream.receive_some(65536):
                        pass
            case "half-close":
                await stream.send_eof()
                while await stream.receive_some(65536):
                    pass
            case "never":
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                await trio.sleep(NEVER_S)
            case _:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


SOCKET = Target("socket", 7, make, _throw, calm="read", at_once=32)
