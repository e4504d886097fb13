"""When the garbage collector runs, in a process that answers requests for weeks.

Python looks through all that lives whenever enough of it is new. Here nearly all that lives is code that was loaded at
the start, and never becomes garbage: looking through it held up everybody for 50 to 100 ms, which made the slowest
hundredth of requests take three times as long as the median.
"""

from __future__ import annotations

import gc

import trio

THRESHOLDS = (10_000, 20, 20)
"""New objects that set off a look at the youngest, and how many of these a look at the next older ones: Python's own
700 are reached by every third request, most of whose objects live until its end and so are looked at in vain."""
LATER_S = 3.0
"""By then the price list is loaded, too."""


async def tend_garbage() -> None:
    """Takes what has been loaded out of the collector's sight: now, and what is loaded in the background later.

    The second time nothing is collected first: by then a thousand streams may be open, and to look through all that
    they hold takes 300 ms.
    """
    gc.set_threshold(*THRESHOLDS)
    gc.collect()
    gc.freeze()
    await trio.sleep(LATER_S)
    gc.freeze()
