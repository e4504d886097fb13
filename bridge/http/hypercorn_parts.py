"""What we take of Hypercorn: its HTTP/1.1 engine, without its own HTTP/2, WebSockets and server.

The `__init__` of two of its packages load those, which takes longer than all the rest of it. They do not run here:
`bridge.http.connection` stands in the server's place, and neither HTTP/2 nor WebSocket is spoken. What the engine
itself loads for those is not used either: it names HTTP/2's events in annotations alone, and makes a WebSocket's stream
for a request for one, which `bridge.http.engine` takes for a plain request.
"""

from __future__ import annotations

from pathlib import Path

import hypercorn

from bridge.errors import StartError
from bridge.process.imports import unused, without_init

with without_init("hypercorn.protocol", "hypercorn.trio"), unused("hypercorn.protocol.ws_stream", "h2.events"):
    from hypercorn.config import Config
    from hypercorn.events import Closed, Event, RawData, Updated
    from hypercorn.protocol.events import Body, EndBody, Request
    from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
    from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
    from hypercorn.trio.worker_context import WorkerContext
    from hypercorn.typing import H11SendableEvent
    from hypercorn.utils import suppress_body

__all__ = [
    "STREAM_ID",
    "ASGIHTTPState",
    "Body",
    "Closed",
    "Config",
    "EndBody",
    "Event",
    "H11Protocol",
    "H11SendableEvent",
    "HTTPStream",
    "RawData",
    "Request",
    "Updated",
    "WorkerContext",
    "suppress_body",
]

HYPERCORN = "0.18.0"


def check_version() -> None:
    """Raises StartError unless the Hypercorn that this layer was proved on is installed."""
    beside = Path(hypercorn.__file__).parent.with_name(f"hypercorn-{HYPERCORN}.dist-info")
    if beside.is_dir():  # where it mostly is; to ask for it properly takes longer than all of Hypercorn
        return
    from importlib.metadata import version  # noqa: PLC0415  # takes its time to load, and mostly is not needed

    if (found := version("hypercorn")) != HYPERCORN:
        raise StartError(
            f"clearspan needs hypercorn {HYPERCORN} exactly, but {found} is installed; reinstall clearspan"
        )
