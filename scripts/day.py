"""Plays a made-up day and compares what the monitor says at its end with what the record does.

Twelve agents, three of them with agents under them, ask eight simulated providers with fifty keys, through a real
bridge that is killed once and stopped once: keys cool, die and run out; models are served that nobody asked for; there
is a compaction, a thought of 216 kB, clients that leave, and a stream that does not move. Then a real monitor is opened
on the bridge that is left, and every figure on every view is set beside the record's. The same seed plays the same day;
in what order requests overlap is the machine's affair. Exit code 1 where a figure differs, or where the monitor takes
120 MB or more.
"""

from __future__ import annotations

import argparse
import sys

import trio

from tests.support.day.compare import compared


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=300, help="of the longest session")
    parser.add_argument("--seed", type=int, default=1, help="decides who asks what, and how each key fares")
    parser.add_argument("--all", action="store_true", help="print figures that agree too, one a line")
    options = parser.parse_args()
    found = trio.run(compared, options.seed, options.turns)
    views: dict[str, list[bool]] = {}
    for figure in found:
        views.setdefault(figure.view, []).append(figure.differs)
        if figure.differs or options.all:
            mark = "DIFFERS" if figure.differs else "equal"
            print(f"{mark:<8} {figure.view:<20} {figure.what:<60} {figure.shown}  record: {figure.recorded}")
    print(f"{'view':<20} {'figures':>8} {'differ':>7}")
    for view, differ in views.items():
        print(f"{view:<20} {len(differ):>8} {sum(differ):>7}")
    wrong = sum(figure.differs for figure in found)
    print(f"{len(found)} figures, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
