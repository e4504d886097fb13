"""Many events at once: what is shown in the end is what they add up to, and nothing grows without end."""

from __future__ import annotations

import asyncio
import gc

from textual.pilot import Pilot

from bridge.events.picture import Picture
from bridge.limits import LIMITS
from monitor.lines import format as fmt
from tests.support.flood import flood
from tests.support.hands import play
from tests.support.play import Stage

EVENTS, SETTLED = 24_000, 12_000
"""After so many, as many requests have ended as a picture remembers, and more."""


def test_after_a_flood_every_number_is_the_folds_and_nothing_has_grown() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        expected, settled = Picture(), 0
        for envelope in flood(EVENTS):
            expected.apply(envelope.event, envelope.at)
            stage.clock.now = envelope.at
            stage.app.receive(envelope)
            if envelope.seq % 400 == 0:
                await asyncio.sleep(0)
            if envelope.seq == SETTLED:
                await stage.paint(pilot)
                gc.collect()
                settled = len(gc.get_objects())
        screen = await stage.paint(pilot)
        assert stage.app.state.picture == expected
        assert not stage.app.state.gap
        totals = expected.totals
        tokens = totals.tokens
        read = fmt.tokens(tokens.input + tokens.cache_read_input + tokens.cache_write_input)
        live = sum(request.live for request in expected.interceptions.values())
        assert len(expected.interceptions) == LIMITS.ended + live
        for text in (
            f"{live} live",
            f"{totals.interceptions} requests",
            f"{read} in {fmt.tokens(tokens.output)} out",
            fmt.cost(tokens.cost_usd),
            f"{totals.failovers} failovers",
            f"{totals.failed} errors",
            f"Requests  {len(expected.interceptions)}",
        ):
            assert text in screen
        gc.collect()
        assert len(gc.get_objects()) < settled * 1.1

    play((160, 36), act)  # as wide as it takes to have all of it in words
