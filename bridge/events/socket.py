"""The event socket: a Unix stream socket on which subscribers read events and give commands (docs/events.md).

Who may connect is decided by the file system (directory 0700, socket 0600) and, where the platform tells, by the
peer's user id. Which bridge owns the path is decided by a lock beside it, so a stale file is cleared away and a live
bridge's is not. Nothing a subscriber does or leaves undone reaches further than its own task.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import struct
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from bridge.accept import accept
from bridge.errors import StartError
from bridge.events.hub import Hub
from bridge.events.subscriber import Subscriber
from bridge.events.vocabulary import EVENT_TYPES
from bridge.events.wire import Command, Hello, Reply, WireError, decode_command, encode
from bridge.limits import LIMITS
from bridge.observe.logs import logger

log = logger("socket")

PATH_LIMIT = 103
"""The longest socket path every platform takes (macOS: 104 bytes with the final NUL)."""

FAREWELL_S = 0.5
"""How long a stopping bridge lets its subscribers read what is queued, in seconds."""

Perform = Callable[[Command], None]
"""Carries a command out; raises CommandRefused with the reason where it can't."""


class CommandRefused(Exception):
    """A command that can't be carried out; its text is the reply's `error`."""


@asynccontextmanager
async def event_socket(path: Path, hub: Hub, hello: Callable[[], Hello], perform: Perform) -> AsyncIterator[None]:
    """Serves subscribers on `path` while the block runs. Raises StartError where another bridge owns the path."""
    with _claimed(path) as listening:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_accept, listening, hub, hello, perform)
            try:
                yield
            finally:
                with trio.move_on_after(FAREWELL_S, shield=True):
                    await hub.flushed()  # whoever reads gets the last events too
                nursery.cancel_scope.cancel()


@contextlib.contextmanager
def _claimed(path: Path) -> Iterator[trio.SocketListener]:
    if len(os.fsencode(path)) > PATH_LIMIT:
        raise StartError(
            f"the socket path is longer than {PATH_LIMIT} bytes: {path}; choose a shorter one with --socket"
        )
    _private_directory(path.parent)
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StartError(
            f"another bridge already uses the event socket {path}; stop it, or choose another with --socket"
        ) from None
    if _has_listener(path):
        os.close(lock)
        raise StartError(f"another program answers on the event socket {path}; choose another with --socket")
    if path.exists() and not path.is_socket():
        os.close(lock)
        raise StartError(f"{path} exists and is no socket; choose another place with --socket")
    path.unlink(missing_ok=True)  # nobody answers on it and the lock is ours: a bridge that was killed left it
    try:
        with _bound(path) as listening:
            yield trio.SocketListener(trio.socket.from_stdlib_socket(listening))
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def _bound(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The file appears with bind(), so the mask must be tight at that moment: no window in which others may connect.
    mask = os.umask(0o177)
    try:
        listening.bind(os.fspath(path))
    except OSError as error:
        listening.close()
        raise StartError(f"cannot make the event socket {path}: {error.strerror}") from error
    finally:
        os.umask(mask)
    listening.listen(64)
    return listening


def _private_directory(directory: Path) -> None:
    try:
        for missing in reversed([ancestor for ancestor in (directory, *directory.parents) if not ancestor.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)  # its parents too: one may be the user's runtime directory
        status = directory.lstat()
    except OSError as error:
        raise StartError(f"cannot make {directory} for the event socket: {error.strerror}") from None
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise StartError(f"{directory} must be a directory of your own, to hold the event socket")
    if stat.S_IMODE(status.st_mode) & 0o022:
        raise StartError(
            f"other users may write to {directory} (mode {stat.S_IMODE(status.st_mode):o}), so none of its sockets can "
            f"be trusted; run 'chmod 700 {directory}' or choose another place with --socket"
        )


def _has_listener(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
        return True


async def _accept(listener: trio.SocketListener, hub: Hub, hello: Callable[[], Hello], perform: Perform) -> None:
    async with trio.open_nursery() as nursery:
        while True:
            nursery.start_soon(_serve, await accept(listener, log), hub, hello, perform)


async def _serve(stream: trio.SocketStream, hub: Hub, hello: Callable[[], Hello], perform: Perform) -> None:
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
                    await writer.send([encode(hello())])
                    nursery.start_soon(_write, subscriber, writer)
                    await _handle_commands(stream, subscriber, writer, perform)
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
    stream: trio.SocketStream, subscriber: Subscriber, writer: _Writer, perform: Perform
) -> None:
    pending = bytearray()
    refused = False  # the line that is coming was too long already, and has had its reply
    while chunk := await stream.receive_some(LIMITS.line_bytes):
        pending += chunk
        *lines, pending = pending.split(b"\n")
        for line in lines:
            if not refused and line.strip():
                await _answer(bytes(line), subscriber, writer, perform)
            refused = False
        if len(pending) > LIMITS.line_bytes:
            if not refused:
                await _answer(bytes(pending), subscriber, writer, perform)
            refused = True
            pending.clear()


async def _answer(line: bytes, subscriber: Subscriber, writer: _Writer, perform: Perform) -> None:
    if len(line) > LIMITS.line_bytes:
        await writer.send([encode(Reply(None, ok=False, error=f"a line is at most {LIMITS.line_bytes} bytes"))])
        return
    try:
        command = decode_command(line)
    except WireError as error:
        await writer.send([encode(Reply(None, ok=False, error=str(error)))])
        return
    if command.command == "snapshot":
        await subscriber.ask(command.n)  # which replies in its place
        return
    await writer.send([encode(_carry_out(command, subscriber, perform))])


def _carry_out(command: Command, subscriber: Subscriber, perform: Perform) -> Reply:
    try:
        if command.command == "filter":
            subscriber.types = _types(command)
        else:
            perform(command)
    except CommandRefused as error:
        return Reply(command.n, ok=False, error=str(error))
    return Reply(command.n, ok=True)


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
