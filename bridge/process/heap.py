"""How the C library keeps memory.

glibc gives each thread a heap of its own, up to eight for each core. Threads come and go here, for the record and for
whatever would hold the loop up, and each heap fills up to the most that was ever needed in it: a bridge under steady
load took 9 MiB an hour more for as long as somebody looked, with the same number of objects. With one heap it stays
where it is after some minutes, 5 MiB lower. Threads hardly ever wait for each other over it, since one at a time has
the interpreter.
"""

from __future__ import annotations

import sys

M_ARENA_MAX = -8
"""mallopt(3)"""


def keep_one() -> None:
    """Lets threads share one heap from now on, where the C library is glibc."""
    if sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415  # takes some milliseconds, which no start should wait for

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
