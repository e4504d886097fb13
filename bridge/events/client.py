"""A plain subscriber for the commands: connects to a bridge's event socket and reads its lines, blocking."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bridge.errors import ClearspanError
from bridge.events.wire import Command, Message, Reply, Snapshot, Tools, decode, encode

ANSWER_S = 5.0
"""How long a bridge may take to answer at all, in seconds."""

CHUNK = 1 << 20
"""Bytes taken at a time; a snapshot may be tens of megabytes."""


class NoBridge(ClearspanError):
    """Nobody answers on the socket."""


@contextmanager
def subscription(path: Path) -> Iterator[Iterator[bytes]]:
    """The lines a bridge sends, from `hello` on, until it stops. Raises NoBridge where none comes in time."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        _connect(connection, path)
        with connection.makefile("rb") as lines:
            yield _lines(connection, lines, path)


def _connect(connection: socket.socket, path: Path) -> None:
    connection.settimeout(ANSWER_S)
    try:
        connection.connect(os.fspath(path))
    except OSError as error:
        raise NoBridge(
            f"no bridge answers on {path} ({error.strerror or error}); start one with 'clearspan up', "
            "or name its socket with --socket"
        ) from None


def _lines(connection: socket.socket, lines: BinaryIO, path: Path) -> Iterator[bytes]:
    try:
        first = lines.readline()
    except TimeoutError:
        raise NoBridge(f"what answers on {path} says nothing, so it is no bridge") from None
    if first:
        yield first
    connection.settimeout(None)
    yield from lines


def watch(path: Path, types: Sequence[str], every_s: float) -> Iterator[Message | None]:
    """A bridge's messages, with no events but those of these types; None whenever nothing came for so many seconds.

    Ends when the bridge stops. Raises NoBridge where none is, or where it turns us away.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        _connect(connection, path)
        connection.sendall(encode(Command(1, "filter", types=list(types))))
        rest = b""
        while True:
            if not select.select([connection], [], [], every_s)[0]:
                yield None
                continue
            chunk = connection.recv(CHUNK)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for message in map(decode, lines):
                if isinstance(message, Reply) and not message.ok:
                    raise NoBridge(f"the bridge on {path} does not answer: {message.error}")
                yield message


def read_snapshot(path: Path) -> Snapshot:
    """What a bridge knows now. Raises NoBridge."""
    with subscription(path) as lines:
        for line in lines:
            message = decode(line)
            if isinstance(message, Snapshot):
                return message
            if isinstance(message, Reply):  # nothing was asked: it is turned away
                raise NoBridge(f"the bridge on {path} does not answer: {message.error}")
    raise NoBridge(f"the bridge on {path} stopped before it said anything")


def ask(path: Path, command: str) -> Message:
    """What a bridge answers to a command. Raises NoBridge."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        _connect(connection, path)
        with connection.makefile("rb") as lines:
            try:
                connection.sendall(encode(Command(1, "filter", types=[])) + encode(Command(2, command)))
                for line in lines:
                    message = decode(line)
                    if isinstance(message, Reply | Tools) and message.to != 1:
                        return message
            except OSError:  # it says nothing in time, or it is gone
                pass
    raise NoBridge(f"the bridge on {path} did not answer")
