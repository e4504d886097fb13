"""The monitor's end of the event socket: reads messages, sends commands, and connects again whenever it must.

A `Source` is whatever the dashboard can watch; a recorded log can be one as well as a live bridge. It delivers by
plain calls, in order, on the event loop; a delivery must not wait.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from attrs import evolve

from bridge.events.wire import PROTOCOL, Command, Hello, History, Reply, decode, encode
from monitor.state.state import BadLine, Incoming, Lost

Deliver = Callable[[Incoming], None]

RETRY_S = 0.5
"""Pause between attempts to connect; the first after a lost connection is made at once."""

REPLY_S = 5.0
"""How long a command waits for its reply."""

SEARCH_S = 30.0
"""The same, where the record is searched for a text: it may be read from end to end."""

CHUNK = 16 * 1024
"""Bytes taken at a time: some ninety events, two milliseconds of work. A key goes through a dozen of the loop's turns
until it is painted, and while there is more to read than can be taken in, each turn has such a piece in it."""

LONGEST_LINE = 512 * 1024 * 1024
"""A snapshot of 200 talkative requests is tens of megabytes; a line beyond this is no snapshot."""


class Source(Protocol):
    """Where messages come from and commands go."""

    async def run(self, deliver: Deliver) -> None:
        """Delivers until it is cancelled."""

    async def send(self, command: Command) -> Reply:
        """Sends the command under a number of its own and awaits the reply; where none can come, it is not ok."""


class ProtocolMismatch(Exception):
    """The bridge speaks another version of the protocol."""


class TurnedAway(Exception):
    """The bridge serves no further subscriber now; the text says why."""


class BridgeSource:
    """A source that is a bridge behind a Unix socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._numbers = itertools.count(1)

    async def run(self, deliver: Deliver) -> None:
        """Connects, delivers, reports a loss, tries again, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            reason = await self._attend(deliver)
            deliver(Lost(reason))
            # A connection that held for a while earns a retry at once; one that dies young must not spin.
            await asyncio.sleep(0 if loop.time() - began > RETRY_S else RETRY_S)

    async def _attend(self, deliver: Deliver) -> str:
        """One connection from its beginning to its end; says why it ended."""
        try:
            reader, writer = await asyncio.open_unix_connection(self.path)
        except OSError as error:
            return _why(error)
        self._writer = writer
        try:
            lines = LineSplitter(LONGEST_LINE)
            while chunk := await reader.read(CHUNK):
                for line in lines.feed(chunk):
                    self._take(line, deliver)
                # read() does not yield while there is something to read, and the keyboard must be heard.
                await asyncio.sleep(0)
        except (OSError, ProtocolMismatch, TurnedAway) as error:
            return _why(error)
        finally:
            self._writer = None
            writer.close()
            self._give_up("the connection to the bridge was lost")
        return "the bridge closed the connection"

    def _take(self, line: bytes | None, deliver: Deliver) -> None:
        if line is None:
            deliver(BadLine("longer than any message"))
            return
        try:
            message = decode(line)
        except (ValueError, LookupError, TypeError) as error:  # WireError is a ValueError
            deliver(BadLine(str(error)))
            return
        if isinstance(message, Hello) and message.protocol != PROTOCOL:
            raise ProtocolMismatch(f"the bridge speaks protocol {message.protocol}, this monitor {PROTOCOL}")
        if isinstance(message, Reply):
            if message.to is None:  # no line of ours is bad: the bridge has too many subscribers
                raise TurnedAway(message.error)
            waiting = self._waiting.get(message.to or 0)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
        if message is not None:
            deliver(message)
        if isinstance(message, History):  # it stands in the place of a reply, and what it holds is known by now
            waiting = self._waiting.get(message.to)
            if waiting is not None and not waiting.done():
                waiting.set_result(Reply(message.to, ok=True))

    async def send(self, command: Command) -> Reply:
        """See `Source`."""
        if self._writer is None:
            return Reply(None, ok=False, error="not connected to the bridge")
        n = next(self._numbers)
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[n] = reply
        try:
            async with asyncio.timeout(REPLY_S if command.text is None else SEARCH_S):
                self._writer.write(encode(evolve(command, n=n)))
                await self._writer.drain()
                return await reply
        except TimeoutError:
            return Reply(n, ok=False, error="the bridge did not answer")
        except OSError as error:
            return Reply(n, ok=False, error=_why(error))
        finally:
            del self._waiting[n]

    def _give_up(self, reason: str) -> None:
        for n, waiting in self._waiting.items():
            if not waiting.done():
                waiting.set_result(Reply(n, ok=False, error=reason))


class LineSplitter:
    """Bytes into lines, however they were cut; a line of more than `limit` bytes comes out as None."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._begun: list[bytes] = []
        self._length = 0

    def feed(self, chunk: bytes) -> Iterator[bytes | None]:
        """The lines that `chunk` completes, without their newlines; empty ones are left out."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._keep(end)
            if self._length > self._limit:
                yield None
            elif line := b"".join(self._begun):
                yield line
            self._begun, self._length = [], 0
        self._keep(rest)

    def _keep(self, part: bytes) -> None:
        self._length += len(part)
        if self._length > self._limit:
            self._begun = []
        else:
            self._begun.append(part)


def _why(error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return "no bridge has made this socket yet"
        case ConnectionRefusedError():
            return "nobody listens on this socket"
        case PermissionError():
            return "this socket belongs to somebody else"
        case OSError(strerror=str(text)):
            return text.lower()
    return str(error)
