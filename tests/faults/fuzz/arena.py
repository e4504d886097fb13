"""Where inputs are thrown: the bridge, the provider behind it, and what a batch found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from random import Random

from attrs import Factory, define, field, frozen

from tests.faults.fuzz.inputs import Input
from tests.faults.fuzz.recording import ANSWER, Got, RecordingProvider
from tests.faults.fuzz.sending import STATUS, until_closed
from tests.faults.fuzz.subject import Bridge, Subject, settled
from tests.support.command_line import Home

OWN_KEY = b"sk-own-key-of-the-fuzzer-0001"
POOL_KEY = "sk-pool-key-of-the-fuzzer-0002"
FAILED = b"the bridge failed; its log says why"
OVER_S = 60.0
"""Every bad answer is over by then; the longest stalls for some seconds."""
GOOD_BODY = b'{"model":"m","input":"good"}'


@define
class Arena:
    """One bridge under test. `wrong` is what it did that it must not do, `statuses` what it answered."""

    bridge: Bridge
    provider: RecordingProvider
    page: Subject | None = None
    allowed: Counter[Got] = Factory(Counter)
    """What may have reached the provider in this batch, and how often."""
    statuses: Counter[str] = Factory(Counter)
    wrong: list[str] = field(factory=list)

    def count(self, came: bytes) -> list[bytes]:
        """Counts the statuses in these bytes; one of 500 must not be. Returns them."""
        found = STATUS.findall(came)
        self.statuses.update(status.decode() for status in found)
        if b"500" in found or FAILED in came:
            self.wrong.append(f"status 500: {came[:300]!r}")
        if OWN_KEY in came or POOL_KEY.encode() in came:
            self.wrong.append(f"a key came back: {came[:300]!r}")
        return found

    async def good(self) -> None:
        """A good request, which must be served.

        It waits for the end of bad answers: what comes late on a connection that was kept, and is just being used
        again, can't be told from the answer to this request (RFC 9112, 9.2); and one that stalls after a whole
        response takes this request and says nothing.
        """
        await settled(lambda: not self.provider.answering, OVER_S)
        got = (b"POST", b"/v1/responses", GOOD_BODY)
        self.allowed[got] += 1
        before = self.provider.got[got]
        came = await until_closed(self.bridge.port, request(b"/openai/v1/responses", GOOD_BODY))
        if came is None or not came.startswith(b"HTTP/1.1 200 ") or ANSWER not in came:
            self.wrong.append(f"a good request was not served: {came!r}")
        elif self.provider.got[got] <= before:
            self.wrong.append("a good request did not reach the provider")


@frozen
class Target:
    """One kind of input: how it is made, how it is thrown, and its part of a run over all kinds."""

    name: str
    share: int
    make: Callable[[Random], Input]
    throw: Callable[[Arena, int, Input], Awaitable[None]]
    calm: str
    """The ending with which chance has the least to say, for finding out what it is that breaks something."""
    at_once: int = 32
    patience: str = "10s"
    """How long the bridge waits for the provider."""
    page: Callable[[Home], AbstractAsyncContextManager[Subject]] | None = None
    """Starts the web page that is thrown at instead of the bridge."""
    check: Callable[[Arena], Awaitable[None]] | None = None
    """Checks what must hold of this target beside all else."""


def request(path: bytes, body: bytes, headers: bytes = b"", *, close: bool = True) -> bytes:
    """A good request with a key of its own."""
    return (
        b"POST %s HTTP/1.1\r\nHost: fuzz.example\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n%s%s\r\n%s"
        % (path, OWN_KEY, len(body), b"Connection: close\r\n" if close else b"", headers, body)
    )
