"""The first look at a response, before any of it goes to the client: is it a stream, which error does it tell, does its
stream open with a failure? What was looked at is held, and the response goes on as it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import trio
from attrs import evolve

from bridge.apis.protocol import Api, Opening, StreamFailure
from bridge.apis.provider_errors import LONGEST_BODY
from bridge.apis.sse import SseParser
from bridge.interception.decoding import UndecodableError, decoder
from bridge.providers.attempt import Response
from bridge.providers.faults import UpstreamError

ERROR_BODY = 1024 * 1024
"""How much of an error's body is read, and relayed where no key is left."""
ERROR_BODY_S = 2.0
"""How long the body of an error that speaks of the key may keep the next key waiting: the judging and the reading of it
together, from its head on."""
PROMPT_S = 0.1
"""A body that comes with its head, as nearly all do, is here by then: its key is judged once, by all that it says."""
MOST_DIGITS = 15
HOLD_S = 2.0
HOLD_BYTES = 64 * 1024
"""The opening of a stream is held back no longer than this."""
BOM = b"\xef\xbb\xbf"
STREAM_BEGINNINGS = (b"data:", b"event:", b":")
"""How a stream of events begins, and JSON never does."""
FIRST_LOOK = 4 * 1024
"""Bytes that are taken apart first: mostly they say enough, and what is behind them is taken apart by the reader."""


async def recognise_stream(response: Response) -> Response:
    """The response as it was, known as a stream by its first bytes where it is not labelled as one."""
    held: list[bytes] = []
    with trio.move_on_after(HOLD_S), contextlib.suppress(UpstreamError):  # which whoever relays it meets again
        held.append(await response.receive())
    begins = b"".join(held).removeprefix(BOM).lstrip(b"\r\n").startswith(STREAM_BEGINNINGS)
    return evolve(response.after(held), unlabelled_stream=begins)


async def look_at_error(
    response: Response, deadline: float, late: Callable[[], None] | None = None
) -> tuple[Response, bytes]:
    """The response as it was, and of its body what came in time, not encoded; nothing where it is too long.

    `late` is called once if the body does not come with its head.
    """
    length = response.header(b"content-length") or b""
    if length.isdigit() and (len(length) > MOST_DIGITS or int(length) > LONGEST_BODY):
        return response, b""
    held: list[bytes] = []
    if late is None or not await _hold_body(
        response, held, LONGEST_BODY, min(deadline, trio.current_time() + PROMPT_S)
    ):
        if late is not None:
            late()
        await _hold_body(response, held, LONGEST_BODY, deadline)
    decode = decoder(response.header(b"content-encoding"))
    try:
        return response.after(held), b"" if decode is None else decode(b"".join(held))
    except UndecodableError:
        return response.after(held), b""


async def read_whole(response: Response, deadline: float) -> Response:
    """A response that outlives its connection, with what comes of its body until then (Trio's time)."""
    held: list[bytes] = []
    complete = await _hold_body(response, held, ERROR_BODY, deadline)
    return Response.read_before(response.status, response.headers, b"".join(held), complete=complete)


async def _hold_body(response: Response, held: list[bytes], at_most: int, deadline: float) -> bool:
    """Adds to `held` what comes of a body until then, up to the chunk with which it exceeds `at_most` bytes. Returns
    whether that is all of it.

    A body that breaks off is held as far as it came: whoever relays it meets the error again.
    """
    with trio.move_on_at(deadline), contextlib.suppress(UpstreamError):
        while sum(map(len, held)) <= at_most:
            chunk = await response.receive()
            if not chunk:
                return True
            held.append(chunk)
    return False


async def look_at_opening(response: Response, api: Api) -> tuple[Response, StreamFailure | None]:
    """Receives the opening of a stream. Returns the response as it was, and the failure it opened with, if it did."""
    parser = SseParser()
    held: list[bytes] = []
    verdict: Opening | StreamFailure = Opening.HOLD
    with trio.move_on_after(HOLD_S):
        while verdict is Opening.HOLD and sum(map(len, held)) < HOLD_BYTES:
            try:
                chunk = await response.receive()
            except UpstreamError:
                break  # it will be met again by whoever relays what came
            if not chunk:
                break
            held.append(chunk)
            verdict = _verdict(parser, chunk, api)
    return response.after(held), verdict if isinstance(verdict, StreamFailure) else None


def _verdict(parser: SseParser, chunk: bytes, api: Api) -> Opening | StreamFailure:
    """What the first of these events says that is more than an opening."""
    for part in (chunk[:FIRST_LOOK], chunk[FIRST_LOOK:]):
        for name, data in parser.feed(part):
            verdict = api.opening(name, data)
            if verdict is not Opening.HOLD:
                return verdict
    return Opening.HOLD
