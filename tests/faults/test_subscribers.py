"""Subscribers that misbehave on the event socket, and who may own its path."""

from __future__ import annotations

import socket
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from attrs import evolve

from bridge.config.settings import RecordSettings
from bridge.errors import StartError
from bridge.events.client import NoBridge, read_snapshot
from bridge.events.subscriber import BATCH
from bridge.events.vocabulary import BridgeStopping
from bridge.keys.secret import hint
from bridge.limits import LIMITS
from bridge.server import Bridge
from tests.faults.answers import begin_and_hang
from tests.faults.census import nothing_left
from tests.faults.subscriber import RawSubscriber, subscriber
from tests.faults.wire import BEGUN, client, request
from tests.support.command_line import Said, clearspan, home
from tests.support.until import until
from tests.support.world import HELLO, KEYS, World, ask, provider, say_hello, world

EVENTS = 2000
LARGE = "x" * 10_000
"""Large enough that the queue of one who never reads must overflow."""


async def test_one_that_never_reads_costs_the_others_nothing() -> None:
    async with (
        provider(say_hello) as url,
        world(url) as here,
        nothing_left(here),
        subscriber(here.socket) as dead,
        subscriber(here.socket) as live,
    ):
        for number in range(EVENTS):
            here.bridge.hub.publish(BridgeStopping(f"{number} {LARGE}"))
            if number % 50 == 0:
                assert (await ask(here.port)).body == b"".join(HELLO)
            await live.until("bridge.stopping", reason=f"{number} {LARGE}")
        sequence = [line["seq"] for line in live.lines[2:]]
        assert sequence == list(range(sequence[0], sequence[0] + len(sequence)))  # every event, in order
        assert {line["type"] for line in live.lines} & {"events.dropped"} == set()

        lost = await dead.until("events.dropped")
        assert lost["count"] > 0
        fresh = await dead.next()
        assert fresh is not None
        assert (fresh["type"], len(fresh["interceptions"])) == ("snapshot", EVENTS // 50)
        here.bridge.hub.publish(BridgeStopping("the last"))
        after = await dead.until("bridge.stopping", reason="the last")
        assert after["seq"] == fresh["seq"] + 1
        told = [line["seq"] for line in dead.lines[2:-3]]
        assert len(told) + lost["count"] == fresh["seq"] - dead.lines[1]["seq"]


async def test_one_that_leaves_is_forgotten() -> None:
    async with provider(say_hello) as url, world(url) as here, nothing_left(here):
        for _ in range(50):
            async with subscriber(here.socket):
                here.bridge.hub.publish(BridgeStopping("x"))
        await ask(here.port)
        await until(lambda: not here.bridge.hub.subscribers)  # each notices by itself that its reader is gone


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"garbage", "not JSON"),
        (b"[1]", "a message is a JSON object"),
        (b"\xff\xfe", "not JSON"),
        (b"{}", "'n' must be a whole number"),
        (b'{"n":true,"command":"snapshot"}', "'n' must be a whole number"),
        (b'{"n":1}', "'command' must be a string"),
        (b'{"n":1,"command":"cancel","id":7}', "'id' must be a string"),
        (b'{"n":1,"command":"dance"}', "unknown command; known: cancel, key.reset"),
        (b'{"n":1,"command":"cancel","id":"nobody"}', "no interception of that id is running"),
        (b'{"n":1,"command":"cancel"}', "no interception"),
        (b'{"n":1,"command":"key.reset","provider":"other","key":"x"}', "unknown provider; known: openai"),
        (b'{"n":1,"command":"key.reset","provider":"openai","key":"x"}', "openai has no such key; its keys: "),
        (b'{"n":1,"command":"filter"}', "'filter' needs 'types'"),
        (b'{"n":1,"command":"filter","types":"all"}', "'types' must be a list of strings"),
        (
            b'{"n":1,"command":"filter","types":["weather"]}',
            "'types' has 1 that are unknown; known: interception.started",
        ),
        (b"x" * (LIMITS.line_bytes + 1), "a line is at most 4096 bytes"),
        (b"x" * 1_000_000, "a line is at most 4096 bytes"),
    ],
    ids=lambda value: ascii(value[:40]),
)
async def test_a_bad_line_has_one_reply_and_the_connection_stays(line: bytes, error: str) -> None:
    async with provider(say_hello) as url, world(url) as here, subscriber(here.socket) as listening:
        for _ in range(3):
            await listening.say(line)
            reply = await listening.until("reply")
            assert reply["ok"] is False
            assert reply["error"].startswith(error)
        assert (await listening.command(5, "snapshot"))["ok"] is True
        assert [message["to"] for message in listening.lines if message["type"] == "reply"][3:] == [5]


async def test_the_longest_line_and_empty_ones() -> None:
    async with provider(say_hello) as url, world(url) as here, subscriber(here.socket) as listening:
        await listening.say(b"\n\r\n  ")
        command = b'{"n":1,"command":"snapshot"}'
        await listening.say(command + b" " * (LIMITS.line_bytes - len(command)))
        assert (await listening.until("reply"))["to"] == 1
        await listening.stream.send_all(b'{"n":2,"com')
        await trio.testing.wait_all_tasks_blocked()
        await listening.stream.send_all(b'mand":"snapshot"}\n{"n":3,"command":"snapshot"}\n')
        assert [(await listening.until("reply"))["to"] for _ in range(2)] == [2, 3]


async def test_a_running_interception_is_cancelled_by_command() -> None:
    async with provider(begin_and_hang) as url, world(url) as here, subscriber(here.socket) as listening:
        async with nothing_left(here), client(here.port) as asking:
            await asking.send(request(here.port))
            started = await listening.until("interception.started")
            await asking.received(BEGUN)
            assert (await listening.command(1, "cancel", id=started["id"]))["ok"] is True
            ended = await listening.until("interception.ended", id=started["id"])
            assert (ended["outcome"], ended["error"]) == ("cancelled", "cancelled by the bridge's owner")
            answer = await asking.answer()
            assert answer is not None
            assert (b"event: error" in answer.body, answer.complete) == (True, False)
        assert (await listening.command(2, "cancel", id=started["id"]))["ok"] is False


async def test_keys_are_changed_by_command() -> None:
    first = hint(KEYS[0])
    async with provider(say_hello) as url, world(url, KEYS[:2]) as here, subscriber(here.socket) as listening:
        for number, (command, state) in enumerate([("disable", "disabled"), ("enable", "valid")]):
            assert (await listening.command(number, f"key.{command}", provider="openai", key=first))["ok"] is True
            assert (await listening.until("key.changed"))["state"] == state
        assert (await listening.command(9, "key.reset", provider="openai", key=first))["ok"] is True


async def test_a_filter_leaves_out_the_rest() -> None:
    async with provider(say_hello) as url, world(url) as here, subscriber(here.socket) as listening:
        assert (await listening.command(1, "filter", types=["interception.ended"]))["ok"] is True
        await ask(here.port)
        assert (await listening.next() or {})["type"] == "interception.ended"


async def test_a_second_bridge_on_the_same_socket_is_refused() -> None:
    async with provider(say_hello) as url, world(url) as here, subscriber(here.socket) as listening:
        async with nothing_left():
            second = Bridge(evolve(here.bridge._settings))
            with pytest.raises(StartError, match=f"another bridge already uses the event socket {here.socket}"):
                await second.run()
        assert (await listening.command(1, "snapshot"))["ok"] is True  # the first one's is as it was


@asynccontextmanager
async def another_at(path: Path, here: World) -> AsyncIterator[None]:
    """One more bridge, with its event socket there."""
    settings = here.bridge._settings
    server = evolve(settings.server, socket=path)
    bridge = Bridge(evolve(settings, server=server, record=RecordSettings(path=None)))
    async with trio.open_nursery() as nursery:
        await nursery.start(bridge.run)
        yield
        bridge.stop("the test is over")


async def test_a_file_left_by_a_killed_bridge_is_taken_over(tmp_path: Path) -> None:
    left = tmp_path / "events.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left))
    assert left.is_socket()
    async with provider(say_hello) as url, world(url) as here, another_at(left, here), subscriber(left):
        assert stat.S_IMODE(left.stat().st_mode) == 0o600
    assert not left.exists()


async def test_who_may_connect(tmp_path: Path) -> None:
    path = tmp_path / "new" / "events.sock"
    async with provider(say_hello) as url, world(url) as here, another_at(path, here):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    async with provider(say_hello) as url, world(url) as here:
        with pytest.RaisesGroup(pytest.RaisesExc(StartError, match="chmod 700")):
            async with another_at(shared / "events.sock", here):
                pass


async def test_many_that_never_read_take_no_more_than_their_bound() -> None:
    async with provider(say_hello) as url, world(url) as here, nothing_left(here), AsyncExitStack() as stack:
        hub = here.bridge.hub
        for _ in range(20):
            dead = await stack.enter_async_context(subscriber(here.socket))
            await dead.say({"n": 1, "command": "snapshot"})
        for number in range(EVENTS):
            hub.publish(BridgeStopping(f"{number} {LARGE}"))
            assert hub.queues.size <= LIMITS.queue_bytes + 20 * BATCH  # and not 20 times that: lines are shared
            assert hub.snapshots.size <= LIMITS.snapshots_bytes
            if number % 100 == 0:
                assert (await ask(here.port, b"", path="/healthz", method="GET")).status == 200
                assert (await ask(here.port)).body == b"".join(HELLO)


async def test_further_subscribers_are_told_so_and_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.events.socket.LIMITS", evolve(LIMITS, subscribers=2))
    async with provider(say_hello) as url, world(url) as here, subscriber(here.socket) as first:
        async with subscriber(here.socket), await trio.open_unix_socket(here.socket) as third:
            turned_away = RawSubscriber(third)
            line = await turned_away.next()
            assert line == {"type": "reply", "to": None, "ok": False, "error": line and line["error"]}
            assert "2 subscribers already" in str(line)
            assert await turned_away.next() is None
            with pytest.raises(NoBridge, match="2 subscribers already"):
                await trio.to_thread.run_sync(read_snapshot, here.socket)
        await until(lambda: here.bridge.hub.subscribers == 1)
        async with subscriber(here.socket):
            assert (await first.command(1, "snapshot"))["ok"] is True


async def test_what_is_no_event_bears_the_number_of_the_last_event() -> None:
    async with provider(say_hello) as url, world(url) as here:
        await ask(here.port)
        await here.event("interception.ended")
        async with subscriber(here.socket) as listening:
            assert [line["seq"] for line in listening.lines] == [here.bridge.hub.seq] * 2
            assert all(line["at"].endswith("Z") for line in listening.lines)
            reply = await listening.command(1, "snapshot")
            assert reply.keys() == {"type", "to", "ok", "error"}
            assert listening.lines[-2]["type"] == "snapshot"


async def test_run_finds_a_bridge_that_takes_no_further_subscriber(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.events.socket.LIMITS", evolve(LIMITS, subscribers=1))
    async with provider(say_hello) as url, world(url) as here, subscriber(here.socket):
        with home() as place:

            async def run(port: int) -> Said:
                command = ("sh", "-c", "echo $OPENAI_BASE_URL")
                return await clearspan(place, "run", "--port", str(port), "--socket", str(here.socket), "--", *command)

            found = await run(here.port)
            assert (found.code, found.out) == (0, f"{here.url}/openai/v1\n")
            lost = await run(0)
            assert (lost.code, lost.out) == (1, "")
            assert "turns us away" in lost.err
            assert "1 subscribers already" in lost.err
