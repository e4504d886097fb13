"""A subscriber on a real event socket, line by line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import trio
from attrs import define, field


@define
class RawSubscriber:
    """One connection to a bridge's event socket. `lines` is all that was read from it so far, in order."""

    stream: trio.SocketStream
    lines: list[dict[str, Any]] = field(factory=list)
    _pending: bytes = b""

    async def next(self) -> dict[str, Any] | None:
        """The next line; None at the end."""
        while b"\n" not in self._pending:
            data = await self.stream.receive_some(65536)
            if not data:
                return None
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        message: dict[str, Any] = orjson.loads(line)
        self.lines.append(message)
        return message

    async def until(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The next line of that type and with those fields; what comes before it is skipped."""
        with trio.fail_after(10):
            while (message := await self.next()) is not None:
                if message["type"] == kind and all(message.get(name) == value for name, value in fields.items()):
                    return message
        raise AssertionError(f"the socket was closed before any {kind} {fields}")

    async def say(self, line: bytes | dict[str, Any]) -> None:
        """Sends a line."""
        await self.stream.send_all((orjson.dumps(line) if isinstance(line, dict) else line) + b"\n")

    async def command(self, number: int, command: str, **fields: Any) -> dict[str, Any]:
        """Gives a command and returns the reply to it."""
        await self.say({"n": number, "command": command, **fields})
        return await self.until("reply", to=number)


@asynccontextmanager
async def subscriber(path: Path) -> AsyncIterator[RawSubscriber]:
    """A subscriber that has had its `hello` and `snapshot`."""
    async with await trio.open_unix_socket(path) as stream:
        listening = RawSubscriber(stream)
        await listening.until("hello")
        await listening.until("snapshot")
        yield listening
