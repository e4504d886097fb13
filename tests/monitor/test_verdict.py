"""Who is silent, in a word: what it says at which second, in rows, titles and the header."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from bridge.events.values import SilenceKind, ThoughtSource
from bridge.events.vocabulary import (
    AttemptStarted,
    InterceptionHeard,
    InterceptionSilent,
    InterceptionWaiting,
    ResponseStarted,
    ThoughtDelta,
)
from monitor.lines.verdict import mark, quiet, verdict
from tests.support.folds import after, at
from tests.support.hands import play, press
from tests.support.play import START, Stage, started, story


@pytest.mark.parametrize(
    ("seconds", "whole", "short", "tone"),
    [
        (10, "pings only 10s", "pings 10s", "warn"),
        (59, "pings only 59s", "pings 59s", "warn"),
        (60, "pings only 1m00s", "pings 1m", "bad"),
        (239, "pings only 3m59s", "pings 3m", "bad"),
        (240, "pings only 4m00s · agent gives up at 5:00", "pings 4m", "bad"),
        (299, "pings only 4m59s · agent gives up at 5:00", "pings 4m", "bad"),
        (300, "pings only 5m00s", "pings 5m", "bad"),  # it did not
    ],
)
def test_a_silence_is_amber_then_red_then_about_to_end(seconds: int, whole: str, short: str, tone: str) -> None:
    state = after(started("a"), InterceptionSilent("a", SilenceKind.PINGS_ONLY, START))
    request = state.picture.interceptions["a"]
    stands = verdict(request, START + at(seconds))
    assert (stands.whole, stands.short, stands.tone) == (whole, short, tone)
    assert mark(request, START + at(seconds)) == ("◇", tone)


@pytest.mark.parametrize("kind", SilenceKind)
@pytest.mark.parametrize("seconds", [10, 99, 3_599, 86_399])
def test_every_kind_has_a_word_that_fits_its_column(kind: SilenceKind, seconds: int) -> None:
    state = after(started("a"), InterceptionSilent("a", kind, START))
    assert cell_len(verdict(state.picture.interceptions["a"], START + at(seconds)).short) <= 11


def test_what_goes_on_is_called_by_its_phase() -> None:
    state = after(
        *story("a"), started("b"), InterceptionWaiting("b", START + timedelta(seconds=9)),
        started("c"), AttemptStarted("c", 1, "k"), ResponseStarted("c", 1, 200),
        ThoughtDelta("c", 0, ThoughtSource.THINKING, "", 40),
        InterceptionSilent("c", SilenceKind.NO_BYTES, START), InterceptionHeard("c", SilenceKind.NO_BYTES, START),
    )  # fmt: skip
    words = [verdict(request, START).whole for request in state.picture.interceptions.values()]
    assert words == ["answering", "waits for key", "thinking"]


def test_nothing_streams_before_the_first_token_unless_nobody_reads_it() -> None:
    answered = (AttemptStarted("a", 1, "k"), ResponseStarted("a", 1, 200))
    words = [
        verdict(after(started("a", **fields), *answered).picture.interceptions["a"], START).word
        for fields in ({}, {"api": "passthrough"}, {"unread": "compressed"})
    ]
    assert words == ["connected", "streaming", "streaming"]


def test_the_worst_colours_the_count() -> None:
    state = after(
        started("a"), started("b"), started("c"),
        InterceptionSilent("a", SilenceKind.NO_ANSWER, START + at(40)),
        InterceptionSilent("b", SilenceKind.NO_BYTES, START),
    )  # fmt: skip
    requests = list(state.picture.interceptions.values())
    assert quiet(requests, START + at(50)) == ("2 quiet", "warn")
    assert quiet(requests, START + at(60)) == ("2 quiet", "bad")
    assert quiet(requests[2:], START + at(60)) is None


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
def test_a_silent_request_is_seen_from_every_view(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        stage.tell(*story("a"))
        stage.clock.forward(12)
        stage.tell(InterceptionSilent("a", SilenceKind.NO_BYTES, stage.clock.now - at(12)))
        screen = await stage.paint(pilot)
        assert "◇ socket silent 12s" in screen
        for key in "2345":
            assert "1 quiet" in await press(stage, pilot, key)
        stage.tell(InterceptionHeard("a", SilenceKind.NO_BYTES, stage.clock.now))
        assert "quiet" not in await press(stage, pilot, "1")

    play(size, act)
