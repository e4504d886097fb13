"""A fault of the bridge's own costs what it is about, and nothing else."""

from __future__ import annotations

import errno
from typing import Any, cast

import pytest
import trio
import trio.testing
from attrs import frozen

from bridge import app
from bridge.accept import accept
from bridge.apis.readers import AnswerReader
from bridge.events.wire import Envelope
from bridge.http.engine import Http1
from bridge.observe.logs import logger
from tests.faults.census import nothing_left
from tests.faults.conftest import Contained
from tests.faults.wire import BEGUN, client, request
from tests.support.world import HELLO, KEYS, STREAM, Asked, Reply, ask, provider, say_hello, world


def fail(*_: Any, **__: Any) -> Any:
    """Where a bug is."""
    raise RuntimeError(f"a bug that knows {KEYS[0]}")


async def test_in_the_app(monkeypatch: pytest.MonkeyPatch, contained: Contained) -> None:
    """Other requests go on; the client learns that it failed, and nothing of what it saw."""
    contained.expect("a request failed inside the bridge")
    resume = trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(BEGUN)
        await resume.wait()
        await reply.chunk(HELLO[2])
        await reply.end()

    async with provider(handle) as url, world(url) as here, nothing_left(here), client(here.port) as good:
        await good.send(request(here.port))
        await good.received(BEGUN)
        monkeypatch.setattr(app, "identify", fail)
        answer = await ask(here.port)
        assert (answer.status, answer.json["error"]["code"]) == (500, "server_error")
        assert answer.header("x-clearspan-interception")
        assert KEYS[0].encode() not in answer.body
        resume.set()
        whole = await good.answer()
        assert whole is not None
        assert (whole.body, whole.complete) == (b"".join(HELLO), True)


async def test_in_an_interception(monkeypatch: pytest.MonkeyPatch, contained: Contained) -> None:
    contained.expect("a request failed inside the bridge")
    async with provider(say_hello) as url, world(url) as here, nothing_left(here):
        with monkeypatch.context() as broken:
            broken.setattr("bridge.interception.interception.Failover", fail)
            assert (await ask(here.port)).status == 500
            ended = await here.event("interception.ended")
            assert (ended.outcome, ended.error) == ("failed", "the bridge failed")
        assert (await ask(here.port)).body == b"".join(HELLO)


async def test_in_a_reader(monkeypatch: pytest.MonkeyPatch, contained: Contained) -> None:
    """What is read of an answer is for the owner: the client gets every byte all the same."""
    contained.expect("an answer could not be read")
    monkeypatch.setattr(AnswerReader, "feed", fail)
    async with provider(say_hello) as url, world(url) as here:
        answer = await ask(here.port)
        assert (answer.body, answer.complete) == (b"".join(HELLO), True)


async def test_in_the_engine(monkeypatch: pytest.MonkeyPatch, contained: Contained) -> None:
    contained.expect("a connection failed")
    async with provider(say_hello) as url, world(url) as here, nothing_left(here):
        with monkeypatch.context() as broken, trio.fail_after(5):
            broken.setattr(Http1, "_create_stream", fail)
            for _ in range(20):
                async with client(here.port) as odd_client:
                    await odd_client.send(request(here.port))
                    assert await odd_client.until_closed() == b""
        assert (await ask(here.port)).body == b"".join(HELLO)


async def test_in_a_sink(contained: Contained) -> None:
    contained.expect("a sink failed")

    def sink(_: Envelope) -> None:
        fail()

    async with provider(say_hello) as url, world(url) as here:
        here.bridge.hub.add_sink(sink)
        assert (await ask(here.port)).body == b"".join(HELLO)


@pytest.mark.usefixtures("autojump_clock")
async def test_no_descriptor_left_to_accept_a_client() -> None:
    """It waits and tries again; clients wait in the kernel's queue meanwhile."""
    stream, _ = trio.testing.memory_stream_pair()
    outcomes: list[Any] = [OSError(errno.EMFILE, "too many"), OSError(errno.ENOBUFS, "no room"), stream]
    scarce = cast("trio.SocketListener", Scripted(outcomes))
    assert await accept(scarce, logger("test")) is cast("trio.SocketStream", stream)


async def test_an_unknown_fault_of_a_listener_is_told_and_not_tried_again() -> None:
    outcomes: list[Any] = [OSError(errno.EBADF, "bad descriptor"), OSError(errno.EBADF, "bad descriptor")]
    with pytest.raises(OSError, match="bad descriptor"):
        await accept(cast("trio.SocketListener", Scripted(outcomes)), logger("test"))
    assert len(outcomes) == 1


@frozen
class Scripted:
    """A listener whose `accept` does what was written down, one thing after the other."""

    outcomes: list[Any]

    async def accept(self) -> Any:
        """The next outcome."""
        await trio.lowlevel.checkpoint()
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, OSError):
            raise outcome
        return outcome
