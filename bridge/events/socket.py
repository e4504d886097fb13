"""The event socket: a Unix stream socket on which subscribers read events and give commands (docs/events.md).

Who may connect is decided by the file system (directory 0700, socket 0600) and, where the platform tells, by the
peer's user id. Nothing a subscriber does or leaves undone reaches further than its own task.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from bridge.accept import accept
from bridge.errors import StartError
from bridge.events.claim import Claim
from bridge.events.hub import Hub, utc_now
from bridge.events.subscriber import Subscriber
from bridge.events.vocabulary import EVENT_TYPES
from bridge.events.wire import Command, Hello, Reply, Tools, WireError, decode_command, encode, encode_history
from bridge.limits import LIMITS
from bridge.observe.logs import logger
from bridge.value_classes import frozen

log = logger("socket")

LOOK_S = 2.0
"""How often is looked whether the socket still lies where it was made, in seconds."""

FAREWELL_S = 0.5
"""How long a stopping bridge lets its subscribers read what is queued, in seconds."""

Perform = Callable[[Command], Tools | None]
"""Carries a command out, and gives what is to come in the place of a reply, if anything; raises CommandRefused with the
reason where it can't."""


@frozen
class Past:
    """Past interceptions, newest first, encoded as they stand in a snapshot; `more` where there are older ones."""

    interceptions: list[bytes]
    more: bool


Remember = Callable[[Command], Awaitable[Past]]
"""Looks up what a `history` command asks for; raises CommandRefused with the reason where it can't."""


class CommandRefused(Exception):
    """A command that can't be carried out; its text is the reply's `error`."""


async def _remember_nothing(_command: Command) -> Past:
    raise CommandRefused("nothing is recorded here")


@frozen
class Service:
    """What subscribers are served with."""

    hub: Hub
    hello: Callable[[], Hello]
    perform: Perform
    remember: Remember


@asynccontextmanager
async def event_socket(
    path: Path, hub: Hub, hello: Callable[[], Hello], perform: Perform, remember: Remember = _remember_nothing
) -> AsyncIterator[None]:
    """Serves subscribers on `path` while the block runs. Raises StartError where another bridge owns the path."""
    claim = Claim(path)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_accept, claim, Service(hub, hello, perform, remember))
            try:
                yield
            finally:
                with trio.move_on_after(FAREWELL_S, shield=True):
                    await hub.flushed()  # whoever reads gets the last events too
                nursery.cancel_scope.cancel()
    finally:
        claim.release()


async def _accept(claim: Claim, service: Service) -> None:
    async with trio.open_nursery() as subscribers:
        while True:
            async with trio.SocketListener(trio.socket.from_stdlib_socket(claim.listening)) as listener:
                with trio.CancelScope() as scope:
                    subscribers.start_soon(_watch, claim, scope)
                    while True:
                        subscribers.start_soon(_serve, await accept(listener, log), service)
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


async def _serve(stream: trio.SocketStream, service: Service) -> None:
    hub = service.hub
    try:
        async with stream:
            if not _same_user(stream.socket):
                return
            if hub.subscribers >= LIMITS.subscribers:
                why = f"the bridge has {LIMITS.subscribers} subscribers already, which is as many as it serves"
                await stream.send_all(encode(Reply(None, ok=False, error=f"{why}; close one of them first")))
                return
            subscriber = hub.subscribe(opening=True)
            try:
                async with trio.open_nursery() as nursery:
                    subscriber.close = nursery.cancel_scope.cancel
                    writer = _Writer(stream)
                    await writer.send([encode(service.hello())])
                    nursery.start_soon(_write, subscriber, writer)
                    await _handle_commands(stream, subscriber, writer, service)
                    nursery.cancel_scope.cancel()
            finally:
                hub.unsubscribe(subscriber)
    except* (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # it left
    except* Exception:  # a boundary: a subscriber's fault stays its own
        log.exception("a subscriber's connection failed")


class _Writer:
    """Sends whole lines, one sender at a time: events and replies share the stream."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._lock = trio.Lock()

    async def send(self, pieces: list[bytes]) -> None:
        async with self._lock:
            for piece in pieces:
                await self._stream.send_all(piece)


async def _write(subscriber: Subscriber, writer: _Writer) -> None:
    while True:
        await writer.send(await subscriber.take())


async def _handle_commands(
    stream: trio.SocketStream, subscriber: Subscriber, writer: _Writer, service: Service
) -> None:
    pending = bytearray()
    refused = False  # the line that is coming was too long already, and has had its reply
    while chunk := await stream.receive_some(LIMITS.line_bytes):
        pending += chunk
        *lines, pending = pending.split(b"\n")
        for line in lines:
            if not refused and line.strip():
                await _answer(bytes(line), subscriber, writer, service)
            refused = False
        if len(pending) > LIMITS.line_bytes:
            if not refused:
                await _answer(bytes(pending), subscriber, writer, service)
            refused = True
            pending.clear()


async def _answer(line: bytes, subscriber: Subscriber, writer: _Writer, service: Service) -> None:
    if len(line) > LIMITS.line_bytes:
        await writer.send([encode(Reply(None, ok=False, error=f"a line is at most {LIMITS.line_bytes} bytes"))])
        return
    try:
        command = decode_command(line)
    except WireError as error:
        await writer.send([encode(Reply(None, ok=False, error=str(error)))])
        return
    match command.command:
        case "snapshot":
            await subscriber.ask(command.n)  # which replies in its place
        case "history":
            await _tell_history(command, subscriber, writer, service)
        case _:
            await writer.send([encode(_carry_out(command, subscriber, service.perform))])


async def _tell_history(command: Command, subscriber: Subscriber, writer: _Writer, service: Service) -> None:
    """Looks it up, and puts it among the events; further commands wait until it is sent, so that none pile up."""
    try:
        past = await service.remember(command)
    except CommandRefused as error:
        await writer.send([encode(Reply(command.n, ok=False, error=str(error)))])
        return

    def lines() -> list[bytes]:
        return encode_history(service.hub.seq, utc_now(), command.n, past.interceptions, more=past.more)

    await subscriber.place(lines)


def _carry_out(command: Command, subscriber: Subscriber, perform: Perform) -> Reply | Tools:
    try:
        if command.command == "filter":
            subscriber.types = _types(command)
        elif (answer := perform(command)) is not None:
            return answer
    except CommandRefused as error:
        return Reply(command.n, ok=False, error=str(error))
    return Reply(command.n, ok=True)


def _types(command: Command) -> frozenset[str]:
    if command.types is None:
        raise CommandRefused("'filter' needs 'types', a list of event types")
    unknown = sorted(set(command.types) - EVENT_TYPES.keys())
    if unknown:
        raise CommandRefused(f"'types' has {len(unknown)} that are unknown; known: {', '.join(EVENT_TYPES)}")
    return frozenset(command.types)


def _same_user(connection: trio.socket.SocketType) -> bool:
    if sys.platform != "linux":
        return True  # the directory's mode guards alone
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return bool(uid == os.getuid())
