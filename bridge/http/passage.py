"""Proves that bytes which came in on one side went out on the other, by SHA-256 of both.

Each side says what it saw at its outermost point: the engine's parts of a request, and what is given to the stream
upstream; a response's bytes once they are free of chunks, and what is given to the engine. While what goes out is the
very object that came in, which can't have changed since `bytes` never do, one digest stands for both.
"""

from __future__ import annotations

from hashlib import sha256


class Passage:
    """The bytes of one body, in one direction."""

    __slots__ = ("_came", "_due", "_went", "_whole", "bytes_in", "handed_on")

    def __init__(self) -> None:
        self.bytes_in = 0
        self.handed_on = False
        """Whether all that should go out has."""
        self._came = sha256(usedforsecurity=False)
        self._went = self._came  # itself as long as both sides see the same objects in the same order
        self._due: bytes | None = None  # came, and did not go yet; in neither digest
        self._whole: bytes | None = None

    def came(self, part: bytes) -> None:
        """The next bytes came in."""
        self.bytes_in += len(part)
        if self._went is self._came:
            if self._due is None:
                self._due = part
                return
            self._part_ways()
        self._came.update(part)

    def came_whole(self, body: bytes) -> None:
        """`body` is all that came, put together: where it goes out as it is, it need not be looked at again."""
        self._whole = body

    def let_go(self) -> None:
        """It will not go out again: nothing of it need be held any longer, and it may be long."""
        self._whole = None

    def went(self, part: bytes) -> None:
        """The next bytes are given away."""
        if self._went is self._came:
            if part is self._due:
                self._came.update(part)
                self._due = None
                return
            self._part_ways()
        if part is self._whole:
            self._went = self._came.copy()
        else:
            self._went.update(part)

    def begin(self) -> None:
        """What went out before counts no more: all of it is sent from the beginning, maybe again."""
        self._part_ways()
        self._went = sha256(usedforsecurity=False)
        self.handed_on = False

    @property
    def equal(self) -> bool | None:
        """Whether what went out is what came in; None where nothing came."""
        if not self.bytes_in:
            return None
        if self._went is self._came:
            return self._due is None
        return self._came.digest() == self._went.digest()

    def _part_ways(self) -> None:
        """From now on each side has a digest of its own."""
        if self._went is not self._came:
            return
        self._went = self._came.copy()
        if self._due is not None:
            self._came.update(self._due)
            self._due = None
