"""BoundedLines out of bytes, none longer than a limit: of a longer one, its beginning."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.limits import KIB
from bridge.value_classes import frozen


@frozen
class TooLong:
    """A line beyond the limit, of which no more was kept than this."""

    beginning: bytes


class BoundedLines:
    """Puts lines together as they come in pieces."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._coming = bytearray()
        self._dropping = False

    def feed(self, chunk: bytes) -> Iterator[bytes | TooLong]:
        """The lines that end in this chunk, without their ends; one that is too long as soon as that is known."""
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            yield from self._add(piece)
            if not self._dropping:
                yield bytes(self._coming).removesuffix(b"\r")
            self._coming.clear()
            self._dropping = False
        yield from self._add(rest)

    def _add(self, piece: bytes) -> Iterator[TooLong]:
        if self._dropping:
            return
        self._coming += piece
        if len(self._coming) > self._limit:
            yield TooLong(bytes(self._coming[: min(self._limit, KIB)]))
            self._coming.clear()
            self._dropping = True
