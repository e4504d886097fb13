"""What the bridge needs to know of a provider API: the protocol every module beside this one fulfils.

An `Api` reads what a request says and makes a `Reader` for its answer. Both only look: the bytes themselves cross the
bridge untouched, and nothing here does I/O, waits, or knows who is calling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

from attrs import field

from bridge.apis.conversation import Conversation
from bridge.apis.injection import InjectedTool
from bridge.apis.rounds import Injection
from bridge.apis.usage import Usage
from bridge.errors import ErrorKind, Refused
from bridge.events.values import ErrorType, FailureReason
from bridge.events.vocabulary import Event
from bridge.value_classes import frozen


class UnreadableRequest(Refused):
    """A request body that is no JSON object. Its text says what is wrong, for the person who sent it."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorKind.INVALID_REQUEST, message)


@frozen
class RequestFacts:
    """What a request body says, as far as the bridge cares. `prompt` is None where an agent's loop goes on."""

    model: str | None = None
    service_tier: str | None = None
    speed: str | None = None
    streaming: bool = False
    background: bool = False
    prompt: str | None = None
    correlating_tool_call_id: str | None = None
    user_session: str | None = None  # the session in `metadata.user_id`
    session_hint: str | None = None  # `conversation`, else `prompt_cache_key`
    previous_answer: str | None = None  # the id of the answer that this request goes on from
    keeps_answer: bool = False  # later requests may go on from this one's answer by its id alone
    conversation: Conversation | None = field(default=None, eq=False, repr=False)  # None where it is not read


@frozen
class StreamFailure:
    """An error that upstream sent as an event of a stream it had answered 200."""

    message: str
    reason: FailureReason | None = None  # set where it speaks of the key: rate limit, quota, overload
    told_type: ErrorType = ErrorType.UNKNOWN  # what kind of failure its code tells of, where there is no reason

    @property
    def error_type(self) -> ErrorType:
        """What kind of failure it is."""
        if self.reason is None:
            return self.told_type
        return ErrorType.OVERLOADED if self.reason is FailureReason.OVERLOADED else ErrorType.RATE_LIMITED


class Opening(Enum):
    """What an event at the beginning of a stream means for one who holds it back to look at the next."""

    HOLD = "hold"  # still only the opening: the answer has not begun
    RELEASE = "release"  # the answer has begun, or this is something the client has to see


Wants = Callable[[str], bool]
"""Whether anybody asks for events of that type just now; see `Hub.wants`."""


class Reader(Protocol):
    """Reads one answer, fed with copies of the bytes that go to the client.

    `feed` and `finish` return the events that became known, in order. Text that nobody asks for yet is not parsed until
    somebody does, or the answer ends. A reader never raises for what upstream sends: what it cannot hold (an event over
    8 MiB) or parse it drops, and counts in `dropped`.
    """

    def feed(self, chunk: bytes) -> list[Event]:
        """Takes the next bytes, split anywhere."""

    def finish(self) -> list[Event]:
        """There is no more, for whatever reason: what was read by now is told (partial thoughts included)."""

    @property
    def dropped(self) -> int:
        """How many pieces of the answer could not be read."""

    @property
    def events_read(self) -> int:
        """How many SSE events have come; a body has none."""

    @property
    def life(self) -> object:
        """Something that is not the same any more once more has come than pings and comments, or than white space where
        a body is to come. None where nobody can tell, and every byte has to count."""

    @property
    def between_events(self) -> bool:
        """Whether the bytes so far end where an SSE event ended, so that another may be put in."""

    @property
    def token_seen(self) -> bool:
        """Whether any generated token (text, thought, tool argument) has come."""

    @property
    def complete(self) -> bool:
        """Whether the API's own end of an answer was read (`response.completed`, `message_stop`, `[DONE]`, a body)."""

    @property
    def answered(self) -> bool:
        """Whether all has come that an answer needs: a stream that then ends cleanly is complete, also where a server
        leaves the end mark out."""

    @property
    def response_id(self) -> str | None:
        """The provider's name for the answer, once it was read."""

    @property
    def failure(self) -> StreamFailure | None:
        """The error upstream sent inside the answer, if any."""

    @property
    def usage(self) -> tuple[Usage, ...]:
        """What the answer used: the parts whose sum the `tokens.used` event told, one for each model that answered.
        Empty before it is told, and where the answer says nothing of it."""


class ClientFilter(Protocol):
    """Takes out of an answer what the bridge itself asked for, on its way to the client."""

    def feed(self, chunk: bytes) -> bytes:
        """Takes the next bytes from upstream and returns those for the client."""

    def finish(self) -> bytes:
        """There is no more from upstream: the rest for the client."""


class Api(Protocol):
    """One provider API."""

    name: str
    """Its name in events."""

    understood: bool
    """Whether its requests and responses are read and recorded; else they cross as they are, whatever they say."""

    keep_alive: bytes
    """What may be put between two events of a silent stream."""

    def read_request(self, path: str, body: bytes) -> RequestFacts:
        """The facts of a request. Raises UnreadableRequest unless its body is a JSON object; forgives all else."""

    def reveal_thoughts(self, body: bytes) -> bytes | None:
        """The request with what makes thoughts visible where it says nothing of that, every other byte as it was.

        None where nothing is to be added.
        """

    def adapt(self, body: bytes) -> tuple[bytes, ClientFilter | None]:
        """The request as it goes upstream, and what makes the change invisible to the client.

        The body itself and None wherever nothing has to be changed.
        """

    def inject(self, body: bytes, tools: Sequence[InjectedTool]) -> Injection | None:
        """The request with tools of the bridge's own, and what follows from it; None where it gets none."""

    def stream_reader(self, interception_id: str, facts: RequestFacts, wants: Wants) -> Reader:
        """A reader for a `text/event-stream` answer."""

    def body_reader(self, interception_id: str, facts: RequestFacts, wants: Wants) -> Reader:
        """A reader for an answer in one JSON body."""

    def error_body(self, kind: ErrorKind, message: str) -> bytes:
        """The JSON body of an error in the shape this API's SDKs know."""

    def stream_error(self, message: str, sequence_number: int = 0, kind: ErrorKind = ErrorKind.BAD_GATEWAY) -> bytes:
        """An error of that kind as an event of this API's streams, for one that breaks off between two events.

        Where the API numbers its events, this one gets `sequence_number`: the reader's `events_read` continues them.
        """

    def opening(self, name: bytes, data: bytes) -> Opening | StreamFailure:
        """What an event means while only the opening of a stream has come; see `SseParser`.

        A StreamFailure, always with a reason, where it says that the key is rate limited, out of quota, or upstream
        overloaded: another key may do better, and nothing was generated yet.
        """
