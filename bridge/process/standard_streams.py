"""Standard input, output and error, whichever of them this process was started without (`2>&-`, some supervisors).

A descriptor that is closed would be given to the next file that is opened, and whoever writes to standard error, such
as the interpreter itself, would write into the record. So it leads to /dev/null, also for what we start.
"""

from __future__ import annotations

import os
import sys


def complete() -> None:
    """Opens those that are missing. To be called before anything else is opened."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:  # something took a lower one meanwhile
                os.dup2(opened, descriptor)
                os.close(opened)
            os.set_inheritable(descriptor, True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
