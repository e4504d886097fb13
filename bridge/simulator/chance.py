"""Everything random about one answer, drawn from a seed: ids, where the tokens end, how long each takes.

The same seed and the same calls in the same order give the same results on every platform and Python.
"""

from __future__ import annotations

import random
import re
import string

_ALPHANUMERIC = string.ascii_letters + string.digits
_WORD = re.compile(r"\s*\S+|\s+")


class Chance:
    """One stream of random draws. `name` tells streams of the same seed apart."""

    def __init__(self, seed: int, name: str) -> None:
        self._random = random.Random(f"{seed}/{name}")  # noqa: S311 - repeatable is the point, secret it is not

    def hex(self, length: int) -> str:
        """`length` hexadecimal digits."""
        return f"{self._random.getrandbits(4 * length):0{length}x}"

    def alphanumeric(self, length: int) -> str:
        """`length` letters and digits."""
        return "".join(self._random.choices(_ALPHANUMERIC, k=length))

    def between(self, low: float, high: float) -> float:
        """A number from `low` to `high`, all alike."""
        return low + (high - low) * self._random.random()

    def pieces(self, text: str, *, cut: bool) -> list[str]:
        """The text in the pieces of its deltas: a word or two each, or about as much of a long one.

        `cut` leaves the last part of it away, as when the model is stopped.
        """
        short = [part for word in _WORD.findall(text) for part in self._short(word)]
        pieces = []
        while short:
            count = self._random.randint(1, 2)
            pieces.append("".join(short[:count]))
            del short[:count]
        return pieces[: max(1, len(pieces) * 3 // 5)] if cut else pieces

    def _short(self, word: str) -> list[str]:
        size = self._random.randint(8, 14)
        return [word[start : start + size] for start in range(0, len(word), size)]
