"""The line that says where a replay stands; a click goes there."""

from __future__ import annotations

from rich.cells import cell_len
from textual import events
from textual.message import Message

from monitor.lines import format as fmt
from monitor.lines.span import Line, Span
from monitor.sources.replay import Replay
from monitor.widgets.line_bar import LineBar

HINTS = "space pause  ←→ 5s  +- speed"
ROOMY = 90


class ReplayBar(LineBar):
    """Pause or play, speed, place and length."""

    class Sought(Message):
        """A person wants to be at this share of the log, from 0 to 1."""

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    def __init__(self) -> None:
        super().__init__()
        self._track = (0, 1)  # where the bar begins, and its width

    def show(self, replay: Replay) -> None:
        """Takes over where it stands; paints only what changed."""
        at = fmt.seconds_between(replay.begin, replay.now())
        length = fmt.seconds_between(replay.begin, replay.end)
        standing: Span = ("■", "muted") if replay.ended else ("‖", "warn") if replay.paused else ("▶", "live")
        sign, tone = standing
        before = f" {sign} {replay.speed:g}x {stopwatch(at)} "
        after = f" {stopwatch(length)} "
        hints = f" {HINTS} " if self.size.width >= ROOMY else ""
        room = max(1, self.size.width - cell_len(before) - cell_len(after) - cell_len(hints))
        full, empty = fmt.bar(at / length if length else 1.0, room)
        line: Line = ((before, tone), (full, "live"), (empty, "faint"), (after, "muted"), (hints, "muted"))
        self._track = (cell_len(before), room)
        self.put(line)

    def on_click(self, event: events.Click) -> None:
        begin, room = self._track
        self.post_message(self.Sought(min(max((event.x - begin) / max(1, room - 1), 0.0), 1.0)))


def stopwatch(seconds: float) -> str:
    """Hours where there are any, minutes and seconds: 1:02:03, 2:03."""
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
