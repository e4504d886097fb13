"""An MCP server that is a program of ours: JSON-RPC messages as lines on its standard streams.

Not the library's own transport, which holds a line however long it becomes, hands the terminal's standard error on, and
leaves the program running where we are killed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import anyio
import trio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCError, jsonrpc_message_adapter

from bridge.limits import KIB, LIMITS
from bridge.observe.logs import logger
from bridge.process.companion import Companion, companion
from bridge.tools.lines import BoundedLines, TooLong

log = logger("tools")

CHUNK = 64 * KIB
LONGEST_REMARK = 4 * KIB
"""Bytes of a line on a server's standard error that are logged; the rest of it is left out."""

ANSWERS = re.compile(rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*(\d{1,9})\s*[,}]')
"""The beginning of an answer, by which is known whose it is even if it is too long to be read."""

Heard = MemoryObjectSendStream[SessionMessage | Exception]
Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


class ProgramEnded(Exception):
    """The server's program is gone; its text says why."""


@asynccontextmanager
async def program(name: str, words: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[Streams]:
    """Runs a server while the block runs; gives the messages from it, and where those to it go.

    The block is cancelled and ProgramEnded raised when the program ends or says what can't be read. Raises what
    `companion` does.
    """
    incoming, messages = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, sent = anyio.create_memory_object_stream[SessionMessage](0)
    async with companion(words, environment) as server, trio.open_nursery() as nursery:
        with incoming, messages, outgoing, sent:
            nursery.start_soon(_read, server, incoming)
            nursery.start_soon(_write, server, sent)
            nursery.start_soon(_overhear, name, server)
            yield messages, outgoing
            nursery.cancel_scope.cancel()


async def _read(server: Companion, incoming: Heard) -> None:
    lines = BoundedLines(LIMITS.tool_message_bytes)
    while chunk := await _chunk(server.stdout):
        for line in lines.feed(chunk):
            await _deliver(line, incoming)
    await server.process.wait()
    fault = server.fault()
    code = server.process.returncode
    raise ProgramEnded(f"it can't be started: {fault}" if fault else f"it ended with exit code {code}")


async def _deliver(line: bytes | TooLong, incoming: Heard) -> None:
    if isinstance(line, TooLong):
        found = ANSWERS.match(line.beginning)
        if found is None:
            raise ProgramEnded(f"it sent a line of more than {LIMITS.tool_message_bytes} bytes")
        fault = ErrorData(code=INTERNAL_ERROR, message=f"an answer of more than {LIMITS.tool_message_bytes} bytes")
        await incoming.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=int(found[1]), error=fault)))
        return
    try:
        message = await _parsed(line)
    except ValueError:
        log.debug("a tool server said what is no message")  # many print to where messages belong
        return
    await incoming.send(message)


async def _parsed(line: bytes) -> SessionMessage:
    if len(line) <= LIMITS.on_loop_bytes:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    return SessionMessage(await trio.to_thread.run_sync(lambda: jsonrpc_message_adapter.validate_json(line)))


async def _write(server: Companion, sent: MemoryObjectReceiveStream[SessionMessage]) -> None:
    with sent:  # closed at its end, so that nobody waits to be heard by a program that is gone
        async for message in sent:
            line = message.message.model_dump_json(by_alias=True, exclude_unset=True) + "\n"
            try:
                await server.stdin.send_all(line.encode())
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return  # the reader sees its end too, and says why


async def _overhear(name: str, server: Companion) -> None:
    lines = BoundedLines(LONGEST_REMARK)
    while chunk := await _chunk(server.stderr):
        for line in lines.feed(chunk):
            text = line.beginning if isinstance(line, TooLong) else line
            log.debug("a tool server says", server=name, text=text.decode("utf-8", "replace"))


async def _chunk(stream: trio.abc.ReceiveStream) -> bytes:
    try:
        return bytes(await stream.receive_some(CHUNK))
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return b""
