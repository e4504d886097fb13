"""What is done to a bridge during a soak: by clients, good ones and such that leave, by subscribers, by its owner."""

from __future__ import annotations

import random
import signal
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable

import orjson
import trio
from attrs import Factory, define, field

from tests.faults.fuzz.subject import Bridge
from tests.faults.soak.provider import STREAMS, WHOLE
from tests.support.command_line import Home
from tests.support.world import ask

PATHS = {
    "/openai/v1/responses": "/v1/responses",
    "/openai/v1/chat/completions": "/v1/chat/completions",
    "/anthropic/v1/messages": "/v1/messages",
}
PATIENCE_S = 60.0
RELOAD_S = 3.0


@define
class Work:
    """All that is under way. `done` counts by what it was, `wrong` is what should have gone well."""

    bridge: Bridge
    here: Home
    configuration: str
    chance: random.Random
    done: Counter[str] = Factory(Counter)
    wrong: list[str] = field(factory=list)
    _asked: int = 0

    async def run(self, workers: int) -> None:
        """Works until cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(workers):
                nursery.start_soon(self._worker)
            nursery.start_soon(self._owner)

    async def _worker(self) -> None:
        names, weights = list(KINDS), [weight for _, weight in KINDS.values()]
        while True:
            (name,) = self.chance.choices(names, weights)
            kind, _ = KINDS[name]
            try:
                with trio.fail_after(PATIENCE_S):
                    await kind(self)
            except (trio.TooSlowError, OSError, AssertionError, trio.BrokenResourceError) as error:
                self.wrong.append(f"{name}: {error!r}")
            self.done[name] += 1
            await trio.sleep(self.chance.random() * 0.02)

    async def _owner(self) -> None:
        """Changes the configuration now and then, and has it read again."""
        for count in range(1_000_000):
            await trio.sleep(RELOAD_S)
            self.here.configure(
                self.configuration.replace("idle_timeout", f'strategy = "{ORDERS[count % 3]}"\nidle_timeout')
            )
            self.bridge.subject.process.send_signal(signal.SIGHUP)
            self.done["reload"] += 1

    def body(self, *, stream: bool, failing: int = 0) -> bytes:
        """A request that may wish for attempts to fail."""
        self._asked += 1
        return orjson.dumps(
            {
                "model": f"model-{self._asked % 50}",
                "stream": stream,
                "stream_options": {"include_usage": True},
                "input": "Why is the job slow on Mondays?",
                "messages": [{"role": "user", "content": "Why is the job slow on Mondays?"}],
                "metadata": {"wish": f"{self._asked}:{failing}"},
            }
        )

    async def _expect(self, *, stream: bool, failing: int = 0) -> None:
        path = self.chance.choice(list(PATHS))
        answer = await ask(self.bridge.port, self.body(stream=stream, failing=failing), path=path)
        whole = b"".join(STREAMS[PATHS[path]]) if stream else WHOLE
        if (answer.status, answer.body, answer.complete) != (200, whole, True):
            self.wrong.append(f"{path} was answered {answer.status}, {answer.body[:300]!r}")

    async def stream(self) -> None:
        """A stream, to its end."""
        await self._expect(stream=True)

    async def whole(self) -> None:
        """An answer in one piece."""
        await self._expect(stream=False)

    async def failover(self) -> None:
        """An answer for which one or two keys fail first."""
        await self._expect(stream=self.chance.random() < 0.5, failing=self.chance.choice([1, 2]))

    async def refused(self) -> None:
        """What is answered by the bridge itself."""
        answer = await ask(self.bridge.port, b"nonsense", path=self.chance.choice(list(PATHS)))
        if answer.status != 400:
            self.wrong.append(f"nonsense was answered {answer.status}")

    async def page(self) -> None:
        """A page of the bridge's own."""
        answer = await ask(self.bridge.port, b"", path=self.chance.choice(["/healthz", "/metrics"]), method="GET")
        if answer.status != 200:
            self.wrong.append(f"a page was answered {answer.status}")

    async def abort(self) -> None:
        """A client that leaves in the middle."""
        body = self.body(stream=True)
        path = self.chance.choice(list(PATHS))
        said = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.bridge.port}\r\nContent-Length: {len(body)}\r\n\r\n"
        async with await trio.open_tcp_stream("127.0.0.1", self.bridge.port) as stream:
            await stream.send_all(said.encode() + body[: self.chance.choice([10, len(body), len(body)])])
            with trio.move_on_after(self.chance.random() * 0.05):
                while await stream.receive_some(1000):
                    pass
            if self.chance.random() < 0.5:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def subscribe(self) -> None:
        """A subscriber that reads for a while, or never."""
        async with await trio.open_unix_socket(str(self.bridge.socket)) as stream:
            reads = self.chance.random() < 0.7
            with trio.move_on_after(self.chance.random()):
                while reads and await stream.receive_some(65536):
                    pass
                await trio.sleep_forever()


ORDERS = ["fallback", "round_robin", "most_headroom"]

KINDS: dict[str, tuple[Callable[[Work], Awaitable[None]], int]] = {
    "stream": (Work.stream, 30),
    "whole": (Work.whole, 20),
    "abort": (Work.abort, 20),
    "failover": (Work.failover, 10),
    "refused": (Work.refused, 5),
    "page": (Work.page, 5),
    "subscriber": (Work.subscribe, 10),
}
"""With their weights."""
