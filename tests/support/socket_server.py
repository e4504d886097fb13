"""A Unix socket that a test serves in the bridge's place."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

DEADLINE_S = 10.0

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(path: Path, serve: Serve) -> AsyncIterator[None]:
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[cast("asyncio.Task[None]", asyncio.current_task())] = writer
        with suppress(OSError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_unix_server(serve_and_close, path)
    try:
        yield
    finally:
        server.close()
        for writer in connections.values():
            writer.close()
        await asyncio.gather(*connections, return_exceptions=True)
        with suppress(FileNotFoundError):  # Python 3.13 does it by itself
            os.unlink(path)  # noqa: PTH108  pathlib's would be called blocking here


def in_a_directory(test: Callable[[Path], Coroutine[None, None, None]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(test(Path(directory) / "events.sock"))
