"""Reads what a request says, within bounds: what would take too long or too much memory is relayed unread.

A small request is read at once. A large one, or one in an encoding, is read in a thread: one at a time, since parsing
JSON keeps Python's one lock, and within what all requests together may take (`bridge.limits`). There is no queue for
that: when it is used up, a request goes on its way unread.

Fingerprints of its conversation take as long again. Of a small request they are made by whoever wants them, when the
request is on its way; of a large one at once, in the same thread, since until then all of it would have to be kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import trio
from attrs import evolve

from bridge.apis.conversation import BroughtResult, Fingerprints
from bridge.apis.injection import InjectedTool
from bridge.apis.json_text import TOO_MANY_MARKS, TooCostly, marks
from bridge.apis.protocol import Api, ClientFilter, RequestFacts, UnreadableRequest
from bridge.apis.rounds import Injection
from bridge.interception.decoding import Decode, GrownTooLarge, UndecodableError, decoder, identity
from bridge.limits import LIMITS, READING
from bridge.value_classes import frozen

TOO_LARGE = "too large"
NO_ROOM = "too much is being read already"
UNKNOWN_ENCODING = "in an encoding that is not undone here"

_VALUE_BYTES = 64
"""Bytes of memory that a value in a list or an object takes, about."""

_MAYBE_OBJECT = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\n\r]*\{")

_turn = trio.CapacityLimiter(1)

Compared = Callable[[RequestFacts], bool]
"""Whether a request with these facts will be compared with the one before. May be asked in a thread."""


@frozen
class Wishes:
    """What is asked of a request beside its facts."""

    reveal_thoughts: bool = False
    """Thoughts are to be made visible where it says nothing of that."""
    compared: Compared | None = None
    """None where nobody asks for the comparison."""


NO_WISHES = Wishes()


@frozen
class ReadRequest:
    """A request as it goes upstream, what is known of it, and why it is not read, if it is not."""

    body: bytes
    facts: RequestFacts
    client_filter: ClientFilter | None = None
    unread: str | None = None
    added: tuple[str, ...] = ()
    """What the bridge put into it, as `interception.ended` calls it."""
    results: tuple[BroughtResult, ...] = ()
    """What tools answered; not among the facts, which are kept while the answer is read."""
    fingerprints: Callable[[], Fingerprints] | None = None
    """Makes those of its conversation, where it is to be compared. Holds all of the request until it is let go of."""


async def read(api: Api, path: str, body: bytes, encoding: bytes | None, wishes: Wishes = NO_WISHES) -> ReadRequest:
    """Reads a request. Raises UnreadableRequest for what is certainly no JSON object."""
    decode = decoder(encoding, LIMITS.decoded_bytes)
    try:
        if decode is identity and len(body) <= LIMITS.on_loop_bytes:
            return _read(api, path, body, body, wishes)
        return await _read_large(api, path, body, decode, wishes)
    except TooCostly as why:
        if decode is identity and not _MAYBE_OBJECT.match(body):
            raise UnreadableRequest("the request body is no JSON object") from None
        return ReadRequest(body, RequestFacts(), unread=str(why))


async def inject(
    api: Api, body: bytes, encoding: bytes | None, tools: Sequence[InjectedTool], *, reveal_thoughts: bool = False
) -> Injection | None:
    """Tools for a request that was read: what it becomes with them; None where it gets none."""

    def injected(plain: bytes) -> Injection | None:
        revealing = api.reveal_thoughts(plain) if reveal_thoughts else None
        return api.inject(plain if revealing is None else revealing, tools)

    decode = decoder(encoding, LIMITS.decoded_bytes)
    if decode is identity and len(body) <= LIMITS.on_loop_bytes:
        return injected(body)
    size = len(body) if decode is identity else len(body) + LIMITS.decoded_bytes
    if decode is None or not READING.take(size):
        return None
    try:
        return await trio.to_thread.run_sync(lambda: injected(decode(body)), limiter=_turn)
    finally:
        READING.give_back(size)


async def _read_large(api: Api, path: str, body: bytes, decode: Decode | None, wishes: Wishes) -> ReadRequest:
    """Reads it in a thread, within the budget. Raises TooCostly where it is not read."""
    if decode is None:
        raise TooCostly(UNKNOWN_ENCODING)
    size = len(body) if decode is identity else len(body) + LIMITS.decoded_bytes
    if size > LIMITS.read_request_bytes:
        raise TooCostly(TOO_LARGE)
    if not READING.take(size):
        raise TooCostly(NO_ROOM)
    try:
        plain, values = await trio.to_thread.run_sync(_look, decode, body, limiter=_turn)
        if not READING.take(values * _VALUE_BYTES):
            raise TooCostly(NO_ROOM)
        size += values * _VALUE_BYTES
        return await trio.to_thread.run_sync(_read_whole, api, path, body, plain, wishes, limiter=_turn)
    finally:
        READING.give_back(size)


def _look(decode: Decode, body: bytes) -> tuple[bytes, int]:
    """The body without its encoding, and how many values it may have. Raises TooCostly for too many."""
    try:
        plain = decode(body)
        if decode is not identity:
            decode(b"")  # raises where it is not whole
    except GrownTooLarge:
        raise TooCostly(TOO_LARGE) from None
    except UndecodableError:
        raise UnreadableRequest("the body is not in the encoding that its Content-Encoding names") from None
    count = marks(plain)
    if count > LIMITS.read_request_marks or plain.count(b":") > LIMITS.read_request_colons:
        raise TooCostly(TOO_MANY_MARKS)
    return plain, count


def _read(api: Api, path: str, body: bytes, plain: bytes, wishes: Wishes) -> ReadRequest:
    facts = api.read_request(path, plain)
    added = []
    adapted, client_filter = api.adapt(body)
    if adapted is not body:
        added.append("include_usage")
    revealing = api.reveal_thoughts(adapted) if wishes.reveal_thoughts and plain is body else None  # not in an encoding
    if revealing is not None:
        added.append("thoughts")
        adapted = revealing
    read = ReadRequest(adapted, facts, client_filter, added=tuple(added))
    conversation = facts.conversation
    if conversation is None:
        return read
    results, fingerprints = conversation.results, None
    if wishes.compared is not None and wishes.compared(facts):
        fingerprints = conversation.moved().fingerprints
    else:
        conversation.empty()
    return evolve(read, results=results, fingerprints=fingerprints)


def _read_whole(api: Api, path: str, body: bytes, plain: bytes, wishes: Wishes) -> ReadRequest:
    """The same, with nothing left to be done that needs the request."""
    read = _read(api, path, body, plain, wishes)
    if read.fingerprints is None:
        return read
    made = read.fingerprints()
    return evolve(read, fingerprints=lambda: made)
