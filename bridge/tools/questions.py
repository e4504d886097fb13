"""What a server that is a program was asked and has yet to answer: whose an answer is that is not as it should be.

The library drops what is no message, and answers that nobody waits for by their id. The call would wait out its time.
"""

from __future__ import annotations

from typing import Any

import orjson
from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCError, JSONRPCMessage, JSONRPCNotification, JSONRPCRequest
from mcp_types import JSONRPCResponse as JSONRPCResult

NOT_AS_AGREED = "its answer is not as the protocol says"
MOST = 1000
"""Questions that are remembered, the latest; calls are far fewer."""


def refusal(id_: int, message: str) -> JSONRPCError:
    """The answer that a question gets in place of one that can't be used."""
    return JSONRPCError(jsonrpc="2.0", id=id_, error=ErrorData(code=INTERNAL_ERROR, message=message))


class Questions:
    """Those that are open, by id: the library counts them from 1."""

    def __init__(self) -> None:
        self._open: dict[int, None] = {}
        self._highest = -1

    def sent(self, message: JSONRPCMessage) -> None:
        """This goes to the server."""
        if isinstance(message, JSONRPCRequest):
            id_ = _number(message.id)
            if id_ is not None:
                self._open[id_] = None
                self._highest = max(self._highest, id_)
                if len(self._open) > MOST:
                    del self._open[next(iter(self._open))]
        elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            self._close((message.params or {}).get("requestId"))

    def answered(self, message: JSONRPCMessage) -> JSONRPCMessage:
        """What is to be made of a message: itself, or a refusal where it is an answer to what nobody has asked, and
        one question alone can be meant. One that comes late, when nobody waits any more, is an answer to none."""
        if not isinstance(message, JSONRPCResult | JSONRPCError):
            return message
        if message.id is None and isinstance(message, JSONRPCError):
            meant = self._only()
            return message if meant is None else JSONRPCError(jsonrpc="2.0", id=meant, error=message.error)
        id_ = _number(message.id)
        if id_ is not None and id_ <= self._highest:
            self._close(id_)
            return message
        meant = self._only()
        return message if meant is None else refusal(meant, NOT_AS_AGREED)

    def spoiled(self, line: bytes) -> JSONRPCMessage | None:
        """The refusal for a line that is no message, but an answer all the same; None where it is anything else."""
        try:
            said: Any = orjson.loads(line)
        except orjson.JSONDecodeError:
            return None  # many print to where messages belong
        if not isinstance(said, dict) or "method" in said or not said.keys() & {"id", "result", "error"}:
            return None
        id_ = _number(said.get("id"))
        if id_ is not None and id_ <= self._highest:
            if id_ not in self._open:
                return None  # late
            self._close(id_)
        elif said.keys() & {"jsonrpc", "result", "error"}:
            id_ = self._only()
        else:
            return None
        return None if id_ is None else refusal(id_, NOT_AS_AGREED)

    def _only(self) -> int | None:
        """The question that is open, where there is but one; it counts as answered then."""
        if len(self._open) != 1:
            return None
        (id_,) = self._open
        self._close(id_)
        return id_

    def _close(self, id_: object) -> None:
        number = _number(id_)
        if number is not None:
            self._open.pop(number, None)


def _number(id_: object) -> int | None:
    """An id as we gave it, also where it comes back as another kind of value."""
    if isinstance(id_, str) and id_.isascii() and id_.isdigit() and len(id_) < 16:
        return int(id_)
    if isinstance(id_, float) and id_.is_integer():
        return int(id_)
    return id_ if isinstance(id_, int) and not isinstance(id_, bool) else None
