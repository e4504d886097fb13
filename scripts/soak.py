"""Lets a real `clearspan serve` work for minutes and watches what it holds.

Clients stream, ask, leave in the middle and make keys fail over; subscribers come, go and never read; the owner changes
the configuration. Every 5 s memory, descriptors, threads and the write-ahead log are measured. The run fails, with exit
code 1, where a request failed that should not, where memory rises by 1 MiB an hour or more over the second half (see
`tests/faults/soak/slope.py` for what counts as a rise; less than 10 minutes are too short to tell), where there are
more descriptors or threads at rest than before, or where the write-ahead log had more than 64 MiB.
"""

from __future__ import annotations

import argparse
import sys

import trio

from tests.faults.soak.run import run_soak


def main() -> int:
    """Exit code 0 when nothing grew and nothing failed, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long")
    parser.add_argument("--seed", type=int, default=1, help="decides what clients do")
    options = parser.parse_args()
    soak = trio.run(run_soak, options.minutes * 60, options.seed, lambda line: print(line, flush=True))
    wrong = [*soak.wrong, *soak.judge()]
    print(f"done: {', '.join(f'{count} {name}' for name, count in soak.done.most_common())}")
    judged = "two standard errors" if soak.is_long else "too short a run to judge it"
    print(f"memory over the second half: {soak.memory} MiB an hour ({judged})")
    for text in wrong[:20]:
        print(f"VIOLATED: {text}")
    print(f"{len(wrong)} violations")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
