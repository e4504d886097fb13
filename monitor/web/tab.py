"""One tab of a browser: a monitor in a process of its own, spoken to as Textual's web driver has it.

Both ways go packets: a letter (D: keys or what is to be drawn, M: anything else, as JSON), a length of four bytes, and
that many bytes. What comes from a browser is taken only in the forms that its page sends.
"""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from struct import pack, unpack
from typing import cast

from attrs import frozen

from bridge.limits import LIMITS
from monitor.command import environment

GONE_S = 1.0
"""How long it may take to end by itself, in seconds. There is no terminal to put right."""

PRELUDE = b"__GANGLION__\n"
"""The line after which packets come."""

DRIVER = {
    "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver",
    "TEXTUAL_COLOR_SYSTEM": "truecolor",
    "TERM_PROGRAM": "textual",
}


@frozen
class Size:
    """Columns and rows of a page, not more than a screen can have."""

    width: int
    height: int

    @classmethod
    def of(cls, width: object, height: object) -> Size | None:
        """None for what is no size."""
        if type(width) is not int or type(height) is not int or width < 1 or height < 1:
            return None
        return cls(min(width, LIMITS.web_columns), min(height, LIMITS.web_rows))


class Tab:
    """A running monitor, for one page. It ends when its standard input does, also where this process is killed."""

    def __init__(self, process: Process, keys: asyncio.StreamWriter, picture: asyncio.StreamReader) -> None:
        self._process = process
        self._keys = keys
        self._picture = picture

    @classmethod
    async def open(cls, command: Sequence[str], size: Size) -> Tab:
        """Starts it."""
        variables = {**environment(os.environ), **DRIVER, "COLUMNS": str(size.width), "ROWS": str(size.height)}
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, env=variables, start_new_session=True
        )
        return cls(process, cast("asyncio.StreamWriter", process.stdin), cast("asyncio.StreamReader", process.stdout))

    async def show(self, draw: Callable[[bytes], Awaitable[None]]) -> None:
        """Draws what it draws, until it ends."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._picture.readuntil(PRELUDE)
            while True:
                kind, size = unpack(">cI", await self._picture.readexactly(5))
                packet = await self._picture.readexactly(size)
                if kind == b"D":
                    await draw(packet)

    async def take(self, text: str) -> str | None:
        """Takes a message of the page's, and gives the answer to it. What the page would not say is passed over."""
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return None
        match message:
            case ["stdin", str(keys)]:
                # The driver begins as if the page were in the background; where keys come from, it is not.
                await self._send(b"M", b'{"type": "focus"}')
                await self._send(b"D", keys.encode(errors="replace"))
            case ["resize", {"width": width, "height": height}] if size := Size.of(width, height):
                told = {"type": "resize", "width": size.width, "height": size.height}
                await self._send(b"M", json.dumps(told).encode())
            case ["focus" | "blur" as kind]:
                await self._send(b"M", json.dumps({"type": kind}).encode())
            case ["ping", str(sent)]:
                return json.dumps(["pong", sent])
        return None

    async def _send(self, kind: bytes, payload: bytes) -> None:
        with suppress(ConnectionError, RuntimeError):  # it has ended
            self._keys.write(kind + pack(">I", len(payload)) + payload)
            await self._keys.drain()

    async def close(self) -> None:
        """Ends it. Nobody may be in `show` any more."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(GONE_S):
                await self._ended()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._ended()

    async def _ended(self) -> None:
        while await self._picture.read(65_536):  # else it might wait for us
            pass
        await self._process.wait()
