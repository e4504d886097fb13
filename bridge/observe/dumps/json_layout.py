"""JSON laid out for reading: two blanks a level, and every key, number and string as it was written.

Parsing and writing it again would change them: 1.0e3 is another text than 1000.0, and of a key that stands twice one
would be lost. So only the blanks between the tokens change.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from bridge.limits import KIB, LIMITS

TOKEN = re.compile(
    rb"[ \t\n\r]*+(?:"
    rb'("[^"\\\x00-\x1f]*+(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*+)*+")'
    # NaN and its kin are for the provider to judge (docs/behaviour.md, Relay).
    rb"|(-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?(?![0-9.eE])|true|false|null|NaN|-?Infinity)"
    rb"|(,)|(:)|(\[)|(\{)|(\])|(\})"
    rb"|([^ \t\n\r])"  # what is no token, so that nothing is passed over
    rb")"
)


# Plain numbers, since they are compared for every token: members of an enumeration would take twice the time.

STRING, WORD, COMMA, COLON, ARRAY, OBJECT, ARRAY_ENDS, OBJECT_ENDS = range(1, 9)
"""What a token is: the group of TOKEN that it is found by."""

A_VALUE, FIRST_VALUE, A_KEY, FIRST_KEY, A_COLON, MORE_VALUES, MORE_KEYS, NOTHING, AS_AROUND = range(9)
"""What may come next. Where the first of them may come, so may the end; where there may be more, a comma or the end;
AS_AROUND stands behind a whole value."""

ALONE, LINE_BEFORE, LINE_AFTER, BLANK_AFTER = range(4)
"""What stands around a token."""

_VALUES = {STRING: AS_AROUND, WORD: AS_AROUND, ARRAY: FIRST_VALUE, OBJECT: FIRST_KEY}
STEPS: dict[tuple[int, int], tuple[int, int]] = {
    **{(A_VALUE, kind): (ALONE, then) for kind, then in _VALUES.items()},
    **{(FIRST_VALUE, kind): (LINE_BEFORE, then) for kind, then in _VALUES.items()},
    (FIRST_VALUE, ARRAY_ENDS): (ALONE, AS_AROUND),
    (A_KEY, STRING): (ALONE, A_COLON),
    (FIRST_KEY, STRING): (LINE_BEFORE, A_COLON),
    (FIRST_KEY, OBJECT_ENDS): (ALONE, AS_AROUND),
    (A_COLON, COLON): (BLANK_AFTER, A_VALUE),
    (MORE_VALUES, COMMA): (LINE_AFTER, A_VALUE),
    (MORE_VALUES, ARRAY_ENDS): (LINE_BEFORE, AS_AROUND),
    (MORE_KEYS, COMMA): (LINE_AFTER, A_KEY),
    (MORE_KEYS, OBJECT_ENDS): (LINE_BEFORE, AS_AROUND),
}
"""JSON's grammar: what a token does where it stands, by what may come there. What is not here can't stand there."""

INSIDE = {ARRAY: MORE_VALUES, OBJECT: MORE_KEYS}
DEEPEST = 256
"""Levels; what is deeper is no request, and would be mostly blanks."""
LINES = [b"\n" + b"  " * level for level in range(DEEPEST + 1)]
GROWTH = 4
"""What is laid out takes at most so many times the room."""
AT_ONE_GO = 1000
"""Tokens before others get a turn: well under a millisecond."""


def laid_out(body: bytes, pause: Callable[[], None]) -> bytes | None:
    """The same JSON on indented lines with a newline at its end; None where it is none, or no layout helps it.

    `pause` is called now and then, so that a large body does not keep the interpreter to itself.
    """
    if len(body) > LIMITS.read_request_bytes:
        return None
    room = GROWTH * len(body) + 64 * KIB
    pieces: list[bytes] = []
    around = [NOTHING]
    expected = A_VALUE
    for count, found in enumerate(TOKEN.finditer(body), 1):
        kind = found.lastindex or 0
        step = STEPS.get((expected, kind))
        if step is None or room < 0 or len(around) > DEEPEST:
            return None
        blank, expected = step
        if kind >= ARRAY_ENDS:
            around.pop()
        piece = found[kind]
        if blank:
            piece = _with_blank(piece, blank, LINES[len(around) - 1])
        if kind in INSIDE:
            around.append(INSIDE[kind])
        if expected == AS_AROUND:
            expected = around[-1]
        pieces.append(piece)
        room -= len(piece)
        if count % AT_ONE_GO == 0:
            pause()
    return b"".join([*pieces, b"\n"]) if expected == NOTHING and room >= 0 else None


def _with_blank(token: bytes, blank: int, line: bytes) -> bytes:
    if blank == LINE_BEFORE:
        return line + token
    return token + (line if blank == LINE_AFTER else b" ")
