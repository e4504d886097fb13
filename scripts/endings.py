"""A monitor that can always be ended, and comes back whole: `scripts/endings` tries each way many times.

Frozen terminals get a signal or are closed while a bridge has more to tell than they take. In tmux, where there is one,
a monitor is suspended and brought back, and the whole session is killed. Ends with exit code 1 where a monitor is left
behind, or half drawn.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.frozen import Frozen, end_all, flooding

PEACE = {0, 130}
"""Exit codes of a monitor that ended by itself."""

WAIT_S = 15.0
COLUMNS, ROWS = 100, 30

PANELS = {"─Requ", "─roun", "─Keys"}
"""How the titles of what is to be seen begin: requests, a story, keys."""

WAYS: dict[str, Callable[[Frozen], None]] = {
    "frozen, SIGTERM": lambda monitor: monitor.process.send_signal(signal.SIGTERM),
    "frozen, SIGHUP": lambda monitor: monitor.process.send_signal(signal.SIGHUP),
    "frozen, SIGINT": lambda monitor: monitor.process.send_signal(signal.SIGINT),
    "closed": lambda monitor: os.close(monitor.master),
}


def main() -> None:
    """Prints a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    failed = False
    for name, how in WAYS.items():
        codes: list[int] = []
        while len(codes) < options.rounds:
            codes += end_all(how)
        failed |= _say(name, sum(code in PEACE for code in codes), len(codes))
    if shutil.which("tmux") is None:
        print("no tmux here: suspending is not tried")
    else:
        whole, killed = asyncio.run(_in_tmux(options.rounds))
        failed |= _say("suspended and resumed", whole, options.rounds)
        failed |= _say("tmux killed", killed, options.rounds)
    sys.exit(1 if failed else 0)


def _say(name: str, good: int, rounds: int) -> bool:
    print(f"{name:<24}{good} of {rounds}", flush=True)
    return good != rounds


class Tmux:
    """A tmux server of its own with a shell, and in that a monitor."""

    def __init__(self, place: Path, socket: Path) -> None:
        self._server = str(place / "tmux.sock")
        self.pid_file = place / "pid"
        self("-f", "/dev/null", "new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), "env PS1='ready> ' sh -m")
        command = shlex.join([sys.executable, "-P", "-m", "monitor", "--socket", str(socket)])
        pid = shlex.quote(str(self.pid_file))
        self.type(f"PYTHONPATH={shlex.quote(str(Path.cwd()))} sh -c 'echo $$ > {pid}; exec {command}'")

    def __call__(self, *words: str) -> str:
        command = ("tmux", "-S", self._server, *words)
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603  our own words

    def type(self, line: str) -> None:
        """Types a line."""
        self("send-keys", "-l", line)
        self("send-keys", "Enter")

    def waits(self, met: Callable[[str], bool]) -> bool:
        """Whether the screen is so before long."""
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            if met(self("capture-pane", "-p")):
                return True
            time.sleep(0.05)
        return False


def _is_whole(screen: str) -> bool:
    lines = screen.splitlines()
    return len(lines) == ROWS and "Clearspan" in lines[0] and "1 Live" in lines[-1] and {*map(_title, lines)} >= PANELS


def _title(line: str) -> str:
    return line[:5]


async def _in_tmux(rounds: int) -> tuple[int, int]:
    """How often a monitor came back whole, and how often it went with its terminal."""
    async with flooding() as socket:
        whole = await asyncio.to_thread(_suspend, socket, rounds)
        killed = 0
        for _ in range(rounds):
            killed += await asyncio.to_thread(_kill, socket)
    return whole, killed


def _suspend(socket: Path, rounds: int) -> int:
    with tempfile.TemporaryDirectory() as place:
        tmux = Tmux(Path(place), socket)
        try:
            whole = 0
            if tmux.waits(_is_whole):
                for _ in range(rounds):
                    tmux("send-keys", "C-z")
                    stopped = tmux.waits(lambda screen: screen.rstrip().endswith("ready>"))
                    tmux.type("clear; fg")
                    whole += stopped and tmux.waits(_is_whole)
        finally:
            tmux("kill-server")
    return whole


def _kill(socket: Path) -> bool:
    with tempfile.TemporaryDirectory() as place:
        tmux = Tmux(Path(place), socket)
        is_there = tmux.waits(_is_whole)
        tmux("kill-server")
        process = Path("/proc", tmux.pid_file.read_text().strip())
        until = time.monotonic() + WAIT_S
        while process.exists() and time.monotonic() < until:
            time.sleep(0.05)
        return is_there and not process.exists()


if __name__ == "__main__":
    main()
