"""What was used over time: requests, tokens, cost, failovers and errors, by model, client, session and key.

A pure fold over the same events as the picture, in bounded buckets. A snapshot carries no history, but its requests
say when they began and ended: what it tells that was not known before is counted at those times (`catch_up`), and so
are requests that the record tells of (`recall`). What neither carries is lost here: the times of tokens (they count at
the request's end, for the key that was tried last) and of an attempt's failure (it counts when the attempt began).

A key counts attempts where the others count requests, since one request may use several.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, tzinfo

from attrs import Factory, define

from bridge.events.entries import Interception, Tokens, Totals
from bridge.events.picture import Picture
from bridge.events.values import Outcome
from bridge.events.vocabulary import (
    AttemptFailed,
    AttemptStarted,
    Event,
    InterceptionEnded,
    InterceptionStarted,
    TokensUsed,
)
from monitor.state.agent_sums import AgentSums
from monitor.state.breakdown import Breakdown, add
from monitor.state.buckets import Buckets

SHORT_S, SHORT_COUNT = 5, 120
"""Ten minutes, fine enough for a minute's sparkline."""

LONG_S, LONG_COUNT = 1_800, 48
"""A day in half hours."""

USE_S, USE_COUNT = 20, 30
"""Ten minutes of a key's uses."""

KEYS = 500
"""Keys whose uses are kept, and keys and sessions that are told apart in the sums of today; those used last stay."""

COUNTED = 20_000
"""Requests that are known to be counted; more than what is read of a day."""


@define
class KeyUses:
    """Attempts with one key, and how many of them failed."""

    tried: int = 0
    failed: int = 0


def _uses() -> Buckets[KeyUses]:
    return Buckets(USE_S, USE_COUNT, KeyUses)


@define
class UsageHistory:
    """The buckets. `zone` decides where a day begins."""

    zone: tzinfo = UTC
    short: Buckets[Breakdown] = Factory(lambda: Buckets(SHORT_S, SHORT_COUNT, Breakdown))
    long: Buckets[Breakdown] = Factory(lambda: Buckets(LONG_S, LONG_COUNT, Breakdown))
    day: date | None = None
    today: Breakdown = Factory(lambda: Breakdown(most_pairs=KEYS))
    since: datetime | None = None
    """From when on all that happened is in the sums."""
    first: datetime | None = None
    """When the first of what is counted today happened."""
    keys: dict[tuple[str, str], Buckets[KeyUses]] = Factory(dict)
    agents: AgentSums = Factory(AgentSums)
    _counted: dict[str, None] = Factory(dict)
    """The requests that are in the sums, the last to come last."""
    _recalls: bool = False
    """Whether what is counted now is long over: it takes no name from what came later."""

    def note(self, event: Event, at: datetime, picture: Picture) -> None:
        """Counts an event that the picture has taken in already."""
        request = picture.interceptions.get(getattr(event, "id", ""))
        if request is None:
            return
        match event:
            case InterceptionStarted():
                self._begin(request, at)
            case AttemptStarted():
                self._tried(request, event.key, at, failed=0)
                if len(request.attempts) > 1 and request.attempts[-2].failed:
                    self._count(request, at, Totals(failovers=1))
            case AttemptFailed():
                self._use(request, event.key, at, KeyUses(0, 1))
            case TokensUsed():
                self._use_tokens(request, at, Tokens.of(event))
            case InterceptionEnded():
                self._count(request, at, _ending(event.outcome))

    def catch_up(self, before: Picture, after: Picture, at: datetime) -> None:
        """Counts what a snapshot tells that the picture before it did not."""
        for request in after.interceptions.values():
            self._count_on(request, before.interceptions.get(request.id), at)

    def recall(self, requests: Iterable[Interception]) -> None:
        """Counts requests that were over before anybody here heard of them."""
        self._recalls = True
        for request in requests:
            self._count_on(request, None, request.started_at)
        self._recalls = False

    def finish(self, known: Interception, request: Interception) -> None:
        """Counts how a request ended that was counted as far as `known` goes."""
        self._count_on(request, known, request.started_at)

    def has_counted(self, id_: str) -> bool:
        """Whether something of that request is in the sums already."""
        return id_ in self._counted

    def _begin(self, request: Interception, at: datetime) -> None:
        self._counted[request.id] = None
        while len(self._counted) > COUNTED:
            del self._counted[next(iter(self._counted))]
        self._count(request, at, Totals(interceptions=1))

    def _count_on(self, request: Interception, known: Interception | None, at: datetime) -> None:
        """Counts what is new of a request since it was as `known`; `at` is when, where it has not ended."""
        if known is None:
            self._begin(request, request.started_at)
        seen = {attempt.attempt: attempt for attempt in known.attempts} if known else {}
        for place, attempt in enumerate(request.attempts):
            earlier = seen.get(attempt.attempt)
            failed = attempt.reason is not None and (earlier is None or earlier.reason is None)
            if earlier is None:
                self._tried(request, attempt.key, attempt.started_at, failed=int(failed))
                if place and request.attempts[place - 1].failed:
                    self._count(request, attempt.started_at, Totals(failovers=1))
            elif failed:
                self._use(request, attempt.key, attempt.started_at, KeyUses(0, 1))
        ended = request.ended_at or at
        if request.tokens is not None:
            self._use_tokens(request, ended, _difference(request.tokens, known.tokens if known else None))
        if request.outcome is not None and (known is None or known.outcome is None):
            self._count(request, ended, _ending(request.outcome))

    def over(self, now: datetime, seconds: int) -> Breakdown:
        """The sums over the last minutes, at most ten."""
        sums = Breakdown()
        for breakdown in self.short.last(now, seconds // SHORT_S):
            if breakdown is not None:
                sums.add(breakdown)
        return sums

    def on(self, now: datetime) -> Breakdown:
        """The sums of today."""
        return self.today if now.astimezone(self.zone).date() == self.day else Breakdown()

    def key_tokens(self, name: tuple[str, str], now: datetime) -> Tokens | None:
        """What was used with a key today; None where nothing was."""
        totals = self.on(now).keys.get(name)
        return None if totals is None or totals.tokens == Tokens() else totals.tokens

    def _count(self, request: Interception, at: datetime, counted: Totals) -> None:
        self.agents.count(request, counted, late=self._recalls)
        for breakdown in self._breakdowns(at):
            for mine in breakdown.parts(request, late=self._recalls):
                add(mine, counted)

    def _use_tokens(self, request: Interception, at: datetime, used: Tokens) -> None:
        counted = Totals(tokens=used)
        self._count(request, at, counted)
        if not request.attempts:
            return
        self._count_for_key(request, request.attempts[-1].key, at, counted)

    def _count_for_key(self, request: Interception, key: str, at: datetime, counted: Totals) -> None:
        for breakdown in self._breakdowns(at):
            add(breakdown.of_key(request.started.provider, key, late=self._recalls), counted)

    def _breakdowns(self, at: datetime) -> list[Breakdown]:
        """Those that something at that time is counted in."""
        day = at.astimezone(self.zone).date()
        if self.day is None or day > self.day:
            self.day, self.today, self.first = day, Breakdown(most_pairs=KEYS), at
        if day == self.day:
            self.first = at if self.first is None else min(self.first, at)
        self.since = at if self.since is None else min(self.since, at)
        breakdowns = [self.short.at(at), self.long.at(at), self.today if day == self.day else None]
        return [breakdown for breakdown in breakdowns if breakdown is not None]

    def _tried(self, request: Interception, key: str, at: datetime, *, failed: int) -> None:
        self._use(request, key, at, KeyUses(1, failed))

    def _use(self, request: Interception, key: str, at: datetime, uses: KeyUses) -> None:
        name = (request.started.provider, key)
        buckets = self.keys.pop(name, None) or _uses()
        self.keys[name] = buckets  # last: the key used last is the last to be forgotten
        while len(self.keys) > KEYS:
            del self.keys[next(iter(self.keys))]
        bucket = buckets.at(at)
        if bucket is not None:
            bucket.tried += uses.tried
            bucket.failed += uses.failed
        self._count_for_key(request, key, at, Totals(interceptions=uses.tried, failed=uses.failed))


def _ending(outcome: Outcome) -> Totals:
    counted = Totals()
    setattr(counted, outcome.value, 1)
    return counted


def _difference(after: Tokens, before: Tokens | None) -> Tokens:
    """What came on top; a snapshot's sums never fall."""
    if before is None:
        before = Tokens()
    cost = None if after.cost_usd is None else after.cost_usd - (before.cost_usd or 0.0)
    saved = None if after.cache_saved_usd is None else after.cache_saved_usd - (before.cache_saved_usd or 0.0)
    return Tokens(
        after.input - before.input,
        after.output - before.output,
        after.cache_read_input - before.cache_read_input,
        after.cache_write_input - before.cache_write_input,
        {name: count - before.extra.get(name, 0) for name, count in after.extra.items()},
        cost,
        partial=after.partial,
        unpriced=after.unpriced - before.unpriced,
        cache_saved_usd=saved,
    )
