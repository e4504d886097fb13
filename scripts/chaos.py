"""Misbehaving clients against a misbehaving provider, with a real bridge between them; see `tests/faults/chaos.py`."""

from __future__ import annotations

import argparse
import logging
import sys

import trio

from tests.faults.chaos import run_chaos


def main() -> int:
    """Exit code 0 when every promise held, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=3000, help="how many clients there are in all")
    parser.add_argument("--seed", type=int, default=1, help="decides what each client and each answer does")
    parser.add_argument("--concurrency", type=int, default=100, help="how many clients there are at a time")
    options = parser.parse_args()
    return run(options.connections, options.seed, options.concurrency)


def run(connections: int, seed: int, concurrency: int) -> int:
    """One run, and its report on standard output."""
    logging.disable(logging.WARNING)  # what readers think of broken answers
    report = trio.run(run_chaos, connections, seed, concurrency)
    for line in report.lines():
        print(line)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
