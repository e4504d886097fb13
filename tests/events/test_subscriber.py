"""A subscriber's queue: lines that are shared, snapshots in their place, and never more than a few of them."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from attrs import evolve
from trio.testing import MockClock

from bridge.events import hub as hub_module
from bridge.events import snapshots as snapshots_module
from bridge.events.hub import Hub
from bridge.events.subscriber import ASKED, GATHER_S, Subscriber
from bridge.events.vocabulary import AnswerDelta, EventsDropped
from bridge.events.wire import Envelope, Message, Reply, Snapshot, decode, encode, encode_snapshot
from bridge.limits import LIMITS, MIB
from tests.events.interceptions import started
from tests.support.until import until

LINE = AnswerDelta("nobody", "x" * 100_000)
LINE_SIZE = 100_000


async def messages(subscriber: Subscriber) -> list[Message]:
    """What it gets next."""
    with trio.fail_after(5):
        told = [decode(line) for line in b"".join(await subscriber.take()).splitlines()]
    return [message for message in told if message is not None]


def delta(number: int) -> AnswerDelta:
    return AnswerDelta("a", f"{number} ")


def numbers(told: list[Message]) -> list[int]:
    return [message.seq for message in told if isinstance(message, Envelope | Snapshot)]


async def test_a_snapshot_that_is_asked_for_comes_in_its_place_and_the_reply_after_it() -> None:
    hub = Hub()
    subscriber = hub.subscribe()
    hub.publish(started("a"))
    hub.publish(delta(2))
    await subscriber.ask(7)
    hub.publish(delta(3))
    told = await messages(subscriber)
    hub.publish(delta(4))
    told += await messages(subscriber)
    hub.publish(delta(5))
    told += await messages(subscriber)
    assert numbers(told) == [1, 2, 3, 3, 4, 5]
    assert [type(message) for message in told[2:6]] == [Envelope, Snapshot, Reply, Envelope]
    snapshot, reply = told[3:5]
    assert isinstance(snapshot, Snapshot)
    assert snapshot.interceptions[0].answer == "2 3 "
    assert reply == Reply(7, ok=True)


async def test_the_first_line_of_an_opening_subscriber_is_a_snapshot_and_nothing_is_missed() -> None:
    hub = Hub()
    hub.publish(started("a"))
    subscriber = hub.subscribe(opening=True)
    hub.publish(delta(2))  # which the snapshot has
    told = await messages(subscriber)
    hub.publish(delta(3))
    told += await messages(subscriber)
    assert [type(message) for message in told] == [Snapshot, Envelope]
    assert numbers(told) == [2, 3]


async def test_commanded_snapshots_are_few_and_each_command_has_its_reply(
    autojump_clock: trio.testing.MockClock,  # noqa: ARG001  # it is enough to be asked for
    nursery: trio.Nursery,
) -> None:
    hub = Hub()
    subscriber = hub.subscribe()
    given: list[float] = []
    replies: list[int | None] = []

    async def read() -> None:
        while True:
            told = await messages(subscriber)
            given.extend(trio.current_time() for message in told if isinstance(message, Snapshot))
            replies.extend(message.to for message in told if isinstance(message, Reply))

    nursery.start_soon(read)
    for n in range(100):
        await subscriber.ask(n)
        await trio.sleep(0.05)
    await trio.sleep(2)
    assert replies == list(range(100))
    assert len(given) <= 7 * LIMITS.snapshots_per_s
    assert all(later - earlier > 0.999 for earlier, later in zip(given, given[LIMITS.snapshots_per_s :], strict=False))
    nursery.cancel_scope.cancel()


async def test_who_asks_without_end_waits_and_is_not_remembered_without_end(nursery: trio.Nursery) -> None:
    hub = Hub()
    subscriber = hub.subscribe()
    asked: list[int] = []

    async def ask() -> None:
        for n in range(10 * ASKED):
            await subscriber.ask(n)
            asked.append(n)

    nursery.start_soon(ask)
    await trio.testing.wait_all_tasks_blocked()
    assert len(asked) == ASKED
    assert len([message for message in await messages(subscriber) if isinstance(message, Reply)]) == ASKED
    nursery.cancel_scope.cancel()


async def test_a_line_that_many_wait_for_is_kept_once() -> None:
    hub = Hub()
    subscribers = [hub.subscribe() for _ in range(20)]
    for _ in range(10):
        hub.publish(LINE)
    assert 10 * LINE_SIZE < hub.queues.size < 10 * LINE_SIZE + 2000
    taken = [(await subscriber.take())[0] for subscriber in subscribers]
    assert len({id(line) for line in taken}) == 1
    assert hub.queues.size > 10 * LINE_SIZE  # on their way, and not sent yet
    for subscriber in subscribers:
        hub.unsubscribe(subscriber)
    assert hub.queues.size == 0


async def test_all_queues_together_are_bounded_and_the_longest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "LIMITS", evolve(LIMITS, queues_bytes=MIB))
    hub = Hub()
    slow, quick = hub.subscribe(), hub.subscribe()
    for _ in range(100):
        hub.publish(LINE)
        assert hub.queues.size <= MIB
        await messages(quick)
    told = await messages(slow)
    assert [type(message) for message in told] == [Envelope, Snapshot]
    assert isinstance(told[0], Envelope)
    assert told[0].event == EventsDropped(100)
    assert hub.events_dropped == 100


async def test_who_takes_no_end_of_large_lines_is_let_go_and_others_lose_nothing(
    monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    monkeypatch.setattr(hub_module, "LIMITS", evolve(LIMITS, queues_bytes=4 * LINE_SIZE))
    hub = Hub()
    quick = hub.subscribe()
    told: list[Message] = []
    closed: list[int] = []

    async def read() -> None:
        while True:
            told.extend(await messages(quick))

    nursery.start_soon(read)
    for number in range(6):
        stuck = hub.subscribe()
        stuck.close = lambda number=number: closed.append(number)  # type: ignore[misc]
        hub.publish(LINE)
        await stuck.take()  # and it sends no end of it
        stuck.types = frozenset()
        await trio.testing.wait_all_tasks_blocked()
    assert [type(message) for message in told] == [Envelope] * 6
    assert closed
    nursery.cancel_scope.cancel()


async def test_a_loss_keeps_the_replies_that_were_due(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()
    subscriber = hub.subscribe()
    await subscriber.ask(1)
    snapshot = hub.snapshots._capture()
    subscriber._begin(snapshot)  # its place is in the queue, and nothing was sent yet
    snapshot.take_over(encode_snapshot(hub.snapshot()))
    monkeypatch.setattr("bridge.events.subscriber.LIMITS", evolve(LIMITS, queue_bytes=LINE_SIZE))
    hub.publish(LINE)
    told = await messages(subscriber)
    assert [type(message) for message in told] == [Envelope, Snapshot, Reply]
    assert (numbers(told), told[2]) == ([1, 1], Reply(1, ok=True))


async def test_a_snapshot_is_encoded_once_for_all_who_need_it(
    monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    made: list[int] = []
    free = trio.Event()

    def encode(snapshot: Snapshot) -> list[bytes]:
        made.append(snapshot.seq)
        if len(made) == 1:
            trio.from_thread.run(free.wait)
        return encode_snapshot(snapshot)

    monkeypatch.setattr(snapshots_module, "encode_snapshot", encode)
    monkeypatch.setattr(hub_module, "LIMITS", evolve(LIMITS, on_loop_bytes=0))
    hub = Hub()
    hub.publish(started("a"))
    subscribers = [hub.subscribe(opening=True) for _ in range(20)]
    told: list[list[Message]] = []

    async def read(subscriber: Subscriber) -> None:
        told.append(await messages(subscriber))

    for subscriber in subscribers:
        nursery.start_soon(read, subscriber)
    await until(lambda: bool(made))
    for number in range(2, 10):
        hub.publish(delta(number))  # while the first is being encoded; nothing here waits for it
    free.set()
    await until(lambda: len(told) == 20)
    assert made in ([1], [1, 9])  # the rest share the second, if the first was taken before they asked
    shown = {(message.seq, message.interceptions[0].answer) for (message,) in told if isinstance(message, Snapshot)}
    assert shown <= {(1, ""), (9, "2 3 4 5 6 7 8 9 ")}  # each is that of its own number


async def test_publishing_never_makes_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.events.subscriber.LIMITS", evolve(LIMITS, queue_bytes=LINE_SIZE))
    hub = Hub()
    monkeypatch.setattr(hub.snapshots, "_make", lambda: pytest.fail("nobody has taken it"))
    subscriber, opening = hub.subscribe(), hub.subscribe(opening=True)
    await subscriber.ask(1)
    for _ in range(10):
        hub.publish(LINE)
    assert (subscriber.caught_up, opening.caught_up) == (False, False)


async def test_who_does_not_read_its_snapshot_is_let_go_when_others_need_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots_module, "LIMITS", evolve(LIMITS, snapshots_bytes=3 * LINE_SIZE))
    hub = Hub()
    hub.publish(evolve(started("a"), model="x" * 60_000, user_agent="y" * 60_000))
    stuck = [hub.subscribe(opening=True) for _ in range(6)]
    closed: list[int] = []
    for place, subscriber in enumerate(stuck):
        subscriber.close = lambda place=place: closed.append(place)  # type: ignore[misc]
        await subscriber.take()  # and it sends no end of it
        hub.publish(delta(place))
        assert hub.snapshots.size <= 3 * LINE_SIZE or closed
        for number in closed:
            hub.unsubscribe(stuck[number])
    assert closed == [0, 1, 2, 3]


async def test_a_line_of_its_own_stands_behind_what_was_queued_and_is_waited_for() -> None:
    hub = Hub()
    subscriber = hub.subscribe()
    hub.publish(delta(1))
    sent = trio.Event()

    async def place() -> None:
        await subscriber.place(lambda: [encode(Reply(hub.seq, ok=True))])
        sent.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(place)
        await trio.testing.wait_all_tasks_blocked()
        hub.publish(delta(2))
        told = await messages(subscriber)
        told += await messages(subscriber)
        await trio.testing.wait_all_tasks_blocked()
        assert not sent.is_set()  # it is on its way
        told += await messages(subscriber)
        await sent.wait()
    assert [type(message) for message in told] == [Envelope, Reply, Envelope]
    assert told[1] == Reply(1, ok=True)


async def test_a_line_of_its_own_outlives_a_queue_that_is_lost() -> None:
    hub = Hub()
    subscriber = hub.subscribe()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(subscriber.place, lambda: [encode(Reply(hub.seq, ok=True))])
        await trio.testing.wait_all_tasks_blocked()
        for number in range(LIMITS.queue_events + 1):
            hub.publish(delta(number))
        told = await messages(subscriber) + await messages(subscriber)
        nursery.cancel_scope.cancel()
    dropped, snapshot, line = told
    assert isinstance(dropped, Envelope)
    assert isinstance(snapshot, Snapshot)
    assert line == Reply(snapshot.seq, ok=True)


async def test_a_line_of_its_own_never_stands_before_the_first_snapshot() -> None:
    hub = Hub()
    subscriber = hub.subscribe(opening=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(subscriber.place, lambda: [encode(Reply(7, ok=True))])
        await trio.testing.wait_all_tasks_blocked()
        told = await messages(subscriber) + await messages(subscriber)
        nursery.cancel_scope.cancel()
    assert [type(message) for message in told] == [Snapshot, Reply]


async def test_lines_that_come_soon_after_others_go_out_together(mock_clock: MockClock) -> None:
    hub = Hub()
    subscriber = hub.subscribe()
    told: list[list[int]] = []

    async def listen() -> None:
        while True:
            told.append(numbers(await messages(subscriber)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await trio.testing.wait_all_tasks_blocked()
        hub.publish(started("a"))
        await trio.testing.wait_all_tasks_blocked()
        assert told == [[1]]  # the first at once
        for number in (2, 3):
            hub.publish(delta(number))
            await trio.testing.wait_all_tasks_blocked()
        assert told == [[1]]
        mock_clock.jump(GATHER_S)
        await trio.testing.wait_all_tasks_blocked()
        assert told == [[1], [2, 3]]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("urgent", ["much", "reply"])
async def test_what_is_much_or_waited_for_does_not_wait(urgent: str, mock_clock: MockClock) -> None:  # noqa: ARG001  # it stands still
    hub = Hub()
    subscriber = hub.subscribe()
    hub.publish(started("a"))
    await messages(subscriber)
    async with trio.open_nursery() as nursery:
        if urgent == "much":
            hub.publish(LINE)
        else:
            hub.publish(delta(2))
            nursery.start_soon(subscriber.place, lambda: [b"{}\n"])
        await trio.testing.wait_all_tasks_blocked()
        assert await subscriber.take()
        nursery.cancel_scope.cancel()
