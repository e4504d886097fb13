"""Replays captured requests through a bridge of its own, and compares what is at its two ends.

What the bridge changes on purpose is known and checked: the usage that it asks for in a Chat stream, and takes out of
the answer again. All else has to be the same, byte for byte, and the bridge has to say the same of it itself.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import h11
import orjson
import trio
from attrs import field

from bridge.config.settings import CircuitBreakerSettings, ProviderSettings, RecordSettings, ServerSettings, Settings
from bridge.events.vocabulary import InterceptionEnded, InterceptionStarted
from bridge.events.wire import Envelope
from bridge.http.fields import RawHeaders, named_by_connection
from bridge.interception.headers import IDENTITY_PREFIXES, KEPT_BACK
from bridge.keys.secret import Secret
from bridge.providers.kinds import CREDENTIAL_HEADERS, KINDS
from bridge.proving.captures import Capture, NotACapture
from bridge.proving.wire import Answer, Got, RecordingProvider, recording_provider, replay
from bridge.server import Bridge
from bridge.value_classes import define, frozen

KEY = "sk-clearspan-prove-0001"
PATIENCE_S = 30.0
ITSELF = "the bridge itself"
"""Who is named for what it answers without asking upstream, as agents' first greeting."""


@frozen
class Tried:
    """What became of one request. Of one that went nowhere `request`, `answer` and `headers` are None."""

    name: str
    agent: str
    served: bool
    request: bool | None = None
    answer: bool | None = None
    headers: bool | None = None
    added: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


@define
class Told:
    """What the bridge said of the request under way."""

    started: InterceptionStarted | None = None
    ended: InterceptionEnded | None = None
    over: trio.Event = field(factory=trio.Event)

    def begin(self) -> None:
        """The next request."""
        self.started, self.ended, self.over = None, None, trio.Event()

    def take(self, envelope: Envelope) -> None:
        """One event."""
        match envelope.event:
            case InterceptionStarted() as event:
                self.started = event
            case InterceptionEnded() as event:
                self.ended = event
                self.over.set()


async def trial(found: Iterable[Capture | NotACapture]) -> list[Tried | NotACapture]:
    """What becomes of each, one after the other."""
    async with recording_provider() as (url, recording), _bridge(url) as bridge:
        told = Told()
        bridge.hub.add_sink(told.take)
        return [
            capture if isinstance(capture, NotACapture) else await _try(capture, bridge, recording, told)
            for capture in found
        ]


async def _try(capture: Capture, bridge: Bridge, recording: RecordingProvider, told: Told) -> Tried:
    told.begin()
    recording.got.clear()
    host, _, port = bridge.url.removeprefix("http://").rpartition(":")
    try:
        with trio.fail_after(PATIENCE_S):
            answer = await replay(capture, host, int(port))
            if told.started is not None:
                await told.over.wait()
    except (OSError, trio.BrokenResourceError, trio.TooSlowError, h11.ProtocolError) as error:
        return Tried(capture.name, _agent(told), served=False, faults=(f"no answer: {error or 'none in time'}",))
    return _judge(capture, answer, recording, told)


@asynccontextmanager
async def _bridge(url: str) -> AsyncIterator[Bridge]:
    """A bridge before that provider, whatever it is called, without a record."""
    no_breaker = CircuitBreakerSettings(enabled=False)
    providers = {
        name: ProviderSettings(name, f"{url}{kind.base_path}", (Secret(KEY),), circuit_breaker=no_breaker)
        for name, kind in KINDS.items()
    }
    with tempfile.TemporaryDirectory(prefix="clearspan-prove-") as place:
        server = ServerSettings(port=0, socket=Path(place) / "events.sock")
        bridge = Bridge(Settings(server, RecordSettings(path=None), providers, data_dir=Path(place)))
        async with trio.open_nursery() as nursery:
            await nursery.start(bridge.run)
            try:
                yield bridge
            finally:
                bridge.stop("all was replayed")


def _agent(told: Told) -> str:
    return ITSELF if told.started is None else told.started.client


def _judge(capture: Capture, answer: Answer, recording: RecordingProvider, told: Told) -> Tried:
    if not recording.got:
        refused = (f"the bridge answered {answer.status} by itself",) if answer.status >= 400 else ()
        return Tried(capture.name, _agent(told), served=not refused, faults=refused)
    got, ended = recording.got[-1], told.ended
    added = tuple(ended.added) if ended else ()
    request = _request_kept(capture.body, got.body, added)
    response = _answer_kept(got.given, answer, added)
    headers = _header_faults(capture, got)
    faults = headers + _contradictions(ended, capture, got, answer)
    if not request:
        faults.append(f"the request: {_difference(capture.body, got.body)}")
    if not response:
        faults.append(f"the answer: {_difference(got.given, answer.body)}")
    return Tried(capture.name, _agent(told), True, request, response, not headers, added, tuple(faults))


def _request_kept(body: bytes, got: bytes, added: tuple[str, ...]) -> bool:
    """Whether the body is what came, but for what was added on purpose."""
    if "include_usage" not in added:
        return body == got
    before, after = orjson.loads(body), orjson.loads(got)
    options = {**(before.get("stream_options") or {}), "include_usage": True}
    same = next((n for n, (a, b) in enumerate(zip(body, got, strict=False)) if a != b), len(body))
    rest = len(body) - same
    put_in = got.endswith(body[same:]) if rest else True
    return bool({**before, "stream_options": options} == after and (put_in or "stream_options" in before))


def _answer_kept(given: bytes, answer: Answer, added: tuple[str, ...]) -> bool:
    """Whether the body is what upstream gave, but for the chunk that was asked for by the bridge."""
    if not answer.whole:
        return False
    if given == answer.body or "include_usage" not in added:
        return given == answer.body
    events = given.split(b"\n\n")
    without = [event for event in events if b'"choices":[]' not in event]
    return len(without) == len(events) - 1 and b"\n\n".join(without) == answer.body


def _header_faults(capture: Capture, got: Got) -> list[str]:
    """What of the headers did not cross, or should not have."""
    dropped = KEPT_BACK | named_by_connection(capture.headers)
    sent = [
        (name, value)
        for name, value in capture.headers
        if name.lower() not in dropped and not name.lower().startswith(IDENTITY_PREFIXES)
    ]
    lost = Counter(_lowered(sent)) - Counter(_lowered(got.headers))
    more = {name for name, _ in _lowered(got.headers)} - {name for name, _ in _lowered(sent)} - OWN
    faults = [f"the header {name.decode()} did not go upstream as it came" for name, _ in lost]
    return faults + [f"the header {name.decode()} went upstream and nobody sent it" for name in sorted(more)]


OWN = frozenset({b"host", b"content-length", b"accept-encoding"}) | CREDENTIAL_HEADERS
"""What the bridge puts into a request: how it is framed and paid."""


def _lowered(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value.strip()) for name, value in headers]


def _contradictions(ended: InterceptionEnded | None, capture: Capture, got: Got, answer: Answer) -> list[str]:
    """Where the bridge says of itself what is not so."""
    if ended is None:
        return []
    facts = (("request_equal", capture.body == got.body), ("answer_equal", got.given == answer.body))
    return [
        f"the bridge says {name} = {str(told).lower()}"
        for name, equal in facts
        if (told := getattr(ended, name)) is not None and told is not equal
    ]


def _difference(before: bytes, after: bytes) -> str:
    place = next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    return f"{len(before):,} bytes in, {len(after):,} out, not the same from byte {place:,} on"
