"""The collector of garbage while a program starts: what it loads stays, so to look through it again and again is waste.

Python looks through all that is young whenever 700 more objects were made, and through everything now and then; loading
the bridge makes a hundred thousand, and the looking took a sixth of the start.
"""

from __future__ import annotations

import gc

WHILE_LOADING = 250_000
"""Young objects before the collector looks. Loading ends before that, and a short command leaves less behind."""

_usual: tuple[int, int, int] | None = None


def spare_loading() -> None:
    """From now on it looks rarely."""
    global _usual  # noqa: PLW0603  the collector is the process's own too
    _usual = gc.get_threshold()
    gc.set_threshold(WHILE_LOADING)


def end_of_loading() -> None:
    """From now on it looks as usual, but not at what was loaded. Does nothing in a program that was not spared."""
    global _usual  # noqa: PLW0603  as above
    if _usual is not None:
        gc.freeze()
        gc.set_threshold(*_usual)
        _usual = None
