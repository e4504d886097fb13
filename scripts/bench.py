"""Measures Clearspan. `scripts/bench history`: how fast the record's commands answer on 1,000,000 interceptions;
`scripts/bench monitor`: how each view of the dashboard stands 2,000 events a second; `scripts/bench relay`: what
crossing the bridge costs; `scripts/bench open-streams`: what a stream takes while it is open; `scripts/bench record`:
how fast the record is written, and what pruning costs; `scripts/bench start`: how soon a bridge listens, and the short
commands answer.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bridge.record.sums import GROUPS
from scripts import bench_open_streams, bench_record, bench_relay, bench_start, monitor_load
from tests.support.generated_record import identity, make_record

HISTORY: dict[str, list[str]] = {
    "list": [],
    "list, JSON": ["--json"],
    "since": ["--since", "2026-11-24T11:00Z"],
    "model": ["--model", "gpt-5.2"],
    "model, none": ["--model", "none"],
    "client": ["--client", "codex"],
    "session": ["--session", "session-3"],
    "provider": ["--provider", "anthropic"],
    "outcome": ["--outcome", "failed"],
    "text, everywhere": ["--text", "parse_header"],
    "text, once": ["--text", "number 077777"],
    "text, nowhere": ["--text", "nowhere in it"],
    "text and outcome": ["--text", "parse_header", "--outcome", "failed"],
}


def history(options: argparse.Namespace) -> None:
    """Prints the time of each command, its process and its start included."""
    with tempfile.TemporaryDirectory(prefix="clearspan-bench-") as place:
        print(f"making {options.size:,} interceptions", file=sys.stderr)
        make_record(Path(place) / "clearspan.db", options.size)
        print(f"kept up in {bench_record.keep_up(Path(place) / 'clearspan.db'):.0f} s")
        (Path(place) / "config.toml").write_text("")
        common = ["--config", f"{place}/config.toml", "--data-dir", place]
        _report("(start alone)", ["--version"], options.times)
        for name, words in HISTORY.items():
            _report(name, ["history", *common, *words], options.times)
        _report("show", ["show", *common, identity(options.size // 2)], options.times)
        for group in GROUPS:
            _report(f"stats by {group}", ["stats", *common, "--by", group], options.times)


def _report(name: str, words: list[str], times: int) -> None:
    took = []
    for _ in range(times):
        before = time.perf_counter()
        subprocess.run([sys.executable, "-P", "-m", "bridge", *words], stdout=subprocess.DEVNULL, check=True)  # noqa: S603  # our own command
        took.append((time.perf_counter() - before) * 1000)
    print(f"{name:<20}{statistics.median(took):7.0f} ms  (best {min(took):.0f}, worst {max(took):.0f})", flush=True)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("history", help="the record's commands on a large record")
    command.add_argument("--size", type=int, default=1_000_000, help="interceptions")
    command.add_argument("--times", type=int, default=5, help="runs of each command; the median is shown")
    command.set_defaults(run=history)
    command = commands.add_parser("monitor", help="the dashboard while events rain on it")
    command.add_argument("--events", type=int, default=30_000, help="in each view")
    command.add_argument("--rate", type=float, default=2_000, help="events a second")
    command.add_argument("--size", default="120x36", help="columns and rows of the terminal")
    command.add_argument("--view", action="append", choices=list(monitor_load.HANDS), help="only this one")
    command.set_defaults(run=monitor_load.measure)
    command = commands.add_parser("relay", help="the bridge against a bare relay, in turn")
    command.add_argument("--rounds", type=int, default=3)
    command.add_argument("--seconds", type=float, default=2.0, help="of each load in each round")
    command.add_argument("--only", action="append", help="direct, 'bare relay', bridge or 'bridge, watched'")
    command.set_defaults(run=bench_relay.relay)
    command = commands.add_parser("open-streams", help="what a stream takes while it is open, and how late events are")
    command.add_argument("--streams", type=int, default=1_000)
    command.add_argument("--seconds", type=float, default=10.0)
    command.set_defaults(run=bench_open_streams.open_streams)
    command = commands.add_parser("record", help="interceptions a second written, and delays while old ones are pruned")
    command.add_argument("--interceptions", type=int, default=20_000)
    command.add_argument("--old", type=int, default=827_000, help="interceptions that are pruned")
    command.add_argument("--rows", type=int, default=1_000_000, help="interceptions that are there already")
    command.set_defaults(run=lambda options: bench_record.record(options.interceptions, options.old, options.rows))
    command = commands.add_parser("start", help="how soon a bridge listens, and the short commands answer")
    command.add_argument("--times", type=int, default=9, help="runs of each command; the median is shown")
    command.set_defaults(run=lambda options: bench_start.start(options.times))
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
