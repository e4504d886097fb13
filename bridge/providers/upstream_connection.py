"""One connection to a provider's server: sends a request, reads the head of what is answered, and gives its body.

It listens also while a long request is still going out: an answer that comes so early ends the sending.
"""

from __future__ import annotations

from math import inf

import trio
from attrs import field

from bridge.errors import ClearspanError
from bridge.http.answer_head import AnswerHead, read_answer_head
from bridge.http.chunked import ChunkedBody
from bridge.http.exchange import ClientGone
from bridge.http.fields import RawHeaders
from bridge.http.grammar import HEAD_END, ProtocolFault
from bridge.http.kernel import readable, unsent
from bridge.limits import LIMITS
from bridge.providers.faults import UpstreamBroke, UpstreamError, UpstreamTimeout, no_http
from bridge.providers.outgoing import Outgoing, UpstreamRequest
from bridge.providers.outlet import Outlet
from bridge.value_classes import define

IDLE_EXPIRY_S = 50.0
"""Idle connections are kept this long; the common servers and load balancers close at 60 s and above."""
RECEIVE_SIZE = 64 * 1024
STALLED_S = 2.0
"""A server that has said yes before it had the whole request gets the rest, unless it takes nothing for so long."""


@define(eq=False)
class UpstreamConnection:
    """One connection, and the exchange that is under way on it."""

    _stream: trio.abc.Stream
    """What is received comes from here."""
    _outlet: Outlet
    """The TCP stream below it, and the way out."""
    idle_since: float = 0.0
    response_begun: bool = field(default=False, init=False)
    """Whether any byte of a response has come for the request under way."""
    _head: AnswerHead | None = field(default=None, init=False)
    _arrived: bytearray = field(factory=bytearray, init=False)
    """What has come and was not looked at yet."""
    _left: int | None = field(default=None, init=False)
    """Bytes of the body that are still to come; None where chunks or the end of the connection say it."""
    _chunked: ChunkedBody | None = field(default=None, init=False)
    _idle_timeout: float = field(default=0.0, init=False)
    _ended: bool = field(default=False, init=False)
    """The body has come whole."""
    _spent: bool = field(default=False, init=False)
    """It must not be used for another request."""
    _fault: str = field(default="", init=False)
    """What was wrong with what came while a request was still going out."""

    @classmethod
    def over(cls, tcp: trio.SocketStream) -> UpstreamConnection:
        """A connection without encryption, over which nothing went yet."""
        outlet = Outlet(tcp)
        return cls(outlet, outlet)

    @property
    def status(self) -> int:
        """The response's."""
        assert self._head is not None  # noqa: S101  # nobody gets a connection before
        return self._head.status

    @property
    def headers(self) -> RawHeaders:
        """The response's, as they came."""
        assert self._head is not None  # noqa: S101  # as above
        return self._head.headers

    @property
    def is_clean(self) -> bool:
        """Whether another request may follow: this response has come whole, and nothing behind it."""
        return self._ended and not self._spent and not self._arrived

    @property
    def has_expired(self) -> bool:
        """Whether an idle one must not be used again: too old, or the server has said or ended something."""
        return trio.current_time() - self.idle_since > IDLE_EXPIRY_S or readable(self._outlet.descriptor)

    async def close(self) -> None:
        """Closes it, however it was left, without waiting for the peer."""
        await trio.aclose_forcefully(self._stream)

    async def ask(self, request: UpstreamRequest, host: bytes) -> None:
        """Sends a request and reads the head of its response. Closes the connection where that fails."""
        self.response_begun, self._ended, self._left, self._chunked = False, False, None, None
        self._head, self._idle_timeout = None, request.idle_timeout
        try:
            head = await self._exchange(request, host)
        except BaseException:
            await self.close()
            raise
        self._head = head
        self._spent = self._spent or not head.lasting
        if request.method == "HEAD" or head.status in {204, 304}:  # RFC 9112, 6.3
            self._left = 0
        elif head.chunked:
            self._chunked = ChunkedBody(padded=True)
        else:
            self._left = head.length
        self._ended = self._left == 0

    async def receive(self) -> bytes:
        """The next bytes of the body, as many as are there; none at its end. Cancelled, it loses nothing.

        Raises UpstreamError where the body breaks off.
        """
        while not self._ended:
            # Also with nothing new: a chunk's fault is told by the call after the one that had good data before it.
            if (part := self._decoded()) or self._ended:
                return part
            data = await self._receive(self._idle_timeout)
            if data:
                self._arrived += data
            elif self._chunked is None and self._left is None:  # 6.3: the end of the connection is that of the body
                self._ended = self._spent = True
            else:
                raise no_http()
        return b""

    def take(self) -> bytes:
        """The next bytes of the body as far as they are here. Never raises: a fault is told by `receive`."""
        if self._ended or not self._arrived:
            return b""
        try:
            return self._decoded()
        except UpstreamBroke:
            return b""

    def _decoded(self) -> bytes:
        """What of the body has arrived."""
        data = bytes(self._arrived)
        if self._chunked is not None:
            self._arrived.clear()
            try:
                part = self._chunked.decode(data)
            except ProtocolFault:
                raise no_http() from None
            if self._chunked.ended:
                self._ended = True
                self._arrived += self._chunked.rest
            return part
        if self._left is None:
            self._arrived.clear()
            return data
        part = data[: self._left]
        del self._arrived[: self._left]
        self._left -= len(part)
        self._ended = not self._left
        return part

    async def _exchange(self, request: UpstreamRequest, host: bytes) -> AnswerHead:
        outgoing = Outgoing(request, host, self._stream, self._outlet)
        try:
            await outgoing.begin()
        except trio.BrokenResourceError:
            self._spent = True  # it may have answered before it stopped reading
        else:
            if not outgoing.is_out:
                await self._send_and_listen(outgoing)
        return self._head or await self._receive_head(self._idle_timeout)

    async def _send_and_listen(self, outgoing: Outgoing) -> None:
        """Sends what is left of a request. An answer to it that comes before its end has its head in `_head` then.

        Raises UpstreamError, and what the body raises as it comes: by itself, out of no group.
        """
        failure: ClearspanError | ClientGone | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, outgoing)
            try:
                await outgoing.send_rest()
            except trio.BrokenResourceError:
                pass  # as above, or it was shut
            except (ClearspanError, ClientGone) as error:
                failure = error
            nursery.cancel_scope.cancel()
        self._spent = self._spent or not outgoing.is_out
        if self._head is not None and isinstance(failure, UpstreamError):
            failure = None  # it has stopped reading, and has answered
        if failure is None and self._fault:
            failure = UpstreamBroke(self._fault)
        try:
            if failure is not None:
                raise failure
        finally:
            del failure  # its traceback has this frame: both would be garbage that waits to be found

    async def _listen(self, outgoing: Outgoing) -> None:
        """Ends the sending when upstream says no, or goes away. One that says yes so early may still read on."""
        try:
            self._head = head = await self._receive_head(inf)
            if head.status < 300:
                await self._until_stalled(outgoing)
        except UpstreamBroke as error:
            self._fault = str(error)
        outgoing.shut()

    async def _until_stalled(self, outgoing: Outgoing) -> None:
        """Returns when upstream has taken nothing for a while that it could have taken."""
        before = None
        while True:
            now = (outgoing.steps, unsent(self._outlet.descriptor))
            if outgoing.is_sending and now == before:
                return
            before = now
            await trio.sleep(STALLED_S)

    async def _receive(self, patience_s: float) -> bytes:
        try:
            with trio.move_on_after(patience_s):
                received: bytes | bytearray = await self._stream.receive_some(RECEIVE_SIZE)
                return bytes(received)
        except trio.BrokenResourceError:
            raise UpstreamBroke("the connection to upstream broke") from None
        raise UpstreamTimeout("upstream was silent for too long")

    async def _receive_head(self, patience_s: float) -> AnswerHead:
        """The head of the response, behind those that only inform."""
        for _ in range(LIMITS.informational_responses + 1):
            searched = 0
            while (end := self._head_end(searched)) is None:
                searched = max(0, len(self._arrived) - 2)
                data = await self._receive(patience_s)
                if not data:
                    raise no_http()
                self.response_begun = True
                self._arrived += data
            whole = bytes(self._arrived[:end])
            del self._arrived[:end]
            try:
                head = read_answer_head(whole)
            except ProtocolFault:
                break
            if head.status >= 200:
                return head
            if head.status == 101:  # nobody asked for another protocol
                break
        raise no_http()

    def _head_end(self, searched: int) -> int | None:
        """Where a head ends, if it has; not before `searched`."""
        found = HEAD_END.search(self._arrived, searched, LIMITS.answer_head_bytes)
        if found is not None:
            return found.end()
        if len(self._arrived) >= LIMITS.answer_head_bytes or not b"HTTP/".startswith(self._arrived[:5]):
            raise no_http()
        return None
