"""Makes good bytes bad, in the ways in which parsers are known to go wrong."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

CONTROLS = [bytes([code]) for code in (*range(32), 127, 128, 133, 160, 255)]
ODD = [
    *CONTROLS,
    b"\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b"\r\r\n",
    b" ",
    b"\t",
    b"  ",
    b":",
    b";",
    b",",
    b"=",
    b'"',
    b"\\",
    b"%00",
    b"%0d%0a",
    b"..",
    b"//",
    b"0\r\n\r\n",
    b"ffffffffffffffff",
    b"-1",
    b"0x10",
    "é漢😀\u2028".encode(),
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\x1b]0;title\x07",
]
NUMBERS = [
    b"0", b"-1", b"+1", b"00", b"1e9", b"0x1f", b"1 1", b"1,1", b"65536", b"2147483648", b"4294967296",
    b"9223372036854775808", b"18446744073709551616", b"9" * 40, b"9" * 5000, b"NaN", "٣".encode(), b"",
]  # fmt: skip
_NUMBER = re.compile(rb"\d+")

Mutation = Callable[[bytes, random.Random], bytes]


def mutated(whole: bytes, chance: random.Random, others: Sequence[bytes] = (), most: int = 4) -> bytes:
    """The bytes after one to `most` mutations; `others` are what may be spliced in."""
    for _ in range(chance.choice([1, 1, 1, chance.randrange(1, most + 1)])):
        if others and chance.random() < 0.1:
            whole = _spliced(whole, chance.choice(others), chance)
        elif whole:
            whole = chance.choice(MUTATIONS)(whole, chance)
    return whole


def _spliced(whole: bytes, other: bytes, chance: random.Random) -> bytes:
    return whole[: chance.randrange(len(whole) + 1)] + other[chance.randrange(len(other) + 1) :]


def _flip_a_bit(whole: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(whole))
    return whole[:place] + bytes([whole[place] ^ 1 << chance.randrange(8)]) + whole[place + 1 :]


def _insert(whole: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(whole) + 1)
    return whole[:place] + chance.choice(ODD) + whole[place:]


def _replace(whole: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(whole))
    return whole[:place] + chance.choice(ODD) + whole[place + 1 :]


def _delete(whole: bytes, chance: random.Random) -> bytes:
    start, end = _span(whole, chance)
    return whole[:start] + whole[end:]


def _double(whole: bytes, chance: random.Random) -> bytes:
    start, end = _span(whole, chance)
    return whole[:end] + whole[start:end] * chance.choice([1, 1, 2, 50]) + whole[end:]


def _truncate(whole: bytes, chance: random.Random) -> bytes:
    return whole[: chance.randrange(len(whole) + 1)]


def _swell(whole: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(whole))
    return whole[:place] + whole[place : place + 1] * chance.choice([10, 300, 5000, 70_000]) + whole[place:]


def _double_a_line(whole: bytes, chance: random.Random) -> bytes:
    lines = whole.splitlines(keepends=True)
    place = chance.randrange(len(lines))
    lines[place:place] = [lines[place]] * chance.choice([1, 1, 2, 300])
    return b"".join(lines)


def _swap_lines(whole: bytes, chance: random.Random) -> bytes:
    lines = whole.splitlines(keepends=True)
    first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"".join(lines)


def _another_number(whole: bytes, chance: random.Random) -> bytes:
    found = list(_NUMBER.finditer(whole))
    if not found:
        return _insert(whole, chance)
    number = chance.choice(found)
    return whole[: number.start()] + chance.choice(NUMBERS) + whole[number.end() :]


def _other_line_ends(whole: bytes, chance: random.Random) -> bytes:
    return whole.replace(b"\r\n", chance.choice([b"\n", b"\r", b"\r\r\n", b"\n\r"]), chance.choice([1, 2, -1]))


def _other_case(whole: bytes, chance: random.Random) -> bytes:
    start, end = _span(whole, chance)
    return whole[:start] + whole[start:end].swapcase() + whole[end:]


def _span(whole: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(whole))
    return start, min(len(whole), start + chance.choice([1, 1, 2, 5, 20, 200]))


MUTATIONS: list[Mutation] = [
    _flip_a_bit,
    _flip_a_bit,
    _insert,
    _insert,
    _replace,
    _delete,
    _double,
    _truncate,
    _swell,
    _double_a_line,
    _swap_lines,
    _another_number,
    _another_number,
    _other_line_ends,
    _other_case,
]
