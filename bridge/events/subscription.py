"""A plain subscriber for the commands: connects to a bridge's event socket and reads its lines, blocking."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.errors import ClearspanError
from bridge.events.wire import Snapshot, decode

CONNECT_S = 5.0


class NoBridge(ClearspanError):
    """Nobody answers on the socket."""


@contextmanager
def subscription(path: Path) -> Iterator[Iterator[bytes]]:
    """The lines a bridge sends, from `hello` on, until it stops. Raises NoBridge."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CONNECT_S)
        try:
            connection.connect(os.fspath(path))
        except OSError as error:
            raise NoBridge(
                f"no bridge answers on {path} ({error.strerror or error}); start one with 'clearspan up', "
                "or name its socket with --socket"
            ) from None
        connection.settimeout(None)
        with connection.makefile("rb") as lines:
            yield iter(lines)


def read_snapshot(path: Path) -> Snapshot:
    """What a bridge knows now. Raises NoBridge."""
    with subscription(path) as lines:
        for line in lines:
            message = decode(line)
            if isinstance(message, Snapshot):
                return message
    raise NoBridge(f"the bridge on {path} stopped before it said anything")
