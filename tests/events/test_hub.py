"""Every event gets its number and finds its listeners, and none of them can hold the publisher up."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import trio
from attrs import evolve
from trio.testing import assert_checkpoints, wait_all_tasks_blocked

from bridge.events import hub as hub_module
from bridge.events import subscriber as subscriber_module
from bridge.events.hub import Hub
from bridge.events.subscriber import Subscriber
from bridge.events.vocabulary import AnswerDelta, BridgeStopping, Event, EventsDropped
from bridge.events.wire import Envelope, Message, Snapshot, decode
from bridge.limits import LIMITS
from tests.events.interceptions import started
from tests.support.event_samples import START


def delta(number: int) -> AnswerDelta:
    return AnswerDelta("a", str(number))


async def taken(subscriber: Subscriber) -> list[Message]:
    """What is queued for it."""
    with trio.fail_after(1):
        lines = b"".join(await subscriber.take())
        while subscriber.size:
            lines += b"".join(await subscriber.take())
    messages = [decode(line) for line in lines.splitlines()]
    assert None not in messages
    return [message for message in messages if message is not None]


def test_events_are_numbered_from_one_without_a_gap() -> None:
    seen: list[Envelope] = []
    ticks = iter(range(100))

    def wall() -> datetime:
        return START + timedelta(seconds=next(ticks))

    hub = Hub(wall)
    hub.add_sink(seen.append)
    for number in range(5):
        hub.publish(delta(number))
    assert [(envelope.seq, envelope.event) for envelope in seen] == [(number + 1, delta(number)) for number in range(5)]
    assert [envelope.at for envelope in seen] == [START + timedelta(seconds=number) for number in range(5)]
    assert hub.snapshot().seq == 5


def test_a_sink_that_fails_harms_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[Event] = []

    def fail(_: Envelope) -> None:
        raise ValueError("no room")

    hub = Hub()
    hub.add_sink(fail)
    hub.add_sink(lambda envelope: seen.append(envelope.event))
    hub.publish(delta(1))
    hub.publish(delta(2))
    assert seen == [delta(1), delta(2)]
    assert "a sink failed" in "".join(capsys.readouterr())


async def test_every_subscriber_gets_every_event_in_order() -> None:
    hub = Hub()
    early = hub.subscribe()
    hub.publish(delta(1))
    late = hub.subscribe()
    for number in range(2, 2000):
        hub.publish(delta(number))
    first, second = await taken(early), await taken(late)
    assert [message.seq for message in first if isinstance(message, Envelope)] == list(range(1, 2000))
    assert second == first[1:]
    assert hub.subscribers == 2
    hub.unsubscribe(early)
    hub.unsubscribe(early)
    assert hub.subscribers == 1


async def test_taking_waits_for_the_next_event(nursery: trio.Nursery) -> None:
    hub = Hub()
    subscriber = hub.subscribe()
    got: list[list[Message]] = []

    async def take() -> None:
        got.append(await taken(subscriber))

    nursery.start_soon(take)
    await wait_all_tasks_blocked()
    assert not got
    hub.publish(delta(1))
    await wait_all_tasks_blocked()
    assert [message.event for message in got[0] if isinstance(message, Envelope)] == [delta(1)]


async def test_what_is_taken_is_a_checkpoint() -> None:
    hub = Hub()
    subscriber = hub.subscribe()
    hub.publish(delta(1))
    with assert_checkpoints():
        await subscriber.take()


def test_work_is_wanted_only_where_somebody_asks_for_it() -> None:
    hub = Hub()
    assert not hub.wants("answer.delta")
    all_, some, none = hub.subscribe(), hub.subscribe(), hub.subscribe()
    some.types = frozenset({"thought.delta"})
    none.types = frozenset()
    assert hub.wants("answer.delta")
    hub.unsubscribe(all_)
    assert (hub.wants("answer.delta"), hub.wants("thought.delta")) == (False, True)
    hub.unsubscribe(some)
    assert not hub.wants("thought.delta")


async def test_a_filter_lets_through_what_it_names() -> None:
    hub = Hub()
    subscriber = hub.subscribe()
    subscriber.types = frozenset({"bridge.stopping"})
    hub.publish(delta(1))
    hub.publish(BridgeStopping("SIGTERM"))
    (only,) = await taken(subscriber)
    assert isinstance(only, Envelope)
    assert (only.seq, only.event) == (2, BridgeStopping("SIGTERM"))


@pytest.mark.parametrize(("limit", "value"), [("queue_events", 10), ("queue_bytes", 1000), ("queues_bytes", 1000)])
async def test_who_is_too_slow_is_told_so_and_begins_anew(
    limit: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (hub_module, subscriber_module):
        monkeypatch.setattr(module, "LIMITS", evolve(LIMITS, **{limit: value}))
    hub = Hub()
    slow, quick = hub.subscribe(), hub.subscribe()
    hub.publish(started("a"))
    for number in range(50):
        hub.publish(delta(number))
        await taken(quick)
    notice, snapshot = await taken(slow)
    assert isinstance(notice, Envelope)
    assert isinstance(snapshot, Snapshot)
    assert notice.event == EventsDropped(51)
    assert hub.events_dropped == 51
    assert (notice.seq, snapshot.seq) == (51, 51)
    assert snapshot.picture().interceptions["a"].answer == "".join(str(number) for number in range(50))
    hub.publish(delta(99))
    (following,) = await taken(slow)
    assert isinstance(following, Envelope)
    assert following.seq == 52


async def test_an_event_that_cannot_be_told_is_contained(capsys: pytest.CaptureFixture[str]) -> None:
    hub = Hub()
    subscriber = hub.subscribe()
    hub.publish(AnswerDelta("unknown", "half a character: \ud83d"))
    hub.publish(delta(1))
    (only,) = await taken(subscriber)
    assert isinstance(only, Envelope)
    assert (only.seq, only.event) == (2, delta(1))
    assert "an event could not be encoded" in "".join(capsys.readouterr())


async def test_flushed_waits_until_all_was_sent(
    autojump_clock: trio.abc.Clock,  # noqa: ARG001  # it is enough to be asked for
    nursery: trio.Nursery,
) -> None:
    hub = Hub()
    with trio.fail_after(1):
        await hub.flushed()
    subscriber = hub.subscribe()
    hub.publish(delta(1))
    flushed = trio.Event()

    async def flush() -> None:
        await hub.flushed()
        flushed.set()

    nursery.start_soon(flush)
    await trio.sleep(1)
    assert not flushed.is_set()
    await taken(subscriber)
    await trio.sleep(1)
    assert not flushed.is_set()  # taken, but maybe not sent yet

    async def take_next() -> None:
        await subscriber.take()

    nursery.start_soon(take_next)
    with trio.fail_after(1):
        await flushed.wait()
    nursery.cancel_scope.cancel()
