"""When keys run out, and when they come back: a fact where the provider's headers say it, else an estimate.

A gauge that stands at nought has run out, and its reset says until when. Of one that does not, the use of the last ten
minutes says when it will: if that is before its limits are whole again. Keys that share limits have one gauge between
them. Where no header ever told a gauge nothing is known, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bridge.events.values import Confidence, KeyRunway, LimitWindow, RateLimit
from bridge.keys.groups import grouped
from bridge.keys.key import Key
from bridge.keys.use import WINDOWS
from bridge.value_classes import frozen

KINDS = ("requests", "tokens")


@frozen
class Runway:
    """When something runs out (None: not before its limits are whole again) and is back; nothing where nothing is
    known."""

    until: datetime | None = None
    back_at: datetime | None = None
    confidence: Confidence | None = None


def key_runway(key: Key, akin: Sequence[Key], now: float, wall: datetime) -> Runway:
    """One key's; `akin` are all that share its limits, itself among them. `now` is monotonic, `wall` is the same moment
    as an aware time."""
    found = [
        *(_gauge(getattr(key.limits, kind), sum(k.use.rate(kind, now) for k in akin), wall) for kind in KINDS),
        *(
            _window(getattr(key.limits, name), sum(k.use.window_rate(name, now) for k in akin) / len(akin), wall)
            for name in WINDOWS
        ),
    ]
    return _soonest(runway for runway in found if runway is not None)


def pool_runway(keys: Sequence[Key], now: float, wall: datetime) -> tuple[Runway, list[KeyRunway]]:
    """That of all keys together, and each one's.

    The pool runs out where what is left on all that serve, each group counted once, is used up by all the use there is
    before the last of their limits is whole again. A key that serves and of which nothing is known makes that unknown.
    """
    groups = grouped([key.account for key in keys])
    akin = {place: [keys[other] for other in group] for group in groups for place in group}
    runways = [key_runway(key, akin.get(place, [key]), now, wall) for place, key in enumerate(keys)]
    told = [
        KeyRunway(key.hint, runway.until, runway.back_at, runway.confidence)
        for key, runway in zip(keys, runways, strict=True)
        if runway.confidence is not None
    ]
    first_of_group = {place: group[0] for group in groups for place in group}
    serving = [place for place, key in enumerate(keys) if key.admits(now)]
    counted = {first_of_group.get(place, place): place for place in serving}
    if not serving or any(runways[place].confidence is None for place in counted.values()):
        return Runway(), told
    found = [
        *(_all_of(kind, [keys[place] for place in counted.values()], keys, now, wall) for kind in KINDS),
        _last([runways[place] for place in counted.values()]),
    ]
    return _soonest(runway for runway in found if runway is not None), told


def _all_of(kind: str, counted: Sequence[Key], keys: Sequence[Key], now: float, wall: datetime) -> Runway | None:
    gauges: list[RateLimit] = [getattr(key.limits, kind) for key in counted]
    lefts = [_left(gauge, wall) for gauge in gauges]
    rate = sum(key.use.rate(kind, now) for key in keys)
    if any(left is None for left in lefts):
        return None
    resets = [gauge.reset_at for gauge in gauges if gauge.reset_at is not None and gauge.reset_at > wall]
    left = sum(left for left in lefts if left is not None)
    return _estimate(left, rate, max(resets, default=None), wall)


def _gauge(gauge: RateLimit, rate: float, wall: datetime) -> Runway | None:
    left = _left(gauge, wall)
    if left is None:
        return None
    reset = gauge.reset_at if gauge.reset_at is not None and gauge.reset_at > wall else None
    if left == 0:
        return Runway(wall, reset, "headers")
    return _estimate(left, rate, reset, wall)


def _window(window: LimitWindow | None, rate: float, wall: datetime) -> Runway | None:
    if window is None or window.utilization is None or (window.reset_at is not None and window.reset_at <= wall):
        return None
    if window.utilization >= 1:
        return Runway(wall, window.reset_at, "headers")
    return _estimate(1 - window.utilization, rate, window.reset_at, wall)


def _left(gauge: RateLimit, wall: datetime) -> int | None:
    """What a gauge has left now: all of it where it has been reset since it was told."""
    if gauge.reset_at is not None and gauge.reset_at <= wall:
        return gauge.limit
    return gauge.remaining


def _estimate(left: float, rate: float, reset: datetime | None, wall: datetime) -> Runway:
    seconds = left / rate if rate > 0 else None
    if seconds is None or seconds > 366 * 86_400:
        return Runway(confidence="estimate")
    until = wall + timedelta(seconds=seconds)
    if reset is None or until < reset:
        return Runway(until, reset, "estimate")
    return Runway(confidence="estimate")


def _last(runways: Sequence[Runway]) -> Runway | None:
    """The one that lasts longest; None where any lasts on."""
    ends = [runway.until for runway in runways if runway.until is not None]
    return runways[[runway.until for runway in runways].index(max(ends))] if len(ends) == len(runways) else None


def _soonest(runways: Iterable[Runway]) -> Runway:
    """The one that runs out first, a fact before an estimate of the same moment; nothing where there is none."""
    found = list(runways)
    ending = sorted(
        (runway.until, runway.confidence != "headers", place)
        for place, runway in enumerate(found)
        if runway.until is not None
    )
    if ending:
        return found[ending[0][2]]
    return found[0] if found else Runway()
