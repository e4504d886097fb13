"""A response as h11 reads it, for comparing what a provider sent with what a client got."""

from __future__ import annotations

import h11

Response = tuple[int | None, bytes, bool]
"""Status, body, and whether it came whole; None where there was no head."""


def read_response(came: bytes) -> Response:
    """The first response in these bytes, after which the connection was closed."""
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method="POST", target="/", headers=[("host", "x")]))
    parser.send(h11.EndOfMessage())
    status: int | None = None
    body = bytearray()
    if came:
        parser.receive_data(came)
    parser.receive_data(b"")
    try:
        while True:
            event = parser.next_event()
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return status, bytes(body), True
            elif not isinstance(event, h11.InformationalResponse):
                return status, bytes(body), False
    except h11.RemoteProtocolError:
        return status, bytes(body), False
