"""Routes that are relayed without being understood: nothing is read of them but how they went."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge.apis.injection import InjectedTool
from bridge.apis.protocol import ClientFilter, Opening, Reader, RequestFacts, StreamFailure, Wants
from bridge.apis.rounds import Injection
from bridge.apis.usage import Usage
from bridge.errors import ErrorKind
from bridge.events.vocabulary import Event


class Passthrough:
    """Any other listed route of a provider. `error_body` makes errors in the shape of its APIs."""

    name = "passthrough"
    understood = False
    keep_alive = b""

    def __init__(self, error_body: Callable[[ErrorKind, str], bytes]) -> None:
        self._error = error_body

    def read_request(self, path: str, body: bytes) -> RequestFacts:  # noqa: ARG002  # by design: it may be anything
        """Nothing is known."""
        return RequestFacts()

    def reveal_thoughts(self, body: bytes) -> bytes | None:  # noqa: ARG002  # it looks at nothing
        """Nothing is added."""
        return None

    def adapt(self, body: bytes) -> tuple[bytes, ClientFilter | None]:
        """Nothing is changed."""
        return body, None

    def inject(self, body: bytes, tools: Sequence[InjectedTool]) -> Injection | None:  # noqa: ARG002  # it gets none
        """Nothing is injected."""
        return None

    def stream_reader(self, interception_id: str, facts: RequestFacts, wants: Wants) -> Reader:  # noqa: ARG002  # it looks at nothing
        """A reader that looks at nothing."""
        return Unread()

    body_reader = stream_reader

    def error_body(self, kind: ErrorKind, message: str) -> bytes:
        """An error in the shape of the provider's APIs."""
        return self._error(kind, message)

    def stream_error(
        self,
        message: str,  # noqa: ARG002  # it looks at nothing
        sequence_number: int = 0,  # noqa: ARG002  # it looks at nothing
        kind: ErrorKind = ErrorKind.BAD_GATEWAY,  # noqa: ARG002  # it looks at nothing
    ) -> bytes:
        """Nothing: nobody knows what would be understood here."""
        return b""

    def opening(self, name: bytes, data: bytes) -> Opening | StreamFailure:  # noqa: ARG002  # it looks at nothing
        """Nothing is held back."""
        return Opening.RELEASE


class Unread:
    """A reader of answers that are not read. Nothing may be put between their bytes."""

    dropped = 0
    events_read = 0
    between_events = False
    token_seen = False
    life = None
    complete = True
    answered = True
    response_id: str | None = None
    failure: StreamFailure | None = None
    usage: tuple[Usage, ...] = ()

    def feed(self, chunk: bytes) -> list[Event]:  # noqa: ARG002  # it looks at nothing
        """Looks away."""
        return []

    def finish(self) -> list[Event]:
        """Has nothing to tell."""
        return []
