"""When a client that takes its answer slowly is given up: never while it takes anything."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from attrs import define, field
from hypercorn.trio.worker_context import WorkerContext

from bridge.http import connection
from bridge.http.connection import STALL_S, Connection
from bridge.http.engine import engine_config


@define
class Kernel:
    """A socket's send side: a buffer with room in large steps, and a client that takes so much a minute for a while."""

    room: int
    step: int
    by_minute: list[int]
    held: int = 0
    taken: bytearray = field(factory=bytearray)
    _began: float = field(factory=trio.current_time)
    _minutes: int = 0
    _sent: bytearray = field(factory=bytearray)

    def unsent(self, _descriptor: int = 0) -> int:
        """What is held for the client now."""
        self._pass_time()
        return len(self._sent) - len(self.taken)

    def fileno(self) -> int:
        """No matter."""
        return 0

    def sent_at_once(self, _descriptor: int, data: memoryview) -> int:
        """Takes what there is room for now."""
        accepted = min(len(data), self.room - self.unsent())
        self._sent += data[:accepted]
        return accepted

    async def send(self, data: Any) -> int:
        """Takes what there is room for; waits until that is at least a step."""
        while self.room - self.unsent() < self.step:  # noqa: ASYNC110  # as a client takes by the minute
            await trio.sleep(1)
        accepted = min(len(data), self.room - self.unsent())
        self._sent += data[:accepted]
        return accepted

    def _pass_time(self) -> None:
        while self._minutes < min(len(self.by_minute), (trio.current_time() - self._began) // 60):
            upto = len(self.taken) + self.by_minute[self._minutes]
            self.taken += self._sent[len(self.taken) : upto]
            self._minutes += 1


def sending(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """A connection with that kernel below it."""
    monkeypatch.setattr(connection, "unsent", kernel.unsent)
    monkeypatch.setattr(connection, "sent_at_once", kernel.sent_at_once)

    class Stream:
        socket = kernel

    stream: Any = Stream()
    unused: Any = None
    return Connection(stream, unused, unused, engine_config(), WorkerContext(None))


async def test_a_client_that_takes_something_between_two_stalls_stays(
    autojump_clock: trio.abc.Clock,  # noqa: ARG001  # it is enough to be asked for
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert STALL_S == 60
    kernel = Kernel(room=1000, step=300, by_minute=[100, 100, 100, 100, 100, 100, *[300] * 10])
    data = bytes(range(256)) * 10
    await sending(kernel, monkeypatch)._send_all(memoryview(data))
    assert bytes(kernel._sent) == data


async def test_a_client_that_takes_nothing_is_given_up(
    autojump_clock: trio.abc.Clock,  # noqa: ARG001  # it is enough to be asked for
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernel = Kernel(room=1000, step=300, by_minute=[400, 0, 0, 0, 0])
    began = trio.current_time()
    with pytest.raises(TimeoutError):
        await sending(kernel, monkeypatch)._send_all(memoryview(bytes(5000)))
    assert 60 < trio.current_time() - began < 240
