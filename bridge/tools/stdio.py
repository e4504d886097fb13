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
from mcp_types import JSONRPCMessage, jsonrpc_message_adapter

from bridge.limits import KIB, LIMITS
from bridge.observe.logs import logger
from bridge.process.companion import Companion, companion
from bridge.tools.lines import BoundedLines, TooLong
from bridge.tools.questions import Questions, refusal

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
    questions = Questions()
    async with companion(words, environment) as server, trio.open_nursery() as nursery:
        with incoming, messages, outgoing, sent:
            nursery.start_soon(_read, server, incoming, questions)
            nursery.start_soon(_write, server, sent, questions)
            nursery.start_soon(_overhear, name, server)
            yield messages, outgoing
            nursery.cancel_scope.cancel()


async def _read(server: Companion, incoming: Heard, questions: Questions) -> None:
    lines = BoundedLines(LIMITS.tool_message_bytes)
    while chunk := await _chunk(server.stdout):
        for line in lines.feed(chunk):
            await _deliver(line, incoming, questions)
    await server.process.wait()
    fault = server.fault()
    code = server.process.returncode
    raise ProgramEnded(f"it can't be started: {fault}" if fault else f"it ended with exit code {code}")


async def _deliver(line: bytes | TooLong, incoming: Heard, questions: Questions) -> None:
    if isinstance(line, TooLong):
        found = ANSWERS.match(line.beginning)
        if found is None:
            raise ProgramEnded(f"it sent a line of more than {LIMITS.tool_message_bytes} bytes")
        long = refusal(int(found[1]), f"an answer of more than {LIMITS.tool_message_bytes} bytes")
        await incoming.send(SessionMessage(questions.answered(long)))
        return
    if len(line) <= LIMITS.on_loop_bytes:
        message = _understood(line, questions)
    else:
        message = await trio.to_thread.run_sync(_understood, line, questions)
    if message is not None:
        await incoming.send(SessionMessage(message))


def _understood(line: bytes, questions: Questions) -> JSONRPCMessage | None:
    """What a line says; None where that is nothing."""
    try:
        return questions.answered(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        refused = questions.spoiled(line)
        if refused is None:
            log.debug("a tool server said what is no message")
        return refused


async def _write(server: Companion, sent: MemoryObjectReceiveStream[SessionMessage], questions: Questions) -> None:
    with sent:  # closed at its end, so that nobody waits to be heard by a program that is gone
        async for message in sent:
            questions.sent(message.message)
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
