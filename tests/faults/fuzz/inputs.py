"""One input: bytes that are thrown at the bridge, and what is done after them. A file can keep it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
from attrs import Factory, frozen


@frozen
class Input:
    """Bytes in the pieces in which they are sent, and `ending`, what the sender does then; `facts` are its target's."""

    target: str
    pieces: tuple[bytes, ...]
    ending: str
    facts: dict[str, Any] = Factory(dict)

    @property
    def whole(self) -> bytes:
        """All its bytes."""
        return b"".join(self.pieces)


def chance_of(seed: int, target: str, number: int) -> random.Random:
    """What decides all of the input of that number."""
    return random.Random(f"{seed}:{target}:{number}")  # noqa: S311


def cut(whole: bytes, chance: random.Random, most: int = 4) -> tuple[bytes, ...]:
    """The bytes in at most so many pieces, cut anywhere."""
    cuts = sorted({chance.randrange(len(whole) + 1) for _ in range(chance.randrange(most))})
    edges = [0, *cuts, len(whole)]
    return tuple(whole[start:end] for start, end in pairwise(edges) if start < end)


def save(file: Path, inputs: Sequence[Input]) -> None:
    """Writes inputs, a JSON object a line; its bytes are the code points below 256 of a text."""
    lines = [
        orjson.dumps(
            {
                "target": thrown.target,
                "pieces": [piece.decode("latin-1") for piece in thrown.pieces],
                "ending": thrown.ending,
                "facts": thrown.facts,
            }
        )
        for thrown in inputs
    ]
    file.write_bytes(b"\n".join([*lines, b""]))


def load(file: Path) -> list[Input]:
    """The inputs of a file that `save` wrote."""
    rows = map(orjson.loads, file.read_bytes().splitlines())
    return [
        Input(row["target"], tuple(piece.encode("latin-1") for piece in row["pieces"]), row["ending"], row["facts"])
        for row in rows
    ]
