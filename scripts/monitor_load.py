"""The monitor under load: many events over a real socket on a real terminal, keys pressed meanwhile, view by view.

`scripts/bench monitor` runs it. Each view has a monitor of its own, whose terminal and bridge are in other processes:
what is measured is the monitor's processor time alone, the writing to the terminal included: of the whole, and of the
times from one key to the next during which the processor kept its speed (`Pace`).
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import pty
import statistics
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
from attrs import frozen
from textual.pilot import Pilot

from bridge.events.picture import Picture
from bridge.events.values import KeyState, RateLimit, RateLimits
from bridge.events.vocabulary import KeyChanged
from bridge.events.wire import Hello, Snapshot, encode
from monitor.app import MonitorApp
from monitor.screens.help import HelpScreen
from monitor.screens.walkthrough import WalkthroughScreen
from monitor.sources.bridge_socket import BridgeSource
from scripts.pace import Pace
from tests.support.flood import KEYS, flood

ROOT = Path(__file__).resolve().parent.parent

TICK_S = 0.02
"""How often the feeding process writes."""

PRESS_S = 0.25
"""How often a key is pressed."""

PAINT_S = 1.0
"""After so long a key has done nothing: the list or the text is at its end."""

IDLE_S = 5.0

STUCK_S = 60.0
"""What a start, an end and a machine with other things to do may take beside the events themselves."""


STARTED = 2_000
"""Events until the view is opened: then there is something to see in it."""


@frozen
class Hand:
    """What a person does in a view: the key that opens it, two keys in turn, and what these change."""

    opening: str
    pressed: tuple[str, str]
    changed: Callable[[MonitorApp], object]


HANDS = {
    "live": Hand("1", ("k", "k"), lambda app: app.listing.selection.id),
    "reasoning": Hand("2", ("k", "j"), lambda app: app.reasoning.pane.scroll_offset.y),
    "keys": Hand("3", ("j", "k"), lambda app: app.keys.selected_name),
    "request": Hand("4", ("h", "h"), lambda app: app.request.request and app.request.request.id),
    "totals": Hand("5", ("l", "h"), lambda app: app.totals.window),
    "walkthrough": Hand(
        "t", ("n", "b"), lambda app: isinstance(app.view, WalkthroughScreen) and app.view.course.current
    ),
    "help": Hand("question_mark", ("j", "k"), lambda app: isinstance(app.screen, HelpScreen) and app.screen.chosen),
}


class Watched(MonitorApp):
    """Counts its frames."""

    CSS_PATH = [str(ROOT / "monitor" / name) for name in MonitorApp.CSS_PATH]  # noqa: RUF012  as Textual types it
    frames = 0

    def __init__(self, source: BridgeSource, place: str, hand: Hand) -> None:
        super().__init__(source, place)
        self.hand = hand
        self._before: object = None
        self._painted: asyncio.Event | None = None

    def post_display_hook(self) -> None:
        self.frames += 1
        if self._painted is not None and self.hand.changed(self) != self._before:
            self._painted.set()

    async def press(self, key: str) -> float | None:
        """Milliseconds from a key press to the first frame that shows what it changed; None where it is at an end."""
        self._before, self._painted = self.hand.changed(self), asyncio.Event()
        began = time.perf_counter()
        self.simulate_key(key)
        with suppress(TimeoutError):
            async with asyncio.timeout(PAINT_S):
                await self._painted.wait()
        painted, self._painted = self._painted.is_set(), None
        return (time.perf_counter() - began) * 1000 if painted else None


def measure(options: argparse.Namespace) -> None:
    """Prints a line for each view."""
    print(
        f"{'view':<12} {'processor':>9} {'own speed':>10} {'frames':>9} {'key to paint':>21} {'idle':>6} {'memory':>16}"
        "  same as the fold"
    )
    for view in options.view or HANDS:
        with tempfile.TemporaryDirectory(prefix="clearspan-bench-") as place:
            asyncio.run(_measure(view, Path(place), options))


async def _measure(view: str, place: Path, options: argparse.Namespace) -> None:
    began, socket = datetime.now(UTC).replace(microsecond=0).isoformat(), place / "events.sock"
    common = (str(socket), str(options.events), str(options.rate), began)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    columns, rows = map(int, options.size.split("x"))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    feeder = await asyncio.create_subprocess_exec(sys.executable, __file__, "feed", *common, env=environment)
    while not socket.exists():  # noqa: ASYNC110  a file has no event, and one look at it takes no time
        await asyncio.sleep(0.05)
    shown = bytearray()
    asyncio.get_running_loop().add_reader(master, _read, master, shown)
    figures, pace = place / "figures.json", Pace()
    monitor = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "watch", *common, view, str(figures),
        stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    try:
        with pace.watching():
            async with asyncio.timeout(STUCK_S + 2 * options.events / options.rate):
                await monitor.wait()
    finally:
        if monitor.returncode is None:
            monitor.kill()
        feeder.terminate()
        await feeder.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)
    if not figures.exists():
        sys.exit(f"the monitor ended with {monitor.returncode}:\n{shown.decode(errors='replace')}")
    _say(view, orjson.loads(figures.read_bytes()), pace)


def _read(terminal: int, shown: bytearray) -> None:
    """Takes what is painted, as fast as it comes; the last of it may be a report of a crash."""
    with suppress(OSError):  # the other end is gone: the process's end says so
        shown += os.read(terminal, 1 << 16)
        del shown[:-8_192]


def _say(view: str, figures: dict[str, Any], pace: Pace) -> None:
    if figures["median"] is None:  # endless, which JSON has no number for
        sys.exit(f"no key did anything in {view}")
    print(
        f"{view:<12} {figures['work']:>8.1%} {_at_own_speed(figures['looks'], pace):>10} {figures['frames']:>7.1f}/s"
        f" {figures['median']:>6.0f} ms, worst {figures['worst']:>4.0f}"
        f" {figures['idle']:>6.1%} {figures['memory']:>7.0f} MB {figures['grown']:>+5.1f}"
        f"  {'yes' if figures['same'] else 'NO'}",
        flush=True,
    )


def _at_own_speed(looks: list[tuple[float, float]], pace: Pace) -> str:
    """What part of a processor was used, between the looks during which that one kept its speed."""
    pairs = [(before, after) for before, after in pairwise(looks) if pace.kept(before[0], after[0])]
    took, work = (sum(after[i] - before[i] for before, after in pairs) for i in range(2))
    return f"{work / took:.1%}" if pairs else "none"


def _watch(socket: Path, events: int, rate: float, began: datetime, view: str, figures: Path) -> None:
    """A monitor on this terminal that writes its figures to a file, and ends."""
    app = Watched(BridgeSource(socket), str(socket), HANDS[view])
    app.run(auto_pilot=_driver(app, events, rate, began, figures))


def _driver(
    app: Watched, events: int, rate: float, began: datetime, figures: Path
) -> Callable[[Pilot[object]], Coroutine[Any, Any, None]]:
    async def drive(_pilot: Pilot[object]) -> None:
        while app.state.seq < min(STARTED, events):  # noqa: ASYNC110  a state has no event
            await asyncio.sleep(0.05)
        app.simulate_key(app.hand.opening)
        await asyncio.sleep(1)  # what a view does once, when it is opened
        settled = _memory()
        waits: list[float | None] = []
        looks, frames = [(time.perf_counter(), time.process_time())], app.frames
        while app.state.seq < events or not waits:
            await asyncio.sleep(PRESS_S)
            waits.append(await app.press(app.hand.pressed[len(waits) % 2]))
            looks.append((time.perf_counter(), time.process_time()))
        took, work = (looks[-1][i] - looks[0][i] for i in range(2))
        painted, end = app.frames - frames, _memory()
        await asyncio.sleep(1)
        worked = time.process_time()
        await asyncio.sleep(IDLE_S)
        idle = (time.process_time() - worked) / IDLE_S
        felt = [wait for wait in waits if wait is not None] or [float("inf")]
        expected = _begun(began)
        for envelope in flood(events, rate, began):
            expected.apply(envelope.event, envelope.at)
        told = {
            "work": work / took,
            "looks": looks,
            "frames": painted / took,
            "median": statistics.median(felt),
            "worst": max(felt),
            "idle": idle,
            "memory": end / 1e6,
            "grown": (end - settled) / 1e6,
            "same": app.state.picture == expected,
        }
        figures.write_bytes(orjson.dumps(told))  # noqa: ASYNC240  all is measured
        app.exit()

    return drive


def _memory() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _begun(at: datetime) -> Picture:
    """What a bridge knows before its first request: twelve keys."""
    reset = at + timedelta(minutes=10)
    picture, limits = Picture(), RateLimits(RateLimit(500, 420, reset), RateLimit(200_000, 90_000, reset))
    for key in (*KEYS, *(f"sk-p...{number:04}" for number in range(9))):
        picture.apply(KeyChanged("openai", key, KeyState.VALID, limits=limits), at)
    return picture


async def _feed(socket: Path, events: int, rate: float, began: datetime) -> None:
    """A bridge that says so many events to its first subscriber, and then nothing more."""

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(Hello(1, "0.0.0", os.getpid(), "http://127.0.0.1:8484", began)))
        writer.write(encode(Snapshot.of(_begun(began), 0, began)))
        loop = asyncio.get_running_loop()
        start = loop.time()
        for envelope in flood(events, rate, began):
            writer.write(encode(envelope))
            if envelope.seq % max(1, int(rate * TICK_S)) == 0:
                await writer.drain()
                await asyncio.sleep(max(0.0, start + envelope.seq / rate - loop.time()))
        await reader.read()

    async with await asyncio.start_unix_server(tell, socket) as server:
        await server.serve_forever()


def main(role: str, socket: str, events: str, rate: str, began: str, *more: str) -> None:
    """One of the two processes beside the one that measures."""
    common = (Path(socket), int(events), float(rate), datetime.fromisoformat(began))
    if role == "feed":
        asyncio.run(_feed(*common))
    else:
        view, figures = more
        _watch(*common, view, Path(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
