"""How long commands take from their first line to their answer, in time and in processor time.

The processor's time is that of the whole process, so it says the same on a machine that is busy with other things. What
is said of starts at the processor's own speed leaves out those during which it was slowed (`Pace`).
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from attrs import frozen

from scripts.pace import Pace

GOALS_MS = {"--version": 80, "keys": 200, "history": 200, "serve": 350}
"""What a person should wait at most for each, in milliseconds."""

CONFIGURATION = """
[server]
port = 0

[providers.openai]
type = "openai"
keys = ["sk-bench-0001", "sk-bench-0002"]

[providers.anthropic]
type = "anthropic"
keys = ["sk-ant-bench-0001"]
"""

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""An installed package has its bytecode."""

TICKS = os.sysconf("SC_CLK_TCK")


@frozen
class Took:
    """One run, in milliseconds: by the clock, and of the processor."""

    clock: float
    processor: float
    began: float
    """On the clock `time.perf_counter`, in seconds."""


def start(times: int) -> None:
    """Prints the median of each command, beside what it may take."""
    with tempfile.TemporaryDirectory(prefix="clearspan-bench-") as place:
        file = Path(place) / "config.toml"
        file.write_text(CONFIGURATION)
        file.chmod(0o600)
        record = ["--config", str(file), "--data-dir", place]  # who reads the record names no socket
        common = [*record, "--socket", f"{place}/events.sock"]
        rounds: dict[str, list[Took]] = {name: [] for name in GOALS_MS}
        pace = Pace()
        with pace.watching():
            for _ in range(times + 1):  # in turn, so that what else happens here meets all alike
                serving, took = _serve(common)
                try:
                    rounds["serve"].append(took)
                    rounds["--version"].append(_run(["--version"]))
                    rounds["keys"].append(_run(["keys", *common]))
                    rounds["history"].append(_run(["history", *record]))
                finally:
                    serving.send_signal(signal.SIGTERM)
                    serving.wait()
                    if serving.stdout:
                        serving.stdout.close()
    heads = f"{'goal':>8}{'median':>10}{'best':>8}{'worst':>8}{'processor':>12}"
    print(f"{'command':<12}{heads}   at the processor's own speed")
    for name, goal in GOALS_MS.items():
        runs = rounds[name][1:]  # the first compiles
        clock = [took.clock for took in runs]
        steady = [took.clock for took in runs if pace.kept(took.began, took.began + took.clock / 1000)]
        processor = statistics.median(took.processor for took in runs)
        figures = f"{statistics.median(clock):7.0f} ms{min(clock):8.0f}{max(clock):8.0f}{processor:9.0f} ms"
        alone = f"{statistics.median(steady):7.0f} ms of {len(steady)}" if steady else "      none"
        print(f"{name:<12}{goal:>5} ms{figures}{alone}")


def _command(words: list[str]) -> list[str]:
    return [sys.executable, "-P", "-m", "bridge", *words]


def _run(words: list[str]) -> Took:
    """A command that ends by itself."""
    used = os.times()
    began = time.perf_counter()
    subprocess.run(_command(words), env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)  # noqa: S603  # our own command
    clock = time.perf_counter() - began
    now = os.times()
    spent = now.children_user + now.children_system - used.children_user - used.children_system
    return Took(clock * 1000, spent * 1000, began)


def _serve(common: list[str]) -> tuple[subprocess.Popen[bytes], Took]:
    """A bridge that listens, and what it took until it said so."""
    began = time.perf_counter()
    words = _command(["serve", *common])
    process = subprocess.Popen(words, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: S603  # our own command
    assert process.stdout is not None  # noqa: S101  # a pipe
    line = process.stdout.readline()
    clock = time.perf_counter() - began
    if not line.startswith(b"listening on"):
        process.kill()
        process.wait()
        raise SystemExit("the bridge did not start")
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return process, Took(clock * 1000, sum(int(ticks) for ticks in fields[11:15]) / TICKS * 1000, began)
