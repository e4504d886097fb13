"""Puts loads on a real `clearspan serve` that would take its memory or its time if it had no bounds.

Each load has a fresh bridge, and prints what it held: memory, the size of what it tells, and how long `/healthz` took
to answer meanwhile, asked for by a process of its own. Exit code 1 where one is beyond its bound. Delays are those of
a machine that does nothing else: load from elsewhere counts against the bridge.
"""

from __future__ import annotations

import argparse
import sys

import trio

from tests.faults.bounds.loads import LOADS, run_load


def main() -> int:
    """Exit code 0 when everything held, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loads", nargs="*", metavar="LOAD", help=f"which: {', '.join(LOADS)}; all where none is named")
    parser.add_argument("--size", type=float, default=1.0, help="a part of the whole load")
    options = parser.parse_args()
    held = True
    for name in options.loads or LOADS:
        if name not in LOADS:
            parser.error(f"there is no load {name!r}; there are {', '.join(LOADS)}")
        print(f"{name}: {LOADS[name].__doc__}", flush=True)
        for bound in trio.run(run_load, name, options.size):
            print(bound, flush=True)
            held = held and bound.holds
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
