"""What the kernel does at once, and knows, of a socket: what Trio has no way to ask for, or asks at a turn's cost."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import sys
import termios

import trio

TCP_STATE = {"linux": (11, 1), "darwin": (0x106, 4)}
"""By platform, the socket option whose first byte is the state of a TCP connection, and the state in which neither side
has ended it: TCP_INFO and TCP_ESTABLISHED; TCP_CONNECTION_INFO and TCPS_ESTABLISHED."""


def established(connection: trio.socket.SocketType) -> bool:
    """Whether neither side has ended the connection, as far as the platform tells."""
    option, state = TCP_STATE.get(sys.platform, (None, None))
    if option is None:
        return True
    try:
        return connection.getsockopt(socket.IPPROTO_TCP, option, 1)[0] == state
    except OSError:
        return False


def sent_at_once(descriptor: int, data: bytes | memoryview) -> int:
    """How many bytes the kernel takes without anybody waiting; mostly all.

    To find that out by Trio costs a turn of the scheduler, and with it a look at every socket: 25 of the 200
    microseconds of an event. Whoever sends here waits for the next bytes right after, so nobody starves. Raises
    OSError where the connection is gone.
    """
    try:
        return os.write(descriptor, data)
    except BlockingIOError:
        return 0


def unsent(descriptor: int) -> int:
    """Bytes that the kernel still holds for a peer (on Linux the number TIOCOUTQ answers this for sockets)."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, b"\0\0\0\0"))[0])
    except OSError:
        return sys.maxsize


def readable(descriptor: int) -> bool:
    """Whether a socket has something to read, its end included."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
