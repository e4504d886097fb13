"""The event socket: a Unix stream socket on which subscribers read events and give commands (docs/events.md).

Who may connect is decided by the file system (directory 0700, socket 0600) and, where the platform tells, by the
peer's user id. Nothing a subscriber does or leaves undone reaches further than its own task.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from bridge.accept import accept
from bridge.errors import StartError
from bridge.events.claim import Claim
from bridge.events.hub import Hub, Subscriber
from bridge.events.vocabulary import EVENT_TYPES
from bridge.events.wire import Command, Hello, Reply, WireError, decode_command, encode
from bridge.observe.logs import logger

log = logger("socket")

LINE_LIMIT = 4096
"""The longest line a subscriber may send, in bytes."""

LOOK_S = 2.0
"""How often is looked whether the socket still lies where it was made, in seconds."""

FAREWELL_S = 0.5
"""How long a stopping bridge lets its subscribers read what is queued, in seconds."""

Perform = Callable[[Command], None]
"""Carries a command out; raises CommandRefused with the reason where it can't."""


class CommandRefused(Exception):
    """A command that can't be carried out; its text is the reply's `error`."""


@asynccontextmanager
async def event_socket(path: Path, hub: Hub, hello: Callable[[], Hello], perform: Perform) -> AsyncIterator[None]:
    """Serves subscribers on `path` while the block runs. Raises StartError where another bridge owns the path."""
    claim = Claim(path)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_accept, claim, hub, hello, perform)
            try:
                yield
            finally:
                with trio.move_on_after(FAREWELL_S, shield=True):
                    await hub.flushed()  # whoever reads gets the last events too
                nursery.cancel_scope.cancel()
    finally:
        claim.release()


async def _accept(claim: Claim, hub: Hub, hello: Callable[[], Hello], perform: Perform) -> None:
    async with trio.open_nursery() as subscribers:
        while True:
            async with trio.SocketListener(trio.socket.from_stdlib_socket(claim.listening)) as listener:
                with trio.CancelScope() as scope:
                    subscribers.start_soon(_watch, claim, scope)
                    while True:
                        subscribers.start_soon(_serve, await accept(listener, log), hub, hello, perform)
            await _renew(claim)


async def _watch(claim: Claim, scope: trio.CancelScope) -> None:
    """Ends the scope when a new connection can't find its way to us any more. Those that we have stay."""
    while claim.is_whole():  # noqa: ASYNC110  the file system tells nobody
        await trio.sleep(LOOK_S)
    scope.cancel()


async def _renew(claim: Claim) -> None:
    told = False
    while True:
        try:
            claim.renew()
        except (StartError, OSError) as error:
            if not told:
                log.warning("the event socket is gone and can't be made again yet", error=str(error))
            told = True
            await trio.sleep(LOOK_S)
        else:
            log.warning("the event socket was removed; it was made again")
            return


async def _serve(stream: trio.SocketStream, hub: Hub, hello: Callable[[], Hello], perform: Perform) -> None:
    try:
        async with stream:
            if not _same_user(stream.socket):
                return
            subscriber = hub.subscribe()
            first = encode(hello()) + encode(hub.snapshot())  # no checkpoint since subscribing: nothing is missed
            try:
                async with trio.open_nursery() as nursery:
                    replies = _Replies(stream)
                    await replies.send(first)
                    nursery.start_soon(_write, subscriber, replies)
                    await _handle_commands(stream, subscriber, replies, hub, perform)
                    nursery.cancel_scope.cancel()
            finally:
                hub.unsubscribe(subscriber)
    except* (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # it left
    except* Exception:  # a boundary: a subscriber's fault stays its own
        log.exception("a subscriber's connection failed")


class _Replies:
    """One writer at a time on a stream that events and replies share."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._lock = trio.Lock()

    async def send(self, data: bytes) -> None:
        async with self._lock:
            await self._stream.send_all(data)


async def _write(subscriber: Subscriber, replies: _Replies) -> None:
    while True:
        await replies.send(await subscriber.take())


async def _handle_commands(
    stream: trio.SocketStream, subscriber: Subscriber, replies: _Replies, hub: Hub, perform: Perform
) -> None:
    pending = bytearray()
    refused = False  # the line that is coming was too long already, and has had its reply
    while chunk := await stream.receive_some(LINE_LIMIT):
        pending += chunk
        *lines, pending = pending.split(b"\n")
        for line in lines:
            if not refused and line.strip():
                await replies.send(_reply_to(bytes(line), subscriber, hub, perform))
            refused = False
        if len(pending) > LINE_LIMIT:
            if not refused:
                await replies.send(_reply_to(bytes(pending), subscriber, hub, perform))
            refused = True
            pending.clear()


def _reply_to(line: bytes, subscriber: Subscriber, hub: Hub, perform: Perform) -> bytes:
    if len(line) > LINE_LIMIT:
        return encode(Reply(None, ok=False, error=f"a line is at most {LINE_LIMIT} bytes"))
    try:
        command = decode_command(line)
    except WireError as error:
        return encode(Reply(None, ok=False, error=str(error)))
    try:
        match command.command:
            case "snapshot":
                return encode(hub.snapshot()) + encode(Reply(command.n, ok=True))
            case "filter":
                subscriber.types = _types(command)
            case _:
                perform(command)
    except CommandRefused as error:
        return encode(Reply(command.n, ok=False, error=str(error)))
    return encode(Reply(command.n, ok=True))


def _types(command: Command) -> frozenset[str]:
    if command.types is None:
        raise CommandRefused("'filter' needs 'types', a list of event types")
    unknown = sorted(set(command.types) - EVENT_TYPES.keys())
    if unknown:
        raise CommandRefused(f"unknown event types: {', '.join(unknown)}")
    return frozenset(command.types)


def _same_user(connection: trio.socket.SocketType) -> bool:
    if sys.platform != "linux":
        return True  # the directory's mode guards alone
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return bool(uid == os.getuid())
