"""Playing a recorded log: forwards, backwards, faster, and under a person's hands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.pilot import Pilot

from bridge.events.picture import Picture
from bridge.events.vocabulary import AnswerDelta, KeyChanged
from bridge.events.wire import Command, Envelope, Snapshot, encode
from monitor.replay_app import ReplayApp
from monitor.sources.event_log import LogEntry
from monitor.sources.replay import SPEEDS, Replay
from monitor.state.state import LOG_ENDED, Incoming, MonitorState
from monitor.widgets.replay import ReplayBar, stopwatch
from tests.support.flood import flood
from tests.support.play import HELLO, START, screen_text
from tests.support.scene import recorded_scene

SEQ = st.integers(0, 400)


def log(events: int = 400, rate: float = 20.0) -> list[LogEntry]:
    """That many events, by default twenty seconds long."""
    sent = list(flood(events, rate))
    begin = sent[0].at
    opening = [LogEntry(begin, HELLO, 0), LogEntry(begin, encode(Snapshot.of(Picture(), 0, begin)), 0)]
    return opening + [LogEntry(envelope.at, envelope, envelope.seq) for envelope in sent]


def at_seconds(*seconds: float) -> list[LogEntry]:
    opening = [LogEntry(START, HELLO, 0), LogEntry(START, encode(Snapshot.of(Picture(), 0, START)), 0)]
    times = [START + timedelta(seconds=second) for second in seconds]
    return opening + [LogEntry(at, Envelope(n, at, AnswerDelta("a", "x")), n) for n, at in enumerate(times, 1)]


@define
class Watcher:
    """What a replay has delivered, folded as the dashboard folds it."""

    replay: Replay
    state: MonitorState = field(factory=MonitorState)

    def hear(self, incoming: Incoming) -> None:
        self.state.apply(incoming, self.replay.now())

    def take(self, state: MonitorState) -> None:
        self.state = state

    def stands_at(self, seq: int) -> bool:
        return self.state.seq == seq

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not met():  # noqa: ASYNC110  what a test waits for has no event
                await asyncio.sleep(0.001)


def played(entries: list[LogEntry], act: Callable[[Replay, Watcher], Awaitable[None]], *, paused: bool = True) -> None:
    async def run() -> None:
        replay = Replay(entries, speed=1_000.0)
        replay.paused = paused
        watcher = Watcher(replay)
        replay.rewound = watcher.take
        task = asyncio.create_task(replay.run(watcher.hear))
        try:
            await act(replay, watcher)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(run())


def folded(entries: list[LogEntry], seq: int) -> Picture:
    picture = Picture()
    for entry in entries[2 : 2 + seq]:
        assert isinstance(entry.kept, Envelope)
        picture.apply(entry.kept.event, entry.at)
    if seq + 2 == len(entries):
        for request in picture.interceptions.values():
            request.error = LOG_ENDED if request.live else request.error
    return picture


def test_it_plays_to_the_end_and_stays_there() -> None:
    entries = log()

    async def act(replay: Replay, watcher: Watcher) -> None:
        await watcher.until(lambda: watcher.state.seq == 400)
        await watcher.until(lambda: replay.ended)
        assert replay.now() == replay.end
        assert watcher.state.picture == folded(entries, 400)

    played(entries, act, paused=False)


@settings(max_examples=25, deadline=None)
@given(st.lists(SEQ, min_size=1, max_size=5))
def test_wherever_it_is_sent_the_picture_is_what_it_was_then(places: list[int]) -> None:
    entries = log()

    async def act(replay: Replay, watcher: Watcher) -> None:
        for seq in places:
            replay.seek_to(entries[1 + seq].at)
            there = max(1, seq)  # the first event is at the very beginning
            await watcher.until(partial(watcher.stands_at, there))
            assert watcher.state.picture == folded(entries, there)

    played(entries, act)


def test_it_can_be_sent_on_before_it_has_arrived() -> None:
    entries = log(4_000, 200.0)

    async def act(replay: Replay, watcher: Watcher) -> None:
        replay.seek_to(replay.end)
        await watcher.until(lambda: watcher.state.seq == 4_000)
        for seq in (3_000, 50, 2_000):
            replay.seek_to(entries[1 + seq].at)
            await asyncio.sleep(0)
        await watcher.until(lambda: watcher.state.seq == 2_000)
        assert watcher.state.picture == folded(entries, 2_000)

    played(entries, act)


def test_a_long_silence_is_skipped() -> None:
    async def act(_replay: Replay, watcher: Watcher) -> None:
        await watcher.until(lambda: watcher.state.seq == 3)  # three months, at 1000 times the speed: two hours

    played(at_seconds(0, 1, 8_000_000), act, paused=False)


def test_pause_stops_the_clock_and_space_at_the_end_begins_again() -> None:
    time = [0.0]
    replay = Replay(log(), seconds=lambda: time[0])
    time[0] = 3.0
    assert replay.now() - replay.begin == timedelta(seconds=3)
    replay.pause()
    time[0] = 9.0
    assert replay.now() - replay.begin == timedelta(seconds=3)
    replay.pause()
    time[0] = 10.0
    assert replay.now() - replay.begin == timedelta(seconds=4)
    replay.seek(-5)
    assert replay.now() == replay.begin
    replay.seek(1_000)
    assert replay.ended
    replay.pause()
    assert (replay.now(), replay.paused) == (replay.begin, False)


def test_speeds_go_up_and_down_by_steps() -> None:
    time = [0.0]
    replay = Replay(log(), speed=3.1, seconds=lambda: time[0])
    time[0] = 1.0
    seen = []
    for step in (1, 1, -1, -1, -1):
        replay.change_speed(step)
        seen.append(replay.speed)
    assert seen == [8.0, 16.0, 8.0, 4.0, 2.0]
    replay.change_speed(-99)
    assert replay.speed == SPEEDS[0]
    assert (replay.now() - replay.begin).total_seconds() == 3.1  # a change of speed is no jump


def test_a_recorded_log_takes_no_commands() -> None:
    reply = asyncio.run(Replay(log()).send(Command(0, "cancel", id="a")))
    assert (reply.ok, reply.error) == (False, "this is a recorded log")


def test_a_stopwatch_shows_hours_where_there_are_any() -> None:
    assert [stopwatch(seconds) for seconds in (0, 59.9, 61, 3_723)] == ["0:00", "0:59", "1:01", "1:02:03"]


def shown(
    act: Callable[[ReplayApp, Pilot[None]], Awaitable[None]],
    size: tuple[int, int] = (120, 36),
    entries: list[LogEntry] | None = None,
) -> None:
    async def run() -> None:
        replay = Replay(entries or recorded_scene())
        replay.paused = True
        app = ReplayApp(replay, "scene.jsonl")
        app.animation_level = "none"
        async with asyncio.timeout(60), app.run_test(size=size) as pilot:
            await pilot.pause()
            await act(app, pilot)

    asyncio.run(run())


async def drawn(app: ReplayApp, pilot: Pilot[None], text: str) -> str:
    async with asyncio.timeout(20):
        while True:
            app.paint()
            await pilot.pause()
            if text in (screen := screen_text(app)):
                return screen
            await asyncio.sleep(0.01)


def test_what_still_ran_at_the_end_of_a_log_is_left_open_there_and_why_there_are_no_keys() -> None:
    async def act(app: ReplayApp, pilot: Pilot[None]) -> None:
        await pilot.press("end")
        screen = await drawn(app, pilot, "left open")
        assert "this log tells of no keys" in screen
        await pilot.press("3")
        assert "a record keeps what requests did with keys" in await drawn(app, pilot, "This log tells of no keys")
        await pilot.press("1", "home", "right")
        assert "left open" not in await drawn(app, pilot, "0:05")

    shown(act, entries=[entry for entry in recorded_scene() if not _tells_of_keys(entry)])


def _tells_of_keys(entry: LogEntry) -> bool:
    return isinstance(entry.kept, Envelope) and isinstance(entry.kept.event, KeyChanged)


def test_keys_steer_it() -> None:
    async def act(app: ReplayApp, pilot: Pilot[None]) -> None:
        assert "No request yet" in await drawn(app, pilot, "‖ 1x 0:00")
        await pilot.press("end")
        assert "Requests  2" in await drawn(app, pilot, "■ 1x 0:28")
        await pilot.press("left", "left", "left")
        assert "Requests  1" in await drawn(app, pilot, "‖ 1x 0:13")
        await pilot.press("right", "plus", "minus", "minus")
        await drawn(app, pilot, "‖ 0.5x 0:18")
        await pilot.press("home")
        assert "No request yet" in await drawn(app, pilot, "0:00")
        await pilot.press("space")
        await drawn(app, pilot, "▶ 0.5x")
        assert "▷ replay" in await drawn(app, pilot, "0:28")

    shown(act)


def test_a_click_on_the_line_goes_there() -> None:
    async def act(app: ReplayApp, pilot: Pilot[None]) -> None:
        await drawn(app, pilot, "0:28")
        bar = app.screen.query_one(ReplayBar)
        begin, room = bar._track
        await pilot.click(ReplayBar, offset=(begin + room - 1, 0))
        await drawn(app, pilot, "■ 1x 0:28")
        await pilot.click(ReplayBar, offset=(begin, 0))
        await drawn(app, pilot, "‖ 1x 0:00")

    shown(act, (80, 24))


def test_where_something_is_typed_its_keys_are_letters() -> None:
    async def act(app: ReplayApp, pilot: Pilot[None]) -> None:
        await pilot.press("end")
        await drawn(app, pilot, "Requests  2")
        await pilot.press("slash", *"no such", "space", *"one")
        assert "0 of 2" in await drawn(app, pilot, "no such one")
        assert app.replay.paused

    shown(act)


def test_its_keys_are_the_steps_where_one_steps_through_a_request() -> None:
    async def act(app: ReplayApp, pilot: Pilot[None]) -> None:
        await pilot.press("end")
        await drawn(app, pilot, "Requests  2")
        await pilot.press("t")
        await drawn(app, pilot, "1 of ")
        await pilot.press("space", "right", "left")
        await drawn(app, pilot, "2 of ")
        assert app.replay.ended

    shown(act)
