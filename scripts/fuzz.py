"""Throws seeded bad input at a real `clearspan serve`, on loopback alone, and checks after each batch what must hold.

After a batch of 500 the bridge must serve a good request, have answered nothing with status 500, have logged no fault
of its own, hold no more descriptors, threads and memory than before, have ended each interception that it started once,
and have sent the provider nothing that no well-formed request asked for. See `tests/faults/fuzz`.

The first batch that breaks one of these ends the run with exit code 1. What broke it is made as small as possible and
kept in a file that `--replay` throws again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import trio

from tests.faults.fuzz.campaign import Findings, counts, replay, run_campaign
from tests.faults.fuzz.inputs import load, save
from tests.faults.fuzz.shrinking import shrunk
from tests.faults.fuzz.targets import TARGETS

SHRINK_S = 120.0


def main() -> int:
    """Exit code 0 when everything held, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000, help="how many inputs there are in all")
    parser.add_argument("--seed", type=int, default=1, help="decides all inputs")
    parser.add_argument("--target", choices=["all", *TARGETS], default="all", help="what kind of input")
    parser.add_argument("--minutes", type=float, default=20.0, help="when to stop, done or not")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="throw what an earlier run has kept, and no more")
    options = parser.parse_args()
    if options.replay is not None:
        inputs = load(options.replay)
        findings = trio.run(replay, TARGETS[inputs[0].target], inputs)
    else:
        targets = list(TARGETS.values()) if options.target == "all" else [TARGETS[options.target]]
        findings = trio.run(run_campaign, targets, options.inputs, options.seed, options.minutes * 60, _say)
    return report(findings, options.seed, kept=options.replay)


def report(findings: Findings, seed: int, *, kept: Path | None) -> int:
    """Says what was found, and keeps what broke something."""
    total = findings.thrown.total()
    print(f"seed {seed}: {total} inputs in {findings.seconds:.0f} s, {total / findings.seconds:.0f}/s")
    print(f"inputs: {counts(findings.thrown)}; {findings.interceptions} interceptions")
    print(f"statuses: {counts(findings.statuses)}")
    if not findings.wrong:
        print("0 violations")
        return 0
    for wrong in findings.wrong[:10]:
        print(f"VIOLATED: {wrong}")
    if kept is None and findings.inputs:
        target = TARGETS[findings.inputs[0].target]
        print(f"looking for what it was, for {SHRINK_S:.0f} s at most ...", flush=True)
        smallest = trio.run(shrunk, target, findings.inputs, findings.wrong, SHRINK_S)
        file = Path(f"fuzz-{target.name}-{seed}.jsonl")
        save(file, smallest)
        print(f"{len(smallest)} inputs kept: scripts/fuzz --replay {file}")
        for thrown in smallest[:3]:
            print(f"{thrown.ending}: {thrown.whole[:500]!r}")
    return 1


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
