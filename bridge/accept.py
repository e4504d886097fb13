"""One accept loop for everything that listens here: HTTP clients and the event socket's subscribers."""

from __future__ import annotations

import errno

import structlog
import trio

OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})

PAUSE_S = 0.2
"""Before the next try, when descriptors or memory are used up: some may be free then."""


async def accept(listener: trio.SocketListener, log: structlog.typing.FilteringBoundLogger) -> trio.SocketStream:
    """The next connection.

    Error handling: a client that was gone again before we looked is passed over by Trio. When descriptors or memory
    are used up, it waits and tries again, since those who are connected must go on. Any other error is raised: a
    listener that fails in a way nobody knows must not be asked again and again.
    """
    while True:
        try:
            return await listener.accept()
        except OSError as error:
            if error.errno not in OUT_OF_RESOURCES:
                raise
            log.warning("cannot accept connections for now", error=error.strerror)
            await trio.sleep(PAUSE_S)
